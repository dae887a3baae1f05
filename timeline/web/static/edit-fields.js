// Single fields: a label, a hint, an input, and the place beside it for what is wrong. A field that nobody touched
// gives back exactly the value it was made with, whatever a browser's input does to line ends and spaces.
import { button, calmly, english, examples, free, h, label, lang, labels, t, unique } from "./edit-dom.js";
import { Problem, read } from "./edit-api.js";
import { Combobox } from "./edit-choose.js";

/** Say that something changed where no key was pressed: a choice, a row that moved. */
export const changed = (element) => element.dispatchEvent(new Event("input", { bubbles: true }));

class Field {
  constructor(spec, value) {
    this.spec = spec;
    this.title = t(`field-${spec.label ?? spec.name}`);
    this.original = value;
  }

  /** Put the parts together; `described` are elements that tell more about the input. */
  frame(input, { body = input, described = [], after = [] } = {}) {
    input.id ||= unique(this.spec.name);
    this.input = input;
    this.error = h("span", { class: "error", id: unique("error"), hidden: true });
    const hint = this.spec.hint && h("span", { class: "hint", id: unique("hint") }, t(`hint-${this.spec.hint}`));
    this.described = [...(hint ? [hint.id] : []), ...described.map((element) => (element.id ||= unique("about")))];
    const need =
      this.spec.required &&
      !this.spec.quiet &&
      this.spec.type !== "select" &&
      h("span", { class: "need" }, ` ${t("required")}`);
    if (this.spec.required && !this.spec.quiet) input.setAttribute("aria-required", "true");
    this.element = h(
      "div",
      { class: `field field-${this.spec.name}${this.spec.wide ? " wide" : ""}` },
      h("label", { for: input.id }, this.title, need),
      body,
      hint,
      ...described,
      this.error,
      ...after,
    );
    this.describe();
  }

  describe() {
    const ids = [...this.described, ...(this.error.hidden ? [] : [this.error.id])];
    if (ids.length) this.input.setAttribute("aria-describedby", ids.join(" "));
    else this.input.removeAttribute("aria-describedby");
  }

  get() {
    if (this.input.value === this.raw) return this.original;
    const text = this.spec.verbatim ? this.input.value : this.input.value.trim();
    return text === "" ? undefined : this.parse(text);
  }

  parse(text) {
    return text;
  }

  get isUntouched() {
    return this.input.value === this.raw;
  }

  find() {
    return this;
  }

  check(faults) {
    if (this.spec.required && this.get() === undefined) faults.push([this, t("fault-required")]);
  }

  fault(text, language = lang) {
    const [first, ...rest] = text.split("\n");
    const code = rest.join("\n");
    const more = code.trim() && h("code", {}, code);
    const known = this.error.hidden ? [] : [...this.error.childNodes, " "];
    this.error.replaceChildren(...known, ...(language === lang ? [first] : [english(first)]), ...(more ? [more] : []));
    this.error.hidden = false;
    this.input.setAttribute("aria-invalid", "true");
    this.describe();
  }

  clear() {
    this.error.hidden = true;
    this.error.replaceChildren();
    this.input.removeAttribute("aria-invalid");
    this.describe();
  }

  focus() {
    this.input.focus();
  }
}

class TextField extends Field {
  constructor(spec, value) {
    super(spec, value);
    const common = {
      dir: spec.code ? "ltr" : "auto",
      maxlength: spec.max,
      autocomplete: "off",
      spellcheck: spec.code ? "false" : null,
      autocapitalize: spec.code ? "none" : null,
      class: spec.code ? "code" : null,
      inputmode: spec.number ? "decimal" : null,
    };
    const input = spec.rows
      ? h("textarea", { ...common, rows: spec.rows })
      : h("input", { ...common, type: spec.type === "url" ? "url" : "text" });
    input.value = value ?? "";
    this.raw = input.value;
    this.frame(input);
  }

  parse(text) {
    const number = text.replace(",", ".").replace("−", "-");
    return this.spec.number && /^-?\d+(\.\d+)?$/.test(number) ? Number(number) : text;
  }
}

class SelectField extends Field {
  constructor(spec, value) {
    super(spec, value);
    const words = Object.keys(labels[spec.of] ?? {}).map((word) => [word, label(spec.of, word)]);
    const options = spec.options ?? words;
    const known =
      value === undefined || options.some(([word]) => word === value) ? options : [...options, [value, value]];
    const input = h(
      "select",
      {},
      spec.required ? null : h("option", { value: "" }, t("none")),
      known.map(([word, text]) => h("option", { value: word }, text)),
    );
    input.value = value ?? spec.first ?? (spec.required ? known[0][0] : "");
    this.raw = value === undefined && spec.required ? null : input.value;
    this.untouched = input.value;
    this.frame(input);
  }

  get isUntouched() {
    return this.input.value === this.untouched;
  }
}

