// Fields put together: objects, lists of them, texts by language, and a whole form. What a form does not show stays
// part of the value it was made with, so that nothing is lost by revising one field.
import { announce, button, h, lang, t, unfold, unique } from "./edit-dom.js";
import { FIELDS, changed } from "./edit-fields.js";

export function make(spec, value, around) {
  if (spec.type === "object") return new ObjectField(spec, value, around);
  if (spec.type === "list") return new ListField(spec, value, around);
  if (spec.type === "languages") return new LanguagesField(spec, value, around);
  return new FIELDS[spec.type](spec, value, around);
}

const isNothing = (value) =>
  value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);

/** Several fields that make one object; without any value there is no object. */
class ObjectField {
  constructor(spec, value, around) {
    this.spec = spec;
    this.title = t(`field-${spec.label ?? spec.name}`);
    this.original = value;
    this.fields = Object.fromEntries(spec.fields.map((one) => [one.name, make(one, value?.[one.name], around)]));
    const inner = spec.fields.filter((one) => !one.folded).map((one) => this.fields[one.name].element);
    const folded = spec.fields.filter((one) => one.folded);
    const open = !spec.shut && folded.some((one) => value?.[one.name] !== undefined);
    const more =
      folded.length > 0 &&
      h(
        "details",
        { open },
        h("summary", {}, t(spec.more ?? "more")),
        h(
          "div",
          { class: "fields" },
          folded.map((one) => this.fields[one.name].element),
        ),
      );
    this.body = h("div", { class: "fields" }, inner);
    this.rest = more || null;
    this.extra = spec.extra?.(this) ?? null;
    this.element = spec.row
      ? h("div", {}, this.body, this.extra, more)
      : h(
          "fieldset",
          {},
          h("legend", {}, this.title),
          spec.hint && h("p", { class: "hint" }, t(`hint-${spec.hint}`)),
          this.body,
          this.extra,
          more,
        );
  }

  get() {
    if (this.isUntouched) return this.original;
    const result = { ...this.original };
    for (const [name, field] of Object.entries(this.fields)) {
      const value = field.get();
      if (value === undefined) delete result[name];
      else result[name] = value;
    }
    return isNothing(result) ? undefined : result;
  }

  get isUntouched() {
    return Object.values(this.fields).every((field) => field.isUntouched);
  }

  find([name, ...rest]) {
    return Object.hasOwn(this.fields, name ?? "") ? this.fields[name].find(rest) : this;
  }

  check(faults) {
    if (this.original === undefined && this.isUntouched && !this.spec.row) return;
    if (this.get() === undefined) return;
    for (const field of Object.values(this.fields)) field.check(faults);
  }

  fault(text, language) {
    Object.values(this.fields)[0].fault(text, language);
  }

  clear() {
    for (const field of Object.values(this.fields)) field.clear();
  }

  get input() {
    return Object.values(this.fields)[0].input;
  }

  focus() {
    Object.values(this.fields)[0].focus();
  }
}

/** Rows that can be added, removed and, where their order says something, moved. */
class ListField {
  constructor(spec, value, around) {
    Object.assign(this, { spec, around, original: value, rows: [], stirred: false });
    this.title = t(`field-${spec.label ?? spec.name}`);
    this.holder = h("div", { class: "rows" });
    this.adder = button(t(`add-${spec.name}`), () => this.add(undefined).focus(), { class: "button add" });
    this.error = h("span", { class: "error", id: unique("error"), hidden: true });
    this.element = h(
      "fieldset",
      { class: `list list-${spec.name}` },
      h("legend", {}, this.title),
      spec.hint && h("p", { class: "hint" }, t(`hint-${spec.hint}`)),
      this.holder,
      this.error,
      this.adder,
    );
    for (const item of this.items(value)) this.append(item);
    this.stirred = false;
  }

  items(value) {
    return value ?? [];
  }

  specOf() {
    const { spec } = this;
    return spec.item
      ? { ...spec.item, name: spec.item.name ?? spec.name }
      : {
          type: "object",
          name: spec.name,
          fields: spec.fields,
          row: true,
          more: spec.more,
          extra: spec.extra,
          shut: spec.shut,
        };
  }

