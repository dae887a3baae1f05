// Which fields an event, an actor and a source have, in the order in which people think of them. What an expert needs
// once a month is folded away. Limits are those of the model (timeline/model.py).
import { lang } from "./edit-dom.js";
import { passage } from "./edit-cite.js";

const slug = { type: "text", code: true, max: 100 };
const language = (name = "lang") => ({ name, type: "text", code: true, max: 35, hint: "language" });
const actor = (name, more = {}) => ({ name, type: "choice", of: "actor", ...more });

const WHAT = {
  name: "what",
  fields: [
    { name: "title", type: "text", required: true, max: 500, wide: true, hint: "title" },
    { name: "kind", type: "select", of: "kind", required: true },
    { name: "status", type: "select", of: "status", required: true },
    { name: "summary", type: "text", rows: 4, max: 20_000, wide: true },
    { ...language(), label: "lang" },
  ],
};

const WHEN = {
  name: "when",
  fields: [
    { name: "when", type: "date", help: true, wide: true, hint: "when" },
    { name: "tz", type: "choice", of: "zone", hint: "tz" },
    { name: "certainty", type: "select", of: "certainty", required: true },
    { name: "phrase", type: "text", max: 500, wide: true, hint: "phrase" },
  ],
};

const WHO = {
  name: "who",
  fields: [
    {
      name: "actors",
      type: "list",
      ordered: true,
      hint: "actors",
      more: "more-actor",
      fields: [
        actor("id", { label: "actor", required: true }),
        { name: "role", type: "choice", of: "role" },
        actor("on_behalf_of", { folded: true }),
      ],
    },
  ],
};

const CITED = {
  name: "cited",
  fields: [
    {
      name: "citations",
      type: "list",
      more: "more-citation",
      shut: true,
      extra: passage,
      fields: [
        { name: "source", type: "choice", of: "source", required: true, wide: true },
        { name: "phrase", label: "phrase-cited", type: "text", max: 500 },
        { name: "when", label: "when-cited", type: "date", hint: "when-cited" },
        { name: "start", type: "text", number: true, folded: true, hint: "code-points" },
        { name: "end", type: "text", number: true, folded: true },
        { name: "span_sha256", ...slug, max: 64, wide: true, folded: true },
        { name: "exact", type: "text", rows: 2, max: 20_000, wide: true, folded: true, verbatim: true },
        { name: "prefix", type: "text", rows: 1, max: 500, folded: true, verbatim: true },
        { name: "suffix", type: "text", rows: 1, max: 500, folded: true, verbatim: true },
      ],
    },
  ],
};

const ABOUT = {
  name: "about",
  fields: [
    { name: "topics", type: "list", item: { type: "choice", of: "topic", label: "topic" }, hint: "topics" },
    {
      name: "stances",
      type: "list",
      fields: [
        actor("actor", { required: true }),
        { name: "topic", type: "choice", of: "topic", required: true },
        { name: "position", type: "select", of: "position", required: true, first: "unclear" },
        { name: "note", type: "text", rows: 2, max: 20_000, wide: true },
      ],
    },
    {
      name: "place",
      type: "object",
      more: "more-place",
      shut: true,
      fields: [
        { name: "name", label: "place-name", type: "text", max: 500, required: true, quiet: true },
        { name: "id", label: "place-id", ...slug, folded: true, hint: "place-id" },
        { name: "lat", type: "text", number: true, folded: true },
        { name: "lon", type: "text", number: true, folded: true },
        { name: "wikidata", type: "text", code: true, max: 13, folded: true, hint: "wikidata" },
      ],
    },
  ],
};

const LINKS = {
  name: "links",
  folded: true,
  fields: [
    {
      name: "relations",
      type: "list",
      hint: "relations",
      fields: [
        { name: "type", label: "relation-type", type: "select", of: "relation", required: true, first: "follows" },
        { name: "event", type: "choice", of: "event", required: true },
        { name: "sense", type: "select", of: "sense", folded: true, hint: "sense" },
      ],
    },
  ],
};

const PLAN = {
  name: "plan",
  folded: true,
  open: (value) =>
    value.kind === "plan" || Boolean(value.announced || value.outcome || value.depends_on || value.about),
  fields: [
    { name: "about", type: "date", hint: "about" },
    { name: "announced", type: "date", hint: "announced" },
    {
      name: "outcome",
      type: "object",
      fields: [
        { name: "state", type: "select", of: "outcome", required: true, first: "pending" },
        { name: "as_of", type: "date" },
        { name: "evidence", type: "list", item: { type: "choice", of: "event", label: "event" } },
        { name: "note", type: "text", rows: 2, max: 20_000, wide: true },
      ],
    },
    { name: "depends_on", type: "list", item: { type: "choice", of: "event", label: "event" } },
  ],
};

