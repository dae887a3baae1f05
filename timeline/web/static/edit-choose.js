// Choosing by name: an editable combobox with a list (WAI-ARIA APG, "Editable Combobox With List Autocomplete"), and
// how actors, sources, events, topics, roles and zones are found.
import { announce, calmly, folded, free, h, isSlug, label, labels, lang, slugify, t, unique } from "./edit-dom.js";
import { read, thing } from "./edit-api.js";

const SHOWN = 12;
const ARTICLE = /^(the|le|la|les|l['’]|un|une|an?)\s*(?=\S)/i;

// ------------------------------------------------------------------------------------------- how things are found

const namesOf = (actor) => [
  actor.name,
  ...Object.values(actor.names ?? {}),
  ...(actor.aliases ?? []).map((one) => one.text),
];

/** Rank how well names answer what was typed: the same, the same beginning, a word's beginning, anywhere. */
function rank(names, typed) {
  const wanted = folded(typed);
  const ranks = names.map(folded).map((name) => {
    if (name === wanted || name.replace(ARTICLE, "") === wanted.replace(ARTICLE, "")) return 0;
    if (name.startsWith(wanted)) return 1;
    return name.includes(` ${wanted}`) ? 2 : 3;
  });
  return Math.min(...ranks);
}

const ranked = (options, typed) =>
  options
    .map((option) => ({ ...option, rank: rank([option.value, ...option.names], typed) }))
    .sort((one, other) => one.rank - other.rank || one.label.localeCompare(other.label, lang));

export const shownName = (actor) => actor.names?.[lang] ?? actor.name;

function actorOption(actor, typed = "") {
  const own = shownName(actor);
  const wanted = folded(typed).replace(ARTICLE, "");
  const alias = wanted && !folded(own).includes(wanted) && namesOf(actor).find((name) => folded(name).includes(wanted));
  const kind = label("actor", actor.kind);
  return {
    value: actor.id,
    label: own,
    detail: alias ? t("also-called", { kind, alias }) : kind,
    names: namesOf(actor),
  };
}

async function findActors(typed) {
  const ask = (q) => read("/v1/actors", { q, limit: 200 });
  let { items } = await ask(typed);
  if (!items.length && ARTICLE.test(typed)) ({ items } = await ask(typed.replace(ARTICLE, "")));
  return ranked(
    items.map((actor) => actorOption(actor, typed)),
    typed,
  );
}

function sourceOption(source) {
  const detail = [source.publisher, source.published].filter(Boolean).join(", ");
  return { value: source.id, label: source.title, detail, names: [source.title] };
}

async function findSources(typed) {
  const { items } = await read("/v1/sources", { q: typed, limit: 200 });
  return ranked(items.map(sourceOption), typed);
}

export const titleOf = (event) => event.translations?.[lang]?.title ?? event.title;

function eventOption(event) {
  return {
    value: event.id,
    label: titleOf(event),
    detail: event.when ?? t("undated"),
    names: [titleOf(event), event.title],
  };
}

async function findEvents(typed) {
  const found = typed
    ? await read("/v1/events", { q: typed, limit: 30 })
    : await read("/v1/events", { order: "desc", limit: 12 });
  const options = found.items.map(eventOption);
  if (isSlug(typed) && !options.some((option) => option.value === typed)) {
    const exact = await thing("event", typed);
    if (exact) options.unshift(eventOption(exact));
  }
  return options;
}

let topics = null;

async function findTopics(typed) {
  topics ??= read("/v1/topics").catch((error) => {
    topics = null;
    throw error;
  });
  const { items } = await topics;
  const options = items.map(({ id, events }) => ({
    value: id,
    label: label("topic", id),
    detail: t("events", { count: events }),
    names: [label("topic", id)],
  }));
  return typed ? matching(options, typed) : options;
}

const matching = (options, typed) =>
  ranked(
    options.filter(({ value, names }) => [value, ...names].some((name) => folded(name).includes(folded(typed)))),
    typed,
  );

const fixed = (options) => async (typed) => (typed ? matching(options, typed) : options);

const ofVocabulary = (name) =>
  Object.entries(labels[name]).map(([value, text]) => ({
    value,
    label: text,
    detail: value === text ? "" : value,
    names: [text],
  }));

const zones = () =>
  [
    ...new Set([
      "UTC",
      Intl.DateTimeFormat().resolvedOptions().timeZone,
      ...(Intl.supportedValuesOf?.("timeZone") ?? []),
    ]),
  ].map((zone) => ({ value: zone, label: zone, detail: "", names: [zone.replace(/^.*\//, "").replaceAll("_", " ")] }));

/** How each type is found; `settle` makes a value of what was typed where anything goes, `named` shows a value. */
const FINDERS = {
  actor: { find: findActors, named: async (id) => named(await thing("actor", id), actorOption) },
  source: { find: findSources, named: async (id) => named(await thing("source", id), sourceOption) },
  event: { find: findEvents, named: async (id) => named(await thing("event", id), eventOption) },
  topic: {
    find: findTopics,
    settle: slugify,
    named: async (id) => ({ value: id, label: label("topic", id), detail: id }),
  },
  role: {
    find: fixed(ofVocabulary("role")),
    settle: slugify,
    named: async (id) => ({ value: id, label: label("role", id), detail: labels.role[id] ? "" : id }),
  },
  zone: {
    find: async (typed) => fixed(zones())(typed),
    settle: (text) => text.trim(),
    named: async (id) => ({ value: id, label: id, detail: "" }),
  },
};

const named = (body, option) => (body ? option(body) : null);

// ------------------------------------------------------------------------------------------- the combobox

/** A combobox: `value` is what was chosen, `typed` what stands in the field. `make` offers to describe what is new. */
export class Combobox {
  constructor({ type, value, onchange = () => {}, onchoose = () => {}, make = null }) {
    const { find, settle, named: show } = FINDERS[type];
    Object.assign(this, {
      type,
      find,
      settle,
      show,
      onchange,
      onchoose,
      make,
      options: [],
      active: -1,
      value: "",
      label: "",
    });
    const list = unique("list");
    this.input = h("input", {
      type: "text",
      id: unique("choose"),
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": list,
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      dir: "auto",
      oninput: () => this.typedSomething(),
      onkeydown: (event) => this.pressed(event),
      onblur: () => this.left(),
      onclick: () => this.isOpen || this.search(),
    });
    this.list = h("ul", {
      id: list,
      role: "listbox",
      "aria-label": t(`choose-${type}`),
      class: "options",
      hidden: true,
      onpointerdown: (event) => event.preventDefault(),
    });
    this.chosen = h("span", { class: "chosen hint", hidden: true });
    this.element = h("div", { class: "choose" }, this.input, this.list);
    this.search = this.search.bind(this);
    this.soon = calmly(this.search, 150);
    if (value) this.set(value);
  }

  get typed() {
    return this.input.value.trim();
  }

  get isOpen() {
    return !this.list.hidden;
  }

  /** Whether something was typed that stands for nothing. */
  get isOpenQuestion() {
    return this.typed !== "" && !this.value;
  }

  /** Show a value by its name, once that is known. */
  async set(value) {
    this.value = value;
    this.input.value = value;
    this.tell(null);
    const option = await this.show(value).catch(() => null);
    if (this.value === value && this.input.value === value && option) this.take(option);
  }

  take(option) {
    this.value = option.value;
    this.input.value = option.label;
    this.label = option.label;
    this.tell(option);
  }

  tell(option) {
    const parts = option
      ? [...new Set([option.detail, this.type === "zone" ? "" : option.value])].filter(
          (part) => part && part !== option.label,
        )
      : [];
    this.chosen.hidden = parts.length === 0;
    this.chosen.replaceChildren(free(parts.join(" · ")));
  }

  typedSomething() {
    this.value = this.settle ? this.settle(this.typed) : "";
    this.tell(null);
    this.soon();
  }

  async search() {
    if (document.activeElement !== this.input) return;
    const before = this.input.value;
    try {
      const options = (await this.find(before === this.label ? "" : this.typed)).slice(0, SHOWN);
      if (document.activeElement !== this.input || this.input.value !== before) return;
      const offer = this.make && this.isOpenQuestion;
      this.open(
        offer
          ? [...options, { make: true, label: t(`describe-${this.type}`, { name: this.typed }), detail: "" }]
          : options,
      );
      announce(t("choices", { count: options.length }));
    } catch (error) {
      this.close();
      announce(error.message);
    }
  }

  open(options) {
    this.options = options;
    this.active = -1;
    this.input.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(
      ...options.map((option, number) =>
        h(
          "li",
          {
            role: "option",
            id: `${this.list.id}_${number}`,
            "aria-selected": "false",
            class: option.make ? "make" : null,
            onclick: () => this.choose(number),
          },
          free(option.label),
          option.detail && h("span", { class: "detail" }, free(option.detail)),
        ),
      ),
    );
    if (!options.length) this.list.append(h("li", { class: "none", role: "presentation" }, t("choices-none")));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  close() {
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  choose(number) {
    const option = this.options[number];
    this.close();
    if (option.make) return void this.make(this.typed);
    this.take(option);
    this.onchange();
    this.onchoose(option.value);
  }

  move(step) {
    const count = this.options.length;
    if (!count) return;
    this.active = this.active < 0 ? (step > 0 ? 0 : count - 1) : (this.active + step + count) % count;
    [...this.list.children].forEach((item, number) =>
      item.setAttribute("aria-selected", String(number === this.active)),
    );
    const item = this.list.children[this.active];
    this.input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  async pressed(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!this.isOpen) await this.search();
      if (this.isOpen && !event.altKey) this.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && this.isOpen && this.active >= 0) {
      event.preventDefault();
      this.choose(this.active);
    } else if (event.key === "Enter" && this.isOpenQuestion) {
      event.preventDefault(); // not yet a choice: opening the list is more help than sending the form
      await this.search();
    } else if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (event.key === "Escape" && this.typed) {
      this.clear();
    }
  }

  clear() {
    this.input.value = "";
    this.value = "";
    this.tell(null);
    this.onchange();
  }

  /** Take what was typed in full, where it is the name of one thing only. */
  async left() {
    const typed = this.typed;
    this.close();
    if (this.settle) return this.leftFree();
    if (!this.isOpenQuestion) return undefined;
    const found = await this.find(typed).catch(() => []);
    const same = found.filter((option) => rank([option.value, ...option.names], typed) === 0);
    if (same.length === 1 && this.typed === typed && !this.value) {
      this.take(same[0]);
      this.onchange();
    }
    return undefined;
  }

  /** Show a word that was typed by its name; a name that was typed in full stands for its word. */
  async leftFree() {
    const typed = this.typed;
    if (!typed) return;
    const found = (await this.find(typed).catch(() => [])).find(
      (option) => rank([option.value, ...option.names], typed) === 0,
    );
    if (this.typed !== typed) return;
    const option = found ?? (this.value ? await this.show(this.value) : null);
    if (!option) return; // nothing that could be a word is left of it: the field says so when it is checked
    if (option.value !== this.value || this.input.value !== option.label) {
      this.take(option);
      this.onchange();
    }
  }
}