  append(item) {
    const field = make(this.specOf(), item, this.around);
    const row = { field, isNew: item === undefined };
    const act = (key, sign, call) => button(sign, call, { class: "button small", "aria-label": "", "data-act": key });
    const buttons = [
      this.spec.ordered && act("up", "↑", () => this.move(row, -1)),
      this.spec.ordered && act("down", "↓", () => this.move(row, 1)),
      act("remove", "×", () => this.remove(row)),
    ];
    row.buttons = buttons.filter(Boolean);
    row.number = h("span", { class: "number", "aria-hidden": "true" });
    row.element = h(
      "div",
      { class: this.spec.item ? "row single-row" : "row", role: "group" },
      h("div", { class: "row-head" }, row.number, h("div", { class: "row-acts" }, row.buttons)),
      h("div", { class: "row-body" }, field.element),
    );
    this.rows.push(row);
    this.holder.append(row.element);
    this.tell();
    return row;
  }

  add(item) {
    const row = this.append(item);
    this.stirred = true;
    changed(this.element);
    announce(t("added-row", { name: this.nameOf(row) }));
    return row.field;
  }

  nameOf(row) {
    return t(`row-${this.spec.name}`, { number: this.rows.indexOf(row) + 1 });
  }

  /** Number the rows and their buttons anew. */
  tell() {
    this.rows.forEach((row, number) => {
      const name = this.nameOf(row);
      row.element.setAttribute("aria-label", name);
      row.number.textContent = name;
      for (const one of row.buttons) {
        const words = t(`row-${one.dataset.act}`, { name });
        one.setAttribute("aria-label", words);
        one.title = words;
        const stuck =
          (one.dataset.act === "up" && number === 0) || (one.dataset.act === "down" && number === this.rows.length - 1);
        one.setAttribute("aria-disabled", String(stuck));
      }
    });
  }

  move(row, step) {
    const from = this.rows.indexOf(row);
    const to = from + step;
    if (to < 0 || to >= this.rows.length) return;
    this.rows.splice(from, 1);
    this.rows.splice(to, 0, row);
    const pressed = document.activeElement;
    this.holder.insertBefore(row.element, this.rows[to + 1]?.element ?? null);
    pressed.focus(); // moving an element takes the focus off it
    this.stirred = true;
    this.tell();
    changed(this.element);
    announce(t("moved-row", { number: to + 1, count: this.rows.length }));
  }

  remove(row) {
    const at = this.rows.indexOf(row);
    announce(t("removed-row", { name: this.nameOf(row) }));
    this.rows.splice(at, 1);
    row.element.remove();
    this.stirred = true;
    this.tell();
    changed(this.element);
    const next = this.rows[at] ?? this.rows[at - 1];
    (next ? next.buttons.at(-1) : this.adder).focus();
  }

  /** Rows that say something: one that was added and left as it was is none. */
  get filled() {
    return this.rows.filter((row) => !(row.isNew && row.field.isUntouched) && row.field.get() !== undefined);
  }

  get isUntouched() {
    const standing = this.rows.filter((row) => !(row.isNew && row.field.isUntouched));
    return (!this.stirred || this.sameRows(standing)) && standing.every((row) => row.field.isUntouched);
  }

  /** Whether the rows are those the list was made with, in their order. */
  sameRows(standing) {
    const first = this.items(this.original);
    return (
      standing.length === first.length &&
      standing.every((row, number) => !row.isNew && row.field.original === first[number])
    );
  }

  get() {
    if (this.isUntouched) return this.original;
    return this.assemble(this.filled.map((row) => row.field.get()));
  }

  assemble(values) {
    return values.length ? values : undefined;
  }

  find([number, ...rest]) {
    const row = /^\d+$/.test(number ?? "") ? this.filled[Number(number)] : undefined;
    return row ? row.field.find(rest) : this;
  }

  check(faults) {
    for (const row of this.filled) row.field.check(faults);
  }

  fault(text, language = lang) {
    this.error.replaceChildren(h("span", { lang: language }, text));
    this.error.hidden = false;
    this.adder.setAttribute("aria-describedby", this.error.id);
  }

  clear() {
    this.error.hidden = true;
    this.adder.removeAttribute("aria-describedby");
    for (const row of this.rows) row.field.clear();
  }

