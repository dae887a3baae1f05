// What changed: the smallest merge patch (RFC 7396), a difference people can read, and three versions side by side.
import { free, h, lang, t, unique } from "./edit-dom.js";
import { read, thing } from "./edit-api.js";
import { shownName, titleOf } from "./edit-choose.js";
import { shown } from "./edit-fields.js";

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Write a value so that the same values have the same text, whatever the order of their members. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "";
  const members = Object.keys(value)
    .sort()
    .filter((name) => value[name] !== undefined);
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export const same = (one, other) => canonical(one) === canonical(other);

const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Give the smallest merge patch from one object to another (RFC 7396): null takes a member away. */
export function difference(old, now) {
  if (!isObject(old) || !isObject(now)) return now;
  const patch = {};
  for (const name of Object.keys(old)) if (own(now, name) === undefined) patch[name] = null;
  for (const [name, value] of Object.entries(now)) {
    if (value === undefined || same(own(old, name), value)) continue;
    patch[name] = own(old, name) === undefined ? value : difference(old[name], value);
  }
  return patch;
}

// ------------------------------------------------------------------------------------------- as people read them

const NAMES = { actor: shownName, event: titleOf, source: (source) => source.title };

/** Show what an id stands for, by its name as soon as that is known. */
function reference(type, id) {
  const element = h("span", {}, free(id));
  thing(type, id)
    .then((body) => {
      if (body) element.replaceChildren(free(NAMES[type](body)), h("span", { class: "detail" }, ` ${id}`));
    })
    .catch(() => {}); // its id says enough
  return element;
}

/** Show a date, and what it says in words as soon as that is known. */
function inWords(date) {
  const words = h("span", { class: "said-date" });
  read("/v1/dates", { text: date, lang })
    .then((found) => words.replaceChildren(` ${found.words}`))
    .catch(() => {});
  return h("span", {}, h("span", { class: "code" }, date), words);
}

export function describe(spec, value) {
  if (value === undefined) return h("span", { class: "nothing" }, t("nothing"));
  if (spec?.type === "list" && Array.isArray(value))
    return h(
      "ol",
      { class: "values" },
      value.map((item) => h("li", {}, describe(itemOf(spec), item))),
    );
  if (spec?.type === "languages" && isObject(value)) {
    return h(
      "ul",
      { class: "values" },
      Object.entries(value).map(([language, content]) =>
        h("li", {}, h("strong", {}, `${language} `), describe(spec.text ? undefined : itemOf(spec), content)),
      ),
    );
  }
  if (isObject(value)) return members(spec, value);
  if (spec?.type === "choice" && NAMES[spec.of]) return reference(spec.of, value);
  if (spec?.type === "date") return inWords(value);
  return h(
    "span",
    { class: "text" },
    spec ? shown(spec, value) : free(typeof value === "string" ? value : JSON.stringify(value)),
  );
}

const itemOf = (spec) => spec.item ?? { type: "object", fields: spec.fields };

function members(spec, value) {
  const known = new Map((spec?.fields ?? []).map((one) => [one.name, one]));
  const names = [...known.keys(), ...Object.keys(value).filter((name) => !known.has(name))].filter(
    (name) => value[name] !== undefined,
  );
  return h(
    "span",
    { class: "members" },
    names.map((name) =>
      h(
        "span",
        { class: "member" },
        h("span", { class: "label" }, `${titleOfField(known.get(name), name)}${t("colon")} `),
        describe(known.get(name), value[name]),
      ),
    ),
  );
}

export const titleOfField = (spec, name) => (spec ? t(`field-${spec.label ?? spec.name}`) : name);

/** Give every field of a form by name. */
export const specsOf = (sections) =>
  new Map(sections.flatMap((section) => section.fields).map((spec) => [spec.name, spec]));

// ------------------------------------------------------------------------------------------- before and after

/** List fields that differ, before and after, with what is new and what is gone marked; all of them if it is new. */
export function changes(sections, earlier, after) {
  const before = earlier ?? {};
  const specs = specsOf(sections);
  const names = [...specs.keys(), ...Object.keys({ ...before, ...after }).filter((name) => !specs.has(name))];
  const differing = names.filter((name) => !same(before[name], after[name]));
  return differing.map((name) =>
    earlier ? change(specs.get(name), name, before[name], after[name]) : said(specs.get(name), name, after[name]),
  );
}