const TRANSLATED = {
  name: "translated",
  folded: true,
  fields: [
    {
      name: "translations",
      type: "languages",
      hint: "translations",
      fields: [
        { name: "title", type: "text", required: true, max: 500, wide: true },
        { name: "summary", type: "text", rows: 3, max: 20_000, wide: true },
      ],
    },
  ],
};

const MEDIA = {
  name: "media",
  folded: true,
  fields: [
    {
      name: "media",
      type: "list",
      fields: [
        { name: "url", type: "url", required: true, max: 2000, wide: true, code: true },
        { name: "alt", type: "text", rows: 2, max: 20_000, wide: true, hint: "alt" },
        { name: "caption", type: "text", max: 20_000 },
        { name: "credit", type: "text", max: 500 },
      ],
    },
  ],
};

const REST = {
  name: "rest",
  folded: true,
  fields: [
    { name: "note", type: "text", rows: 3, max: 20_000, wide: true, hint: "note" },
    { name: "sequence", type: "text", number: true, hint: "sequence" },
    {
      name: "anchor",
      type: "object",
      hint: "anchor",
      fields: [
        { name: "relation", label: "anchor-relation", type: "select", of: "anchor", required: true, first: "after" },
        { name: "event", type: "choice", of: "event" },
        { name: "text", label: "anchor-text", type: "text", max: 500 },
        { name: "phrase", type: "text", max: 500 },
      ],
    },
  ],
};

const newId = { name: "id", ...slug, hint: "id" };

/** Give the sections of an event's form. An id is chosen once, when the event is recorded. */
export function eventSections(isNew) {
  const rest = isNew ? { ...REST, fields: [newId, ...REST.fields] } : REST;
  return [WHAT, WHEN, WHO, CITED, ABOUT, PLAN, LINKS, TRANSLATED, MEDIA, rest];
}

const ACTOR = [
  { name: "name", label: "actor-name", type: "text", required: true, max: 500, wide: true },
  { name: "kind", label: "actor-kind", type: "select", of: "actor", required: true },
];
const ALIASES = {
  name: "aliases",
  type: "list",
  hint: "aliases",
  fields: [
    { name: "text", label: "alias", type: "text", required: true, max: 500 },
    { name: "kind", label: "alias-kind", type: "select", of: "alias", required: true },
    language(),
  ],
};
const NAMES = {
  name: "names",
  type: "languages",
  text: true,
  fields: [{ name: "text", label: "actor-name", type: "text", required: true, max: 500 }],
};
const MEMBER = [
  { name: "member_of", type: "list", item: { type: "choice", of: "actor", label: "actor" } },
  actor("head_of"),
  actor("spokesperson_of"),
];

/** Give the sections of an actor's form; `short` for describing one in passing. */
export function actorSections(isNew, short = false) {
  const id = isNew ? [newId] : [];
  const who = {
    name: "actor",
    fields: [...ACTOR, ...id, { name: "description", type: "text", rows: 3, max: 20_000, wide: true }],
  };
  if (short) return [{ name: "actor", fields: [...who.fields, ALIASES] }];
  return [
    who,
    { name: "names", fields: [NAMES, ALIASES] },
    { name: "groups", folded: true, fields: MEMBER },
    {
      name: "rest",
      folded: true,
      fields: [
        { name: "wikidata", type: "text", code: true, max: 13, hint: "wikidata" },
        {
          name: "descriptions",
          type: "languages",
          text: true,
          fields: [
            { name: "text", label: "description", type: "text", rows: 3, required: true, max: 20_000, wide: true },
          ],
        },
        { name: "note", type: "text", rows: 3, max: 20_000, wide: true, hint: "note" },
      ],
    },
  ];
}

/** Give the sections of a new source's form; what becomes of its text is asked beside them. */
export const sourceSections = () => [
  {
    name: "source",
    fields: [
      { name: "title", label: "source-title", type: "text", required: true, max: 500, wide: true },
      { name: "url", type: "url", code: true, max: 2000, wide: true },
      { name: "published", type: "date", hint: "published" },
      { name: "publisher", type: "text", max: 500 },
      { name: "author", type: "text", max: 500 },
      { ...language(), label: "source-lang" },
      newId,
    ],
  },
];

/** What a new event starts with. */
export const newEvent = () => ({ lang });