  get input() {
    return this.adder;
  }

  focus() {
    this.adder.focus();
  }
}

/** Texts by language: a member of the object for each row. `text` says that the member is a text, not an object. */
class LanguagesField extends ListField {
  items(value) {
    this.entries ??= Object.entries(value ?? {}).map(([language, content]) =>
      this.spec.text ? { language, text: content } : { language, ...content },
    );
    return this.entries;
  }

  specOf() {
    const language = { name: "language", type: "text", required: true, max: 35, code: true, hint: "language" };
    return { type: "object", name: this.spec.name, row: true, fields: [language, ...this.spec.fields] };
  }

  assemble(values) {
    if (!values.length) return undefined;
    return Object.fromEntries(
      values.map(({ language, ...content }) => [language ?? "", this.spec.text ? content.text : content]),
    );
  }

  check(faults) {
    super.check(faults);
    const seen = new Set();
    for (const { field } of this.filled) {
      const { language } = field.get();
      if (seen.has(language)) faults.push([field.fields.language, t("fault-language-twice")]);
      seen.add(language);
    }
  }

  find([language, ...rest]) {
    const row = this.filled.find((one) => one.field.get().language === language);
    return row ? row.field.find(this.spec.text ? ["text"] : rest) : this;
  }
}

/** A whole form: sections of fields over one value. */
export class Form {
  constructor(sections, value, around = {}) {
    this.sections = sections;
    this.around = { ...around, tz: () => this.text("tz"), expected: () => this.text("kind") === "plan" };
    this.value = value;
    this.fields = {};
    this.element = h(
      "div",
      { class: "form" },
      sections.map((section) => this.section(section)),
    );
    for (const name of ["tz", "kind"])
      this.fields[name]?.element.addEventListener("change", () => this.fields.when?.say());
  }

  text(name) {
    const value = this.fields[name]?.get();
    return typeof value === "string" && value ? value : undefined;
  }

  section(section) {
    const heading = t(`section-${section.name}`);
    const inner = section.fields.map(
      (spec) => (this.fields[spec.name] = make(spec, this.value[spec.name], this.around)).element,
    );
    const body = h("div", { class: "fields" }, inner);
    if (!section.folded) {
      const id = unique("section");
      return h("section", { class: "block", "aria-labelledby": id }, h("h2", { id }, heading), body);
    }
    const open = section.open?.(this.value) ?? section.fields.some((spec) => this.value[spec.name] !== undefined);
    return h(
      "details",
      { class: "block", open, "data-section": section.name },
      h("summary", {}, h("h2", {}, heading)),
      body,
    );
  }

  /** The value as it stands, with all that the form does not show. */
  get() {
    const result = { ...this.value };
    for (const [name, field] of Object.entries(this.fields)) {
      const value = field.get();
      if (value === undefined) delete result[name];
      else result[name] = value;
    }
    return result;
  }

  find(pointer) {
    const [name, ...rest] = pointer
      .split("/")
      .slice(1)
      .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    return Object.hasOwn(this.fields, name ?? "") ? this.fields[name].find(rest) : null;
  }

  check() {
    const faults = [];
    for (const field of Object.values(this.fields)) field.check(faults);
    return faults;
  }

  clear() {
    for (const field of Object.values(this.fields)) field.clear();
  }
}

/** Show what is wrong in one place, with a link to each field, and take the focus there. */
export function summary(place, faults, title = t("faults", { count: faults.length })) {
  const items = faults.map(([field, text, language]) => {
    const [first] = text.split("\n");
    const words = h("span", { lang: language ?? lang }, first);
    if (!field) return h("li", {}, words);
    const go = (event) => {
      event.preventDefault();
      unfold(field.input);
      field.focus();
    };
    return h(
      "li",
      {},
      h("a", { href: `#${field.input.id || (field.input.id = unique("field"))}`, onclick: go }, field.title),
      `${t("colon")} `,
      words,
    );
  });
  place.replaceChildren(
    h(
      "div",
      { class: "faults", tabindex: "-1", role: "group", "aria-label": title },
      h("p", {}, h("strong", {}, title)),
      h("ul", {}, items),
    ),
  );
  for (const [field] of faults) if (field) unfold(field.input);
  place.firstChild.focus();
}
