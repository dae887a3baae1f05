// Elements, words and announcements of the editor. What comes from people or from the log goes in as text, never as
// markup: nothing here or in the other modules writes HTML.
const data = JSON.parse(document.getElementById("edit_data").textContent);
const live = document.getElementById("edit_live");
let serial = 0;

export const { lang, labels, examples } = data;

/** Give a sentence; `{name}` is filled in, and `count` chooses between singular and plural, divided by a bar. */
export function t(key, values = {}) {
  let text = data.words[key];
  if (text === undefined) throw new Error(`there are no words for ${key}`);
  if (text.includes("|")) {
    const one = values.count === 1 || (values.count === 0 && lang === "fr");
    text = text.split("|")[one ? 0 : 1];
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Name a word of a vocabulary; one that is not known is shown without its hyphens. */
export const label = (vocabulary, word) => labels[vocabulary]?.[word] ?? String(word).replaceAll("-", " ");

/** Make an id that no other element has. */
export const unique = (stem) => `edit_${stem}_${++serial}`;

/** Make an element: `on...` listens, true and false set and leave out an attribute, children are nodes or text. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const button = (words, onclick, more = {}) =>
  h("button", { type: "button", class: "button", onclick, ...more }, words);

/** Write English that the server says: the page may be in another language. */
export const english = (text) => h("span", { lang: "en" }, text);

/** Show a text that may be of any language and direction. */
export const free = (text) => h("bdi", {}, String(text));

/** Tell those who do not see the page what happened. */
export function announce(text) {
  live.textContent = "";
  requestAnimationFrame(() => {
    live.textContent = text;
  });
}

/** Move the focus to an element that is not reached by Tab, such as a heading. */
export function focusOn(element) {
  if (!element.matches("a, button, input, select, textarea, summary")) element.tabIndex = -1;
  element.focus();
}

/** Open everything folded around an element, so that it can be seen and take the focus. */
export function unfold(element) {
  for (let at = element.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
}

/** Wait for quiet before calling: for what asks the server while somebody types. */
export function calmly(call, milliseconds = 250) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}

/** Make a slug of a text as the server does: accents folded, all else a hyphen. */
export function slugify(text) {
  const folded = text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
  return folded
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 80)
    .replace(/-+$/, "");
}

/** Fold case and accents, for comparing what was typed with names. */
export const folded = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").trim();

export const isSlug = (text) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text);

/** Say when something was recorded, in the reader's own time and language. */
export function moment(text) {
  const when = new Date(text);
  return Number.isNaN(when.getTime()) ? text : when.toLocaleString(lang, { dateStyle: "medium", timeStyle: "short" });
}

/** The address of the editor for one thing, in the language the page is in. */
export function address(parameters) {
  const chosen = new URLSearchParams(location.search).get("lang");
  const query = new URLSearchParams({ ...parameters, ...(chosen ? { lang: chosen } : {}) }).toString();
  return query ? `/edit?${query}` : "/edit";
}

/** Link to the public page of a thing. */
export const pageOf = (type, id) => h("a", { href: `/${type}s/${encodeURIComponent(id)}` }, t("see-page"));
