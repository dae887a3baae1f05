// Citing: where in a source's text a passage stands, in Unicode code points as Python counts them, with the SHA-256 of
// its UTF-8 bytes (W3C Web Annotation, text position and text quote selectors). The text itself stays in this page.
import { button, h, t, unique } from "./edit-dom.js";
import { thing } from "./edit-api.js";
import { changed } from "./edit-fields.js";

const AROUND = 32;

/** Count code points: JavaScript's length counts UTF-16 units, of which an emoji has two. */
export const codePoints = (text) => [...text].length;

/** SHA-256 of a text's UTF-8 bytes in hexadecimal; undefined where the browser has no WebCrypto (plain HTTP). */
export async function sha256(text) {
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Move a selection out to whole code points: half an emoji is no text. */
function whole(text, start, end) {
  const inside = (at) =>
    at > 0 && at < text.length && text.charCodeAt(at - 1) >> 10 === 0x36 && text.charCodeAt(at) >> 10 === 0x37;
  return [inside(start) ? start - 1 : start, inside(end) ? end + 1 : end];
}

/** Make the selectors of a passage between two UTF-16 offsets; `form` writes text as the source has it, NFC or not. */
export async function selectors(text, from, to, form = (part) => part) {
  const [start, end] = whole(text, from, to);
  const before = form(text.slice(0, start));
  const exact = form(text.slice(start, end));
  const after = form(text.slice(end));
  const first = codePoints(before);
  return {
    start: first,
    end: first + codePoints(exact),
    span_sha256: await sha256(exact),
    exact,
    prefix: [...before].slice(-AROUND).join("") || undefined,
    suffix: [...after].slice(0, AROUND).join("") || undefined,
  };
}

const asIs = (text) => text;
const composed = (text) => text.normalize("NFC");

/** Find out which form of a pasted text the source on record has; null where it is another text. */
async function formOf(source, text) {
  if (!source?.sha256 || !globalThis.crypto?.subtle) return { form: composed, known: undefined };
  for (const form of [composed, asIs]) if ((await sha256(form(text))) === source.sha256) return { form, known: true };
  return { form: composed, known: false };
}

/** Put the chooser of a passage into the row of a citation. */
export function passage(citation) {
  const text = h("textarea", { id: unique("passage"), rows: 8, dir: "auto", spellcheck: "false" });
  const quote = h("input", { type: "checkbox", id: unique("quote"), checked: true });
  const said = h("p", { class: "hint said", role: "status" });
  const wanted = h("input", { type: "text", id: unique("search"), dir: "auto", autocomplete: "off" });
  const source = () => citation.fields.source.box.value;
  let asked = 0;
  const state = async () => {
    const turn = (asked += 1);
    if (!text.value) return said.replaceChildren();
    const body = source() ? await thing("source", source()).catch(() => null) : null;
    const { known } = await formOf(body, text.value);
    if (turn !== asked) return undefined; // asked again meanwhile
    const length = t("length", { count: codePoints(composed(text.value)) });
    const words =
      known === undefined
        ? length
        : t(known ? "text-matches" : "text-differs", { length, count: body.characters ?? "?" });
    said.dataset.state = known === false ? "bad" : "good";
    return said.replaceChildren(words);
  };
  const find = () => {
    const at = wanted.value ? text.value.indexOf(wanted.value) : -1;
    if (at < 0) return announceTo(said, t("passage-not-found"));
    text.focus();
    text.setSelectionRange(at, at + wanted.value.length);
    return undefined;
  };
  const use = async () => {
    if (text.selectionStart === text.selectionEnd) return announceTo(said, t("select-first"));
    const body = source() ? await thing("source", source()).catch(() => null) : null;
    const { form } = await formOf(body, text.value);
    fill(citation, await selectors(text.value, text.selectionStart, text.selectionEnd, form), quote.checked);
    return announceTo(said, t("passage-taken", { start: citation.fields.start.get(), end: citation.fields.end.get() }));
  };
  text.addEventListener("change", state);
  citation.fields.source.element.addEventListener("input", state);
  text.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && use());
  wanted.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), find()));
  const element = h(
    "details",
    { class: "passage" },
    h("summary", {}, t("passage")),
    h("p", { class: "hint" }, t("hint-passage")),
    h("div", { class: "field wide" }, h("label", { for: text.id }, t("passage-text")), text),
    h(
      "div",
      { class: "field finder" },
      h("label", { for: wanted.id }, t("passage-find")),
      h("div", { class: "beside" }, wanted, button(t("find"), find)),
    ),
    h("p", { class: "tick" }, quote, h("label", { for: quote.id }, t("passage-quote"))),
    h("div", { class: "act" }, button(t("passage-use"), use)),
    said,
  );
  element.carry = (content) => {
    text.value = content;
    element.open = true;
    return state();
  };
  citation.passage = element;
  return element;
}

function announceTo(place, words) {
  place.dataset.state = "good";
  place.replaceChildren(words);
}

/** Fill the selectors in, so that they can be seen, changed and compared like all else. */
function fill(citation, found, quoting) {
  const values = { ...found, ...(quoting ? {} : { exact: undefined, prefix: undefined, suffix: undefined }) };
  for (const name of ["start", "end", "span_sha256", "exact", "prefix", "suffix"]) {
    citation.fields[name].input.value = values[name] ?? "";
  }
  if (citation.rest) citation.rest.open = true;
  changed(citation.fields.start.input);
}