/** A date, said in words while it is typed. `around` gives the zone, and whether the date is that of a plan. */
class DateField extends Field {
  constructor(spec, value, around) {
    super(spec, value);
    this.around = around;
    const input = h("input", {
      type: "text",
      dir: "ltr",
      class: "code",
      maxlength: 120,
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
    });
    input.value = value ?? "";
    this.raw = input.value;
    this.words = h("output", { class: "words-of-date" });
    this.wrong = null;
    this.frame(input, { described: [this.words], after: spec.help ? [dateHelp(this)] : [] });
    const soon = calmly(() => this.say());
    input.addEventListener("input", () => {
      this.wrong = null;
      soon();
    });
    this.say();
  }

  async say() {
    const text = this.input.value.trim();
    if (!text) return this.show(this.spec.help ? [t("date-none")] : [], "");
    const { tz, expected } = this.around;
    const asked = { text, lang, tz: tz?.(), expected: this.spec.help && expected?.() ? "true" : undefined };
    try {
      const found = await dated(asked);
      if (this.input.value.trim() !== text) return undefined;
      this.wrong = null;
      return this.show(
        [
          h("span", { class: `shape-${found.shape}`, "aria-hidden": "true" }, h("span", { class: "mark" })),
          h("span", { class: "said" }, found.words),
        ],
        "good",
      );
    } catch (error) {
      if (this.input.value.trim() !== text) return undefined;
      return error instanceof Problem && error.status === 400 ? this.refuse(text, error.body) : this.show([], "");
    }
  }

  refuse(text, { reason, hint, offset }) {
    this.wrong = `${reason}; ${hint}`;
    const caret = h(
      "code",
      { class: "caret", "aria-hidden": "true" },
      `${text}\n${" ".repeat(Math.min(offset, 120))}^`,
    );
    this.show([h("span", { lang: "en" }, h("strong", {}, reason), ` — ${hint}`), caret], "bad");
  }

  show(children, state) {
    this.words.dataset.state = state;
    this.words.replaceChildren(...children);
    if (state === "bad") this.input.setAttribute("aria-invalid", "true");
    else if (this.error.hidden) this.input.removeAttribute("aria-invalid");
  }

  check(faults) {
    super.check(faults);
    if (this.wrong) faults.push([this, t("fault-date"), lang]);
  }
}

/** Ask for a date in words; a zone that does not exist has its own field to be wrong beside. */
async function dated(asked) {
  try {
    return await read("/v1/dates", asked);
  } catch (error) {
    if (error instanceof Problem && error.faults.some((fault) => fault.pointer === "?tz"))
      return read("/v1/dates", { ...asked, tz: undefined });
    throw error;
  }
}

/** Show how dates are written: each example can be put into the field. */
function dateHelp(field) {
  const take = (text) => {
    field.input.value = text;
    field.input.focus();
    changed(field.input);
  };
  const rows = examples.map(([text, words]) =>
    h(
      "li",
      {},
      button(text, () => take(text), { class: "button example code", "aria-label": t("use-example", { text, words }) }),
      h("span", {}, words),
    ),
  );
  return h("details", { class: "examples" }, h("summary", {}, t("date-help")), h("ul", {}, rows));
}

/** Something chosen by name: an actor, a source, an event; or a word that may be new: a topic, a role, a zone. */
class ChoiceField extends Field {
  constructor(spec, value, around) {
    super(spec, value);
    this.place = h("div", { class: "inline-form" });
    const make = around.makers?.[spec.of];
    this.box = new Combobox({
      type: spec.of,
      value,
      onchange: () => changed(this.element),
      make:
        make &&
        ((typed) =>
          make(
            typed,
            this.place,
            (body) => this.made(body),
            () => this.input.focus(),
          )),
    });
    this.raw = value ?? "";
    this.frame(this.box.input, { body: this.box.element, described: [this.box.chosen], after: [this.place] });
  }

  /** Choose what was just described. */
  made(body) {
    this.box.set(body.id);
    changed(this.element);
    this.input.focus();
  }

  get() {
    if (this.isUntouched) return this.original;
    return this.box.value || this.box.typed || undefined;
  }

  get isUntouched() {
    return (this.box.value || this.box.typed) === this.raw;
  }

  check(faults) {
    super.check(faults);
    if (this.box.isOpenQuestion) faults.push([this, t(`fault-choose-${this.spec.of}`)]);
  }
}

export const FIELDS = { text: TextField, url: TextField, select: SelectField, date: DateField, choice: ChoiceField };

/** Show a value of a field as people read it: the word of a vocabulary, a name, or the text itself. */
export function shown(spec, value) {
  if (spec.type === "select" && spec.of) return label(spec.of, value);
  if (spec.type === "choice" && (spec.of === "topic" || spec.of === "role")) return label(spec.of, value);
  return free(value);
}
