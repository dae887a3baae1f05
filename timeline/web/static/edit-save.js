// From a form to a record: checked, shown as a difference, given a reason, sent once; and what follows where the server
// refuses. Nothing that was typed is lost: the form stays, and a draft is kept in this tab (sessionStorage).
import { announce, button, calmly, focusOn, free, h, moment, t, unfold } from "./edit-dom.js";
import { Problem, keeper } from "./edit-api.js";
import { Form, make, summary } from "./edit-form.js";
import { changes, chooser, contested, same, specsOf } from "./edit-compare.js";

export const REASON = { name: "reason", type: "text", rows: 2, max: 2000, required: true, hint: "reason", wide: true };
const DRAFT = "timeline-draft:";

export const drafts = () =>
  keeper
    .names()
    .filter((name) => name.startsWith(DRAFT))
    .map((name) => name.slice(DRAFT.length))
    .sort();

/** Forget every draft: whoever signs out leaves nothing behind. */
export const dropDrafts = () => drafts().forEach((name) => keeper.drop(DRAFT + name));

function draftOf(key) {
  try {
    return JSON.parse(keeper.get(DRAFT + key));
  } catch {
    return null;
  }
}

/** Give the pointer into the value itself, whatever it was wrapped in to be sent. */
const pointerOf = (fault) =>
  fault.pointer.replace(/^\/0(?=\/|$)/, "").replace(/^\/(event|actor|source|patch)(?=\/)/, "");

/**
 * Edits one thing. `thing` is {key, title, sections, value, revision (0: new), load, save, done, makers, signInAgain}:
 * `load` gives {value, revision, since} as it stands now, `save` takes {value, base, revision, reason}.
 */
export class Editor {
  constructor(thing) {
    Object.assign(this, {
      thing,
      base: thing.value,
      revision: thing.revision,
      isDirty: false,
      isKept: true,
      busy: false,
    });
    this.keep = calmly(() => this.keepDraft(), 300);
    this.element = h("div", { class: "panes" });
    this.build(thing.value);
    this.offerDraft();
  }

  get isNew() {
    return this.revision === 0;
  }

  /** Make the panes anew, over a value that may differ from the base already. */
  build(value, reason = "") {
    this.form = new Form(this.thing.sections, value, { makers: this.thing.makers });
    this.reason = this.thing.askReason(this.isNew)
      ? make({ ...REASON, required: !this.isNew && this.thing.needsReason }, reason || undefined, {})
      : null;
    this.above = h("div");
    this.formPane = h(
      "form",
      { novalidate: true, onsubmit: (event) => this.submitted(event), oninput: () => this.stirred() },
      this.above,
      this.form.element,
      h("div", { class: "act sticky" }, h("button", { class: "button primary" }, t("review"))),
    );
    this.reviewPane = h("form", {
      hidden: true,
      class: "review",
      novalidate: true,
      onsubmit: (event) => this.confirmed(event),
      oninput: () => this.stirred(),
    });
    this.conflictPane = h("section", { hidden: true, class: "conflict" });
    this.notice = h("div");
    this.element.replaceChildren(this.notice, this.formPane, this.reviewPane, this.conflictPane);
  }

  show(pane) {
    for (const one of [this.formPane, this.reviewPane, this.conflictPane]) one.hidden = one !== pane;
  }

  // ----------------------------------------------------------------------------------------- drafts

  stirred() {
    this.isDirty = true;
    this.keep();
  }

  keepDraft() {
    if (!this.isDirty) return;
    const draft = {
      value: this.form.get(),
      base: this.base,
      revision: this.revision,
      reason: this.reason?.get() ?? "",
      at: new Date().toISOString(),
    };
    this.isKept = keeper.set(DRAFT + this.thing.key, JSON.stringify(draft));
  }

  dropDraft() {
    this.isDirty = false;
    keeper.drop(DRAFT + this.thing.key);
  }

  offerDraft() {
    const draft = draftOf(this.thing.key);
    if (!draft || same(draft.value, this.base)) return;
    const use = () => {
      Object.assign(this, { base: draft.base, revision: draft.revision });
      this.build(draft.value, draft.reason);
      this.isDirty = true;
      announce(t("draft-restored"));
      this.focusFirst();
    };
    const drop = () => {
      this.dropDraft();
      this.notice.replaceChildren();
      this.focusFirst();
    };
    this.notice.replaceChildren(
      h(
        "div",
        { class: "past draft" },
        h("p", {}, t("draft-found", { when: moment(draft.at) })),
        h("div", { class: "act" }, button(t("draft-use"), use), button(t("draft-drop"), drop)),
      ),
    );
  }

  focusFirst() {
    const first = Object.values(this.form.fields)[0];
    unfold(first.input);
    first.focus();
  }

  // ----------------------------------------------------------------------------------------- before saving

  submitted(event) {
    event.preventDefault();
    this.form.clear();
    this.above.replaceChildren();
    const faults = this.form.check();
    if (faults.length) {
      for (const [field, text] of faults) field.fault(text);
      return summary(this.above, faults);
    }
    return this.review();
  }