const said = (spec, name, value) =>
  h(
    "section",
    { class: "change new", "data-field": name },
    h("h3", {}, titleOfField(spec, name)),
    describe(spec, value),
  );

function change(spec, name, before, after) {
  const [left, right] = marked(spec, before, after);
  return h(
    "section",
    { class: "change", "data-field": name },
    h("h3", {}, titleOfField(spec, name)),
    h("div", { class: "sides" }, side("before", t("before"), left), side("after", t("after"), right)),
  );
}

const side = (kind, heading, content) => h("div", { class: `side ${kind}` }, h("h4", {}, heading), content);

function marked(spec, before, after) {
  if (typeof before === "string" && typeof after === "string" && spec?.type === "text") return words(before, after);
  if (Array.isArray(before) && Array.isArray(after))
    return [items(spec, before, after, "del"), items(spec, after, before, "ins")];
  return [
    before === undefined ? describe(spec, before) : h("del", {}, describe(spec, before)),
    after === undefined ? describe(spec, after) : h("ins", {}, describe(spec, after)),
  ];
}

/** Show a list with the items that the other one does not have marked. */
function items(spec, list, other, mark) {
  const there = other.map(canonical);
  return h(
    "ol",
    { class: "values" },
    list.map((item) => {
      const at = there.indexOf(canonical(item));
      if (at >= 0) there.splice(at, 1);
      return h(
        "li",
        {},
        at >= 0 ? describe(itemOf(spec ?? {}), item) : h(mark, {}, describe(itemOf(spec ?? {}), item)),
      );
    }),
  );
}

/** Mark what differs between two texts: all between the first and the last word that is not the same. */
function words(before, after) {
  const [old, now] = [before, after].map((text) => text.split(/(?<=\s)/));
  let start = 0;
  while (start < Math.min(old.length, now.length) && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const part = (all, mark) => {
    const middle = all.slice(start, all.length - end).join("");
    return h(
      "span",
      { class: "text", dir: "auto" },
      all.slice(0, start).join(""),
      middle && h(mark, {}, middle),
      all.slice(all.length - end).join(""),
    );
  };
  return [part(old, "del"), part(now, "ins")];
}

// ------------------------------------------------------------------------------------------- three versions

/** Fields that either side changed since the base; `conflict` where both did, and not alike. */
export function contested(base, mine, theirs) {
  const names = [...new Set([...Object.keys(base), ...Object.keys(mine), ...Object.keys(theirs)])];
  return names
    .filter((name) => !same(base[name], mine[name]) || !same(base[name], theirs[name]))
    .map((name) => {
      const [own, other] = [!same(base[name], mine[name]), !same(base[name], theirs[name])];
      const agreed = same(mine[name], theirs[name]);
      return {
        name,
        agreed,
        conflict: own && other && !agreed,
        choice: agreed || !own ? "theirs" : other ? null : "mine",
      };
    });
}

/** Show three versions of a field, and let one be chosen. */
export function chooser(spec, unit, versions, onchoice) {
  const name = unique("version");
  const option = (which) =>
    h(
      "label",
      { class: "version" },
      h("input", {
        type: "radio",
        name,
        value: which,
        checked: unit.choice === which,
        onchange: () => onchoice(which),
      }),
      h("strong", {}, t(which)),
      h("span", { class: "value" }, describe(spec, versions[which][unit.name])),
    );
  return h(
    "fieldset",
    { class: unit.conflict ? "contest" : "settled", "data-field": unit.name },
    h("legend", {}, titleOfField(spec, unit.name)),
    h("p", { class: "hint" }, t(unit.conflict ? "both-changed" : unit.choice === "mine" ? "only-mine" : "only-theirs")),
    h(
      "div",
      { class: "base" },
      h("span", { class: "label" }, `${t("base")}${t("colon")} `),
      describe(spec, versions.base[unit.name]),
    ),
    option("mine"),
    option("theirs"),
  );
}
