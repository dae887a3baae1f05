// What the editor shows: a place to begin, an event, an actor; and what is described in passing.
import { address, announce, button, free, h, pageOf, slugify, t, unique } from "./edit-dom.js";
import { guarded, merging, plain, retraction } from "./edit-acts.js";
import { Problem, know, read, write } from "./edit-api.js";
import { Combobox, shownName, titleOf } from "./edit-choose.js";
import { codePoints, sha256 } from "./edit-cite.js";
import { difference } from "./edit-compare.js";
import { Form, summary } from "./edit-form.js";
import { Editor, drafts } from "./edit-save.js";
import { actorSections, eventSections, newEvent, sourceSections } from "./edit-specs.js";

const link = (parameters, ...words) => h("a", { href: address(parameters) }, words);
/** Which thing is being edited, in which revision, and where its page is. */
const standing = (type, id, revision) =>
  h("p", { class: "tagline" }, h("code", {}, id), ` · ${t("revision", { number: revision })} · `, pageOf(type, id));
const head = (title, ...more) => h("header", { class: "lead" }, h("h1", {}, title), more);

// ------------------------------------------------------------------------------------------- where to begin

export function startView({ go }) {
  const finder = (type) => {
    const box = new Combobox({ type, onchoose: (id) => go(address({ [type]: id })) });
    return h("div", { class: "field" }, h("label", { for: box.input.id }, t(`find-${type}`)), box.element);
  };
  const kept = drafts();
  const known = (key) => {
    const [type, id] = key.split(":");
    return h("li", {}, id ? link({ [type]: id }, free(id)) : link({ new: type }, t(`new-${type}`)));
  };
  return h(
    "div",
    {},
    head(t("edit"), h("p", { class: "tagline" }, t("start-hint"))),
    h(
      "div",
      { class: "act begin" },
      h("a", { class: "button primary", href: address({ new: "event" }) }, t("new-event")),
      h("a", { class: "button", href: address({ new: "actor" }) }, t("new-actor")),
    ),
    h(
      "section",
      { class: "block" },
      h("h2", {}, t("find-something")),
      h("div", { class: "fields" }, finder("event"), finder("actor")),
    ),
    kept.length > 0 &&
      h("section", { class: "block" }, h("h2", {}, t("drafts")), h("ul", { class: "plain-list" }, kept.map(known))),
  );
}

// ------------------------------------------------------------------------------------------- an event

async function loadEvent(id) {
  const path = `/v1/events/${encodeURIComponent(id)}`;
  const [body, { items }] = await Promise.all([read(path), read(`${path}/history`)]);
  const since = (number) => items.map((item) => item.revision).filter((revision) => revision.number > number);
  return { body, value: plain(body), revision: body.revision.number, since };
}

export async function eventView({ id, go, session, notice }) {
  const found = id ? await loadEvent(id) : { body: null, value: newEvent(), revision: 0 };
  if (found.body && !canChange(found.body)) return tombstone(found.body);
  const editor = new Editor({
    key: id ? `event:${id}` : "event",
    sections: eventSections(!id),
    value: found.value,
    revision: found.revision,
    makers: makers(session),
    needsReason: true,
    askReason: (isNew) => !isNew,
    signInAgain: session.again,
    load: () => loadEvent(id),
    save: ({ value, base, revision, reason }) =>
      id
        ? write("PATCH", `/v1/events/${id}`, { ...difference(base, value), reason }, { revision })
        : write("POST", "/v1/events", value),
    done: (body) => {
      know("event", body);
      return go(address({ event: body.id }), { replace: true, notice: saved("event", body) });
    },
  });
  const title = id ? titleOf(found.body) : t("new-event");
  const about = id && standing("event", id, found.revision);
  const others =
    id &&
    h(
      "section",
      { class: "block others" },
      h("h2", {}, t("other-acts")),
      retraction(found.body, go, session),
      merging(found.body, go, session),
    );
  const element = h("div", {}, head(free(title), about), notice, editor.element, others);
  return { element, editor, title };
}

const saved = (type, body) =>
  h(
    "p",
    { class: "saved" },
    t(body.revision.number === 1 ? "saved-new" : "saved", { number: body.revision.number }),
    " ",
    pageOf(type, body.id),
  );

const canChange = (body) => !body.retracted && !body.merged_into && !body.erased?.parts?.includes("body");

function tombstone(body) {
  const words = body.merged_into
    ? [t("is-merged"), " ", link({ event: body.merged_into }, free(body.merged_into))]
    : [
        t(body.retracted ? "is-retracted" : "is-erased"),
        " ",
        body.retracted?.reason ? free(body.retracted.reason) : "",
      ];
  const title = body.title ? titleOf(body) : body.id;
  return {
    element: h(
      "div",
      {},
      head(free(title), h("p", { class: "tombstone" }, words), h("p", {}, pageOf("event", body.id))),
    ),
    title,
  };
}

// ------------------------------------------------------------------------------------------- an actor

async function loadActor(id) {
  const body = await read(`/v1/actors/${encodeURIComponent(id)}`);
  return { body, value: plain(body), revision: body.revision.number, since: () => [body.revision] };
}

