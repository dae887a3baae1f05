// What is done to an event as a whole: retracting it, and merging it with its duplicate. Each takes a reason and a
// confirmation, and shows what follows before it is done.
import { address, h, pageOf, t, unique } from "./edit-dom.js";
import { Problem, know, read, thing, write } from "./edit-api.js";
import { canonical, describe, specsOf, titleOfField } from "./edit-compare.js";
import { make, summary } from "./edit-form.js";
import { REASON } from "./edit-save.js";
import { eventSections } from "./edit-specs.js";

const EXTRAS = ["earliest", "latest", "recorded_at", "revision", "retracted", "merged_into", "merged_from", "erased"];

/** Give the value of a thing without what the log says of it. */
export const plain = (body) => Object.fromEntries(Object.entries(body).filter(([name]) => !EXTRAS.includes(name)));

/** A folded form of its own: a title, what it asks, and a button that does it after everything is given. */
function act({ name, fields, body, run }) {
  const place = h("div");
  const doer = h("button", { class: "button danger" }, t(`${name}-do`));
  let busy = false;
  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    place.replaceChildren();
    const faults = [];
    for (const field of fields) field.clear();
    for (const field of fields) field.check(faults);
    for (const [field, text] of faults) field.fault(text);
    if (faults.length) return void summary(place, faults);
    busy = true;
    doer.setAttribute("aria-disabled", "true");
    await run().catch((error) =>
      summary(place, [[null, error.message, error instanceof Problem ? "en" : undefined]], t("not-done")),
    );
    busy = false;
    doer.removeAttribute("aria-disabled");
  };
  return h(
    "details",
    { class: "act-form", "data-act": name },
    h("summary", {}, t(name)),
    h("p", { class: "hint" }, t(`${name}-hint`)),
    h("form", { novalidate: true, onsubmit: send }, body, place, h("div", { class: "act" }, doer)),
  );
}

/** A box that has to be ticked: a field like others, so that a fault stands beside it. */
function agreement(words) {
  const tick = h("input", { type: "checkbox", id: unique("agree") });
  const error = h("span", { class: "error", id: unique("error"), hidden: true });
  const element = h(
    "div",
    { class: "field" },
    h("p", { class: "tick" }, tick, h("label", { for: tick.id }, words)),
    error,
  );
  const state = (text) => {
    error.textContent = text;
    error.hidden = !text;
    if (text) tick.setAttribute("aria-describedby", error.id);
    else tick.removeAttribute("aria-describedby");
  };
  const field = {
    element,
    input: tick,
    title: t("confirmation"),
    focus: () => tick.focus(),
    clear: () => state(""),
    fault: state,
  };
  field.check = (faults) => {
    if (!tick.checked) faults.push([field, t("fault-tick")]);
  };
  return field;
}

export function retraction(body, go, session) {
  const reason = make(REASON, undefined, {});
  const agree = agreement(t("retract-agree"));
  const path = `/v1/events/${body.id}`;
  const run = () =>
    guarded(session, async () => {
      const gone = await write("DELETE", `${path}?${new URLSearchParams({ reason: reason.get() })}`, undefined, {
        revision: body.revision.number,
      });
      know("event", gone);
      await go(address({ event: body.id }), { replace: true, notice: h("p", { class: "saved" }, t("retracted-now")) });
    });
  return act({ name: "retract", fields: [reason, agree], body: [reason.element, agree.element], run });
}

/** Do it; where the token is no longer good, ask for one first and leave all as it is. */
export async function guarded(session, call) {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return session.again(document.activeElement);
    throw error;
  }
}

// ------------------------------------------------------------------------------------------- merging

export function merging(body, go, session) {
  const reason = make(REASON, undefined, {});
  const agree = agreement(t("merge-agree"));
  const other = make({ name: "other", type: "choice", of: "event", required: true, wide: true }, undefined, {});
  const keep = make(
    {
      name: "keep",
      type: "select",
      required: true,
      options: [
        ["other", t("keep-other")],
        ["this", t("keep-this")],
      ],
    },
    undefined,
    {},
  );
  const table = h("div", { class: "compared" });
  const pair = async () => {
    const found = await thing("event", other.get());
    return keep.get() === "this" ? [body, found] : [found, body];
  };
  const compare = async () => {
    table.replaceChildren();
    if (!other.box.value || other.box.value === body.id) return;
    const [kept, gone] = await pair();
    if (kept && gone) table.replaceChildren(sideBySide(kept, gone));
  };
  other.element.addEventListener("input", compare);
  keep.element.addEventListener("change", compare);
  const run = () =>
    guarded(session, async () => {
      const [kept, gone] = await pair();
      if (kept.id === gone.id) throw new Error(t("merge-itself"));
      const change = {
        type: "events.merged",
        id: kept.id,
        duplicates: [gone.id],
        reason: reason.get(),
        expected: kept.revision.number,
      };
      await write("POST", "/v1/records", [change]);
      know("event", await read(`/v1/events/${kept.id}`));
      know("event", await read(`/v1/events/${gone.id}`));
      await go(address({ event: kept.id }), {
        replace: true,
        notice: h("p", { class: "saved" }, t("merged-now"), " ", pageOf("event", kept.id)),
      });
    });
  return act({
    name: "merge",
    fields: [other, keep, reason, agree],
    body: [other.element, keep.element, table, reason.element, agree.element],
    run,
  });
}

/** Say what the kept event would be (timeline/fold.py, absorb): its own words, and the lists of both. */
function absorbed(kept, gone) {
  const result = { ...kept };
  for (const name of ["actors", "topics", "stances", "media", "citations", "relations"]) {
    const seen = new Set();
    const all = [...(kept[name] ?? []), ...(gone[name] ?? [])].filter(
      (item) => !seen.has(canonical(item)) && seen.add(canonical(item)),
    );
    const items = name === "relations" ? all.filter(({ event }) => event !== kept.id && event !== gone.id) : all;
    if (items.length) result[name] = items;
    else delete result[name];
  }
  return result;
}

function sideBySide(keptBody, goneBody) {
  const [kept, gone] = [plain(keptBody), plain(goneBody)];
  const after = absorbed(kept, gone);
  const rows = [...specsOf(eventSections(true))].filter(
    ([name]) => kept[name] !== undefined || gone[name] !== undefined,
  );
  const cell = (spec, value, name) => h("div", { role: "cell", "data-label": name }, describe(spec, value));
  const columns = [t("merge-kept"), t("merge-gone"), t("merge-after")];
  return h(
    "div",
    { class: "three", role: "table", "aria-label": t("merge-compared") },
    h(
      "div",
      { class: "line", role: "row" },
      h("div", { role: "columnheader" }, t("field")),
      columns.map((words) => h("div", { role: "columnheader" }, words)),
    ),
    rows.map(([name, spec]) =>
      h(
        "div",
        { class: "line", role: "row" },
        h("div", { role: "rowheader" }, titleOfField(spec, name)),
        [kept, gone, after].map((version, number) => cell(spec, version[name], columns[number])),
      ),
    ),
  );
}