  review() {
    const value = this.form.get();
    const found = changes(this.thing.sections, this.isNew ? null : this.base, value);
    if (!found.length) return summary(this.above, [[null, t("nothing-changed")]], t("nothing-to-save"));
    const heading = h("h2", {}, t(this.isNew ? "check-new" : "check"));
    this.below = h("div");
    this.saver = h("button", { class: "button primary" }, t(this.isNew ? "record" : "save"));
    this.reviewPane.replaceChildren(
      heading,
      h("p", { class: "hint" }, t(this.isNew ? "check-new-hint" : "check-hint", { count: found.length })),
      h("div", { class: "changes-made" }, found),
      this.reason?.element ?? "",
      this.below,
      h(
        "div",
        { class: "act sticky" },
        this.saver,
        button(t("back"), () => this.back()),
      ),
    );
    this.show(this.reviewPane);
    focusOn(heading);
    return undefined;
  }

  back() {
    this.show(this.formPane);
    focusOn(this.formPane.querySelector(".act .primary"));
  }

  async confirmed(event) {
    event.preventDefault();
    if (this.busy) return;
    this.below.replaceChildren();
    this.reason?.clear();
    const faults = [];
    this.reason?.check(faults);
    if (faults.length) {
      for (const [field, text] of faults) field.fault(text);
      summary(this.below, faults);
      return;
    }
    await this.send();
  }

  async send() {
    this.busy = true;
    this.saver.setAttribute("aria-disabled", "true");
    announce(t("saving"));
    const sent = { value: this.form.get(), base: this.base, revision: this.revision, reason: this.reason?.get() };
    try {
      const body = await this.thing.save(sent);
      this.dropDraft();
      await this.thing.done(body, sent);
    } catch (error) {
      await this.refused(error);
    } finally {
      this.busy = false;
      this.saver.removeAttribute("aria-disabled");
    }
  }

  // ----------------------------------------------------------------------------------------- where it is refused

  async refused(error) {
    this.keepDraft();
    if (!(error instanceof Problem)) return summary(this.below, [[null, error.message]], t("not-saved"));
    if (error.status === 401) return this.thing.signInAgain(this.saver);
    if (error.status === 412 && !this.isNew) return this.conflict();
    const taken = error.status === 412 || (error.status === 409 && this.isNew);
    const faults = taken
      ? [[this.form.find("/id"), t("fault-taken")]]
      : error.faults.map((fault) => this.placed(fault));
    if (!faults.length) return summary(this.below, [[null, error.message, "en"]], t("not-saved"));
    for (const [field, text, language] of faults) field?.fault(text, language);
    if (faults.every(([field]) => !field || field === this.reason)) return summary(this.below, faults, t("not-saved"));
    this.show(this.formPane);
    return summary(this.above, faults);
  }

  /** Find the field that a fault of the server belongs to; without one it is told in the summary. */
  placed(fault) {
    const pointer = pointerOf(fault);
    const field = pointer === "/reason" ? this.reason : this.form.find(pointer);
    return [field, field ? fault.detail : `${pointer} ${fault.detail}`.trim(), "en"];
  }

  /** Somebody else changed it since it was read: show both versions, field by field. */
  async conflict() {
    let theirs;
    try {
      theirs = await this.thing.load();
    } catch (error) {
      return summary(this.below, [[null, error.message]], t("not-saved"));
    }
    const mine = this.form.get();
    const specs = specsOf(this.thing.sections);
    const versions = { base: this.base, mine, theirs: theirs.value };
    const units = contested(this.base, mine, theirs.value)
      .filter((unit) => !unit.agreed)
      .sort((one, other) => other.conflict - one.conflict);
    const heading = h("h2", {}, t("conflict"));
    const place = h("div");
    const go = () => {
      const open = units.filter((unit) => !unit.choice);
      if (open.length) return summary(place, [[null, t("choose-versions", { count: open.length })]], t("not-yet"));
      return this.settle(theirs, mine, units);
    };
    const rows = units.map((unit) => chooser(specs.get(unit.name), unit, versions, (which) => (unit.choice = which)));
    this.conflictPane.replaceChildren(
      heading,
      h("p", {}, t("conflict-hint")),
      h("ul", { class: "since" }, theirs.since(this.revision).map(told)),
      ...rows,
      place,
      h(
        "div",
        { class: "act sticky" },
        button(t("conflict-go"), go, { class: "button primary" }),
        button(t("back"), () => this.back()),
      ),
    );
    this.show(this.conflictPane);
    focusOn(heading);
    return undefined;
  }

  settle(theirs, mine, units) {
    const value = { ...theirs.value };
    for (const { name, choice } of units) {
      if (choice !== "mine") continue;
      if (mine[name] === undefined) delete value[name];
      else value[name] = mine[name];
    }
    const reason = this.reason?.get() ?? "";
    Object.assign(this, { base: theirs.value, revision: theirs.revision });
    this.build(value, reason);
    this.stirred();
    if (same(value, this.base)) return this.nothingLeft();
    return this.review();
  }

  nothingLeft() {
    this.dropDraft();
    return summary(this.above, [[null, t("theirs-stands")]], t("nothing-to-save"));
  }
}

/** Tell of one revision: number, who, when and why. */
function told(revision) {
  const words = t("revision-by", {
    number: revision.number,
    author: revision.author,
    when: moment(revision.recorded_at),
  });
  return h("li", {}, words, revision.reason ? [`${t("colon")} `, h("q", {}, free(revision.reason))] : null);
}