const putActor = (value) => {
  const id = value.id ?? slugify(value.name);
  return write("PUT", `/v1/actors/${encodeURIComponent(id)}`, { ...value, id }, { create: true });
};

export async function actorView({ id, go, session, notice }) {
  const found = id ? await loadActor(id) : { body: null, value: {}, revision: 0 };
  const editor = new Editor({
    key: id ? `actor:${id}` : "actor",
    sections: actorSections(!id),
    value: found.value,
    revision: found.revision,
    makers: makers(session),
    needsReason: true,
    askReason: (isNew) => !isNew,
    signInAgain: session.again,
    load: () => loadActor(id),
    save: async ({ value, revision, reason }) => {
      if (!id) return putActor(value);
      await write("POST", "/v1/records", [{ type: "actor.described", actor: value, reason, expected: revision }]);
      return read(`/v1/actors/${id}`);
    },
    done: (body) => {
      know("actor", body);
      return go(address({ actor: body.id }), { replace: true, notice: saved("actor", body) });
    },
  });
  const title = id ? shownName(found.body) : t("new-actor");
  const about = id && standing("actor", id, found.revision);
  return { element: h("div", {}, head(free(title), about), notice, editor.element), editor, title };
}

// ------------------------------------------------------------------------------------------- described in passing

/** Forms that open where an actor or a source is chosen that nobody has described yet. */
const makers = (session) => ({
  actor: (name, place, made, left) =>
    inline({
      type: "actor",
      sections: actorSections(true, true),
      value: { name },
      place,
      made,
      left,
      session,
      save: putActor,
    }),
  source: (title, place, made, left) => inlineSource(title, place, made, left, session),
});

function inline({ type, sections, value, place, made, left, session, save, extra = null }) {
  const form = new Form(sections, value, {});
  const above = h("div");
  let busy = false;
  const close = () => {
    place.replaceChildren();
    left();
  };
  const send = async () => {
    if (busy) return;
    form.clear();
    above.replaceChildren();
    const faults = form.check();
    for (const [field, text] of faults) field.fault(text);
    if (faults.length) return void summary(above, faults);
    busy = true;
    await guarded(session, async () => {
      const body = await save(form.get());
      know(type, body);
      place.replaceChildren();
      announce(t("described", { name: body.name ?? body.title }));
      made(body);
    }).catch((error) => refused(error, form, above));
    busy = false;
  };
  const heading = h("h3", {}, t(`new-${type}`));
  const enter = (event) => {
    if (event.key !== "Enter" || event.defaultPrevented || event.target.tagName !== "INPUT") return;
    event.preventDefault(); // the form around this one is not meant
    send();
  };
  place.replaceChildren(
    h(
      "div",
      { class: "box", role: "group", "aria-label": t(`new-${type}`), onkeydown: enter },
      heading,
      above,
      form.element,
      extra,
      h(
        "div",
        { class: "act" },
        button(t(`describe-${type}-do`), send, { class: "button primary" }),
        button(t("cancel"), close),
      ),
    ),
  );
  Object.values(form.fields)[0].focus();
}

function refused(error, form, above) {
  if (!(error instanceof Problem)) return summary(above, [[null, error.message]], t("not-saved"));
  const faults =
    error.status === 412
      ? [[form.find("/id"), t("fault-taken")]]
      : error.faults.map((fault) => [form.find(fault.pointer), fault.detail, "en"]);
  for (const [field, text, language] of faults) field?.fault(text, language);
  return summary(above, faults.length ? faults : [[null, error.message, "en"]], t("not-saved"));
}

/** Describe a source. Its text gives length and digest, which check citations; it is stored only on request. */
function inlineSource(title, place, made, left, session) {
  const text = h("textarea", { id: unique("source_text"), rows: 6, dir: "auto", spellcheck: "false" });
  const store = h("input", { type: "checkbox", id: unique("store") });
  const hint = h("span", { class: "hint", id: unique("hint") }, t("hint-source-text"));
  text.setAttribute("aria-describedby", hint.id);
  const extra = h(
    "div",
    { class: "field wide" },
    h("label", { for: text.id }, t("source-text")),
    hint,
    text,
    h("p", { class: "tick" }, store, h("label", { for: store.id }, t("source-store"))),
  );
  const save = async (value) => {
    const id = value.id ?? slugify(value.title);
    const own = text.value.normalize("NFC");
    const known = own
      ? { sha256: await sha256(own), characters: codePoints(own), ...(store.checked ? { text: own } : {}) }
      : {};
    return write("PUT", `/v1/sources/${encodeURIComponent(id)}`, { ...value, ...known, id }, { create: true });
  };
  const carry = (body) => {
    const near = place.closest(".row-body")?.querySelector(".passage");
    if (text.value && near) near.carry(text.value.normalize("NFC"));
    made(body);
  };
  inline({
    type: "source",
    sections: sourceSections(),
    value: { title },
    place,
    made: carry,
    left,
    session,
    save,
    extra,
  });
}
