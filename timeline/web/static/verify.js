// Verifies a snapshot's bundle (format timeline.bundle/1) with WebCrypto alone: no network, no dependency, no trust in
// whoever served it. The checks, their order and their verdicts are those of `timeline snapshot verify`; what only a
// full installation can decide (dates of sources in unusual EDTF, words) is "unknown" here, and says so.
//
// Numbers are safe integers throughout: the log's canonical profile of RFC 8785 has no others.

/** @typedef {"ok" | "failed" | "unknown"} State */
/** @typedef {{name: string, state: State, detail: string}} Check */
/** @typedef {{id: string | null, verdict: "ok" | "failed", checks: Check[], erased: string[]}} Report */

const ORDER = ["form", "id", "content", "checkpoint", "tree", "parts", "entries", "complete", "published"];
const FAR = Number.MAX_SAFE_INTEGER; // bounds of headers end here, 285 million years either way
const PROJECTOR = { name: "timeline", version: 1 };
const SHOWN = 0, RETRACTED = 1, MERGED = 2, ERASED = 3;
const RFC8032_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="; // section 7.1, test 1: a key that is one

class Refused extends Error {}

/** @returns {never} */
function refuse(sentence) {
  throw new Refused(sentence);
}

/**
 * Check a bundle.
 *
 * @param {string | Uint8Array | ArrayBuffer} bundle the file; bytes are better, as text may have lost a byte order mark
 * @param {{id?: string | null, vkey?: string | null}} known the id that was cited; the log's public key (C2SP vkey)
 * @returns {Promise<Report>} rejects only where there is no WebCrypto (plain http from another machine)
 */
export async function verify(bundle, { id = null, vkey = null } = {}) {
  if (!globalThis.crypto?.subtle) throw new Error("there is no WebCrypto here: it needs https, localhost or a file");
  let read;
  try {
    read = readBundle(bundle);
  } catch (error) {
    const form = { name: "form", state: /** @type {State} */ ("failed"), detail: sentence(error) };
    return { id: null, verdict: "failed", checks: [form], erased: [] };
  }
  return new Verification(read, id, vkey).run();
}

const sentence = (error) => (error instanceof Refused ? error.message : `the bundle contradicts itself: ${error}`);

// ------------------------------------------------------------------------------------------ canonical JSON, RFC 8785

const LONE = /[\ud800-\udfff]/u;

/** Write a value in canonical form; refuse what the profile has no form for. */
export function canonical(value, depth = 0) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return LONE.test(value) ? refuse("a lone surrogate") : JSON.stringify(value);
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value) : refuse(`no integer: ${value}`);
  if (depth >= 32) refuse("JSON nested deeper than 32 levels");
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(",")}]`;
  const members = Object.keys(value).sort().map((name) => `${canonical(name)}:${canonical(value[name], depth + 1)}`);
  return `{${members.join(",")}}`;
}

/** Read JSON that must be in canonical form: that refuses members named twice, and other spellings, all at once. */
function parse(text, what) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    refuse(`${what} is not JSON`);
  }
  if (canonical(value) === text) return value;
  return refuse(`${what} is not in canonical form: some byte was changed, or a program wrote it anew`);
}

const sorted = (numbers) => [...numbers].sort((one, two) => one - two);
const same = (one, other) => canonical(one) === canonical(other);

// ------------------------------------------------------------------------------------------ shapes

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value) => typeof value === "string";
const hex = (digits) => (value) => text(value) && value.length === digits && /^[0-9a-f]*$/.test(value);
const whole = (least) => (value) => Number.isSafeInteger(value) && value >= least;
const list = (of) => (value) => Array.isArray(value) && value.every(of);
const filled = (of) => (value) => value.length > 0 && list(of)(value);
const tuple = (...of) => (value) =>
  Array.isArray(value) && value.length === of.length && of.every((each, at) => each(value[at]));
const dict = (of) => (value) => isObject(value) && Object.keys(value).length > 0 && Object.values(value).every(of);
const named = (value) => isObject(value) && text(value.id);
const end = (value) => value === null || Number.isSafeInteger(value);

/** An object with these members and no others; those of `may` are left out where they say nothing. */
const shape = (must, may = {}) => (value) =>
  isObject(value) &&
  Object.keys(must).every((name) => Object.hasOwn(value, name)) &&
  Object.entries(value).every(([name, item]) =>
    Object.hasOwn(must, name) ? must[name](item) : Object.hasOwn(may, name) && may[name](item));

const ENTRY = shape(
  { event: named, positions: filled(whole(1)), revision: isObject },
  { earliest: text, latest: text, merged_from: filled(text), retracted: isObject, erased: isObject },
);
const SNAPSHOT = shape({
  actors: list(named), entries: list(ENTRY), format: text, log: shape({ origin: text, root: hex(64), size: whole(0) }),
  projector: isObject, query: isObject, sources: list(named),
});
const RECORD = shape(
  { parts: list(shape({ data: text, name: text, salt: text })), position: whole(1) },
  { erased: filled(text), header: text },
);
const BUNDLE = shape(
  { checkpoint: text, evidence: (value) => ["headers", "streams", "none"].includes(value), format: text,
    records: list(RECORD), snapshot: SNAPSHOT },
  { consistency: filled(text), headers: filled(text), key: text, proof: filled(text), published: whole(1),
    streams: dict(list(whole(1))) },
);
const HEADER = shape(
  { author: text, id: text, parts: list(tuple(text, text)), position: whole(1), recorded_at: text,
    streams: filled(tuple(text, whole(0), whole(0))), type: text, v: whole(0) },
  { about: tuple(end, end), kind: text, left: filled(text), status: text, when: tuple(end, end),
    sequence: (value) => Number.isSafeInteger(value) && value !== 0 },
);
const flag = (usual) => (value) => value === !usual;
const other = (usual) => (value) => text(value) && value !== usual;
const QUESTION = shape({}, {
  lower: Number.isSafeInteger, upper: Number.isSafeInteger, match: other("may"), on: other("when"),
  actors: filled(text), roles: filled(text), members: flag(false), kinds: filled(text), statuses: filled(text),
  topics: filled(text),
  places: filled(text), sources: filled(text), related: filled(text), text, reported_by: Number.isSafeInteger,
  retracted: flag(false), undated: flag(true),
});

function readBundle(given) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const whole_ = (text(given) ? given : decoder.decode(given)).replace(/^\n+|\n+$/g, "");
  const bundle = parse(whole_, "the bundle");
  if (bundle?.format !== "timeline.bundle/1" || !BUNDLE(bundle)) refuse("not a bundle of the format timeline.bundle/1");
  const { format, projector } = bundle.snapshot;
  if (format !== "timeline.snapshot/1") refuse(`the snapshot is of format ${format}`);
  if (!same(projector, PROJECTOR)) refuse("the snapshot was made by another projector");
  return bundle;
}

// ------------------------------------------------------------------------------------------ bytes, hashes, trees

const utf8 = (value) => new TextEncoder().encode(value);
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (value) => Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16));

async function sha256(...pieces) {
  const joined = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined));
}

const digest = async (value) => toHex(await sha256(utf8(value)));
const leaf = (header) => sha256([0], utf8(header)); // RFC 9162 section 2.1.1
const node = (left, right) => sha256([1], left, right);

/** Standard base64 in its one form (RFC 4648 sections 3.5 and 4). */
function base64(value) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  } catch {
    bytes = [];
  }
  return btoa(String.fromCharCode(...bytes)) === value ? bytes : refuse("expected standard base64");
}

const hash = (value) => (base64(value).length === 32 ? base64(value) : refuse("expected a hash of 32 bytes"));

/** Every row of the tree over these leaves; a node without a partner rises as it is. */
async function rowsOf(leaves) {
  const rows = [leaves];
  for (let row = leaves; row.length > 1; rows.push(row)) {
    const pairs = [];
    for (let at = 0; at + 1 < row.length; at += 2) pairs.push(node(row[at], row[at + 1]));
    if (row.length % 2) pairs.push(row[row.length - 1]);
    row = await Promise.all(pairs);
  }
  return rows;
}

/** The root of the first `size` leaves: the complete nodes that cover them, folded from the right. */
async function rootAt(rows, size) {
  const edge = [];
  for (let level = rows.length - 1, start = 0; level >= 0; level--) {
    const width = 2 ** level;
    if (start + width <= size) {
      edge.push(rows[level][start / width]);
      start += width;
    }
  }
  if (!edge.length) return sha256();
  let root = edge.pop();
  while (edge.length) root = await node(edge.pop(), root);
  return root;
}

function splitOf(count) {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** The root that scattered leaves and a multiproof lead to; hashes of the proof are taken from left to right. */
async function rootOfProof(leaves, size, proof) {
  const wanted = sorted(leaves.keys());
  if (wanted[wanted.length - 1] >= size) refuse("a record lies beyond the checkpoint's size");
  let taken = 0;
  const rebuild = (start, stop, some) => {
    if (!some.length) return taken < proof.length ? proof[taken++] : refuse("the proof is too short");
    if (stop - start === 1) return leaves.get(start);
    const split = start + splitOf(stop - start);
    const left = rebuild(start, split, some.filter((at) => at < split));
    const right = rebuild(split, stop, some.filter((at) => at >= split));
    return Promise.all([left, right]).then((sides) => node(...sides));
  };
  const root = await rebuild(0, size, wanted);
  return taken === proof.length ? root : refuse("the proof is too long");
}

/** Check a consistency proof as RFC 9162 section 2.1.4.2 prints it, for 0 < old < size. */
async function checkConsistency(old, size, proof, oldRoot, newRoot) {
  if (old > size || !proof.length) refuse("the checkpoint's log does not extend the snapshot's");
  const path = splitOf(old + 1) === old ? [oldRoot, ...proof] : [...proof];
  let fn = old - 1, sn = size - 1;
  const shift = () => ((fn = Math.floor(fn / 2)), (sn = Math.floor(sn / 2)));
  while (fn % 2) shift();
  let first = path[0], second = path[0];
  for (const piece of path.slice(1)) {
    if (!sn) refuse("the consistency proof is too long");
    if (fn % 2 || fn === sn) {
      [first, second] = [await node(piece, first), await node(piece, second)];
      while (fn && fn % 2 === 0) shift();
    } else second = await node(second, piece);
    shift();
  }
  if (sn || toHex(first) !== toHex(oldRoot) || toHex(second) !== toHex(newRoot)) {
    refuse("the checkpoint's log does not extend the snapshot's");
  }
}

// ------------------------------------------------------------------------------------------ notes (C2SP signed-note)

function parseNote(note) {
  if (/[\x00-\x09\x0b-\x1f]/.test(note) || !note.endsWith("\n")) refuse("the checkpoint cannot be read: it is no note");
  const split = note.lastIndexOf("\n\n");
  if (split < 0) return { text: note, signatures: [] };
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > 100) refuse("the checkpoint cannot be read: more than 100 signatures");
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line) {
  const bad = "the checkpoint cannot be read: it has a malformed signature line";
  const [, name, encoded] = /^\u2014 ([^ ]*) ([^]*)$/.exec(line) ?? refuse(bad);
  const blob = base64(encoded);
  if (!goodName(name) || blob.length <= 4) refuse(bad);
  return { name, id: toHex(blob.slice(0, 4)), blob: blob.slice(4) };
}

const goodName = (name) => name !== "" && !/[+\x85]|[^\S\ufeff]/.test(name);

function parseCheckpoint(note) {
  const [, origin, size, root] = /^([^\n]+)\n(0|[1-9][0-9]{0,18})\n([^\n]*)\n$/.exec(note) ??
    refuse("the checkpoint cannot be read: expected origin, size and root hash");
  if (BigInt(size) >= 2n ** 63n) refuse("the checkpoint cannot be read: its size is too large");
  return { origin, size: Number(size), root: hash(root) };
}

/** Read a vkey, `<name>+<id in hex>+<base64 of type and key>`: base64 may hold plus signs too. */
async function parseKey(vkey) {
  const read = /^([^+]*)\+([0-9a-f]{8})\+([^]*)$/.exec(vkey);
  const [, name, id, encoded] = read ?? refuse("the signature does not hold: the key is malformed");
  const material = base64(encoded);
  const own = toHex((await sha256(utf8(`${name}\n`), material)).slice(0, 4));
  if (!goodName(name) || material.length !== 33 || material[0] !== 1 || own !== id) {
    refuse("the signature does not hold: that is no key of type Ed25519, or its id is another key's");
  }
  return { name, id, raw: material.slice(1) };
}

const imported = (raw) => crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);

/** Whether a note is signed by a key; null where this browser has no Ed25519 to find out. Refuses a wrong signature. */
async function signedBy(note, vkey) {
  const key = await parseKey(vkey);
  const own = note.signatures.filter((each) => each.name === key.name && each.id === key.id);
  if (!own.length) refuse("the signature does not hold: the note is not signed by that key");
  try {
    await imported(base64(RFC8032_KEY));
  } catch {
    return null;
  }
  for (const { blob } of own) {
    const good = await imported(key.raw).then(
      (each) => crypto.subtle.verify({ name: "Ed25519" }, each, blob, utf8(note.text))).catch(() => false);
    if (!good) refuse("the signature does not hold: the note was changed, or the key did not sign it");
  }
  return true;
}

// ------------------------------------------------------------------------------------------ dates

/** Write a second of the axis as RFC 3339 text; beyond 0000 to 9999 the year has a sign (ISO 8601-1, 4.3.2). */
export function iso(seconds) {
  const days = Math.floor(seconds / 86400), second = seconds - days * 86400;
  const cycle = Math.floor((days + 719468) / 146097); // 400 years, each beginning in March
  let left = days + 719468 - cycle * 146097;
  let year = Math.floor((left - Math.floor(left / 1460) + Math.floor(left / 36524) - Math.floor(left / 146096)) / 365);
  left -= 365 * year + Math.floor(year / 4) - Math.floor(year / 100);
  const month = Math.floor((5 * left + 2) / 153), day = left - Math.floor((153 * month + 2) / 5) + 1;
  year += 400 * cycle + (month < 10 ? 0 : 1);
  const two = (number) => String(number).padStart(2, "0");
  const sign = year < 0 ? "-" : year > 9999 ? "+" : "";
  const civil = `${sign}${String(Math.abs(year)).padStart(4, "0")}-${two(month < 10 ? month + 3 : month - 9)}`;
  const clock = [Math.floor(second / 3600), Math.floor(second / 60) % 60, second % 60].map(two).join(":");
  return `${civil}-${two(day)}T${clock}Z`;
}

const PLAIN = /^([1-9]\d{3})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?(?:Z|([+-])(\d\d):(\d\d))?)?)?)?[?~%]?$/;

/** The last second of a plain EDTF date, in UTC; undefined for forms that are not read here. */
function lastSecond(edtf) {
  const found = PLAIN.exec(edtf);
  if (!found || Number(found[2]) > 12) return undefined; // a season
  const [year, month, day, hour, minute, second, , hours, minutes] = found.slice(1).map((each) => each && Number(each));
  let after = Date.UTC(year, month - 1, day, hour, minute + (second === undefined ? 1 : 0), (second ?? -1) + 1);
  if (month === undefined) after = Date.UTC(year + 1, 0);
  else if (day === undefined) after = Date.UTC(year, month);
  else if (hour === undefined) after = Date.UTC(year, month - 1, day + 1);
  const offset = found[7] ? (found[7] === "-" ? -1 : 1) * (hours * 60 + minutes) * 60 : 0;
  return after / 1000 - 1 - offset;
}

// ------------------------------------------------------------------------------------------ the fold

/** Apply a merge patch (RFC 7396 section 2). */
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, merge(result.get(name), value));
  }
  return Object.fromEntries(result);
}

/** Fold duplicates into the event that is kept; what that says of itself stands. */
function absorb(kept, others) {
  const result = { ...kept }, ids = new Set([kept, ...others].map((each) => each.id));
  for (const name of ["actors", "topics", "stances", "media", "citations", "relations"]) {
    const items = new Map([kept, ...others].flatMap((each) => each[name] ?? []).map((item) => [canonical(item), item]));
    const joined = [...items.values()].filter((item) => name !== "relations" || !ids.has(item.event));
    if (joined.length) result[name] = joined;
    else delete result[name];
  }
  return result;
}

/** Put a record's payload together: quotes that are there go back into their citations. */
function contentOf(parts) {
  const values = parse(parts.get("body") ?? refuse("a record has no body"), "a body");
  if (!parts.has("quotes")) return values;
  const cited = (values.event ?? values.patch ?? {}).citations ?? [], quotes = parse(parts.get("quotes"), "quotes");
  if (cited.length !== quotes.length) refuse("quotes do not fit their citations");
  cited.forEach((citation, at) => Object.assign(citation, quotes[at]));
  return values;
}

const idOf = (header) => header.streams[0][0].replace(/^[^/]*\//, "");
const isEvent = (name) => name.startsWith("event/");

/** Give the ids of the actors and of the sources that entries name. */
function namedBy(entries) {
  const actors = new Set(), sources = new Set();
  for (const { event } of entries) {
    for (const part of event.actors ?? []) {
      actors.add(part.id);
      if (part.on_behalf_of !== undefined) actors.add(part.on_behalf_of);
    }
    for (const { actor } of event.stances ?? []) actors.add(actor);
    for (const { source } of event.citations ?? []) sources.add(source);
  }
  return [actors, sources];
}

class Replay {
  events = new Map();
  things = new Map();
  gone = new Set();

  apply(header, record) {
    const events = header.streams.map(([name]) => name).filter(isEvent).map((name) => name.slice(6));
    if (record.erased.includes("body") || events.some((id) => this.gone.has(id))) {
      return events.slice(0, 1).forEach((id) => this.gone.add(id));
    }
    if (header.v !== 1) refuse(`record type ${header.type}.v${header.v} is newer than this page`);
    const body = contentOf(record.parts);
    switch (header.type) {
      case "event.recorded":
        this.own(header, body.event.id);
        this.events.set(body.event.id, [{
          event: body.event, first: header.position, positions: [header.position], revision: revisionOf(header, 1),
          hidden: SHOWN, merged: [], retracted: null, header,
        }]);
        break;
      case "event.revised":
        this.own(header, body.id);
        this.next(header, body.id, body.reason, (old) => ({ event: merge(old.event, body.patch) }));
        break;
      case "event.retracted":
        this.own(header, body.id);
        this.next(header, body.id, body.reason, () => ({ hidden: RETRACTED, retracted: { reason: body.reason } }));
        break;
      case "events.merged":
        this.own(header, body.id);
        this.merged(header, body);
        break;
      case "actor.described":
      case "source.described": {
        const value = body[header.type.split(".")[0]];
        this.own(header, value.id);
        this.things.set(header.streams[0][0], [...(this.things.get(header.streams[0][0]) ?? []), { value, header }]);
        break;
      }
      case "part.erased":
      case "snapshot.published":
        break; // they change no event
      default:
        refuse(`record type ${header.type} is newer than this page`);
    }
  }

  own(header, id) {
    if (idOf(header) !== id) refuse(`the record at position ${header.position} is about ${id}, its header is not`);
  }

  last(id) {
    return this.events.get(id)?.at(-1) ?? refuse(`the first record of event ${id} is not there`);
  }

  next(header, id, reason, change) {
    const old = this.last(id), { positions = old.positions, ...changed } = change(old);
    const revision = revisionOf(header, old.revision.number + 1, reason);
    this.events.get(id).push({ ...old, revision, positions: [...positions, header.position], header, ...changed });
  }

  merged(header, body) {
    const others = body.duplicates.map((id) => this.last(id));
    this.next(header, body.id, body.reason, (kept) => ({
      event: absorb(kept.event, others.map((each) => each.event)), merged: [...kept.merged, ...body.duplicates],
      positions: sorted(new Set([kept, ...others].flatMap((each) => each.positions))),
    }));
    for (const id of body.duplicates) this.next(header, id, body.reason, () => ({ hidden: MERGED }));
  }
}

function revisionOf({ author, position, recorded_at, type }, number, reason) {
  return { author, number, position, recorded_at, type, ...(reason === undefined ? {} : { reason }) };
}

function boundsOf({ when }) {
  const [earliest, latest] = when ?? [null, null];
  return { ...(earliest !== null && { earliest: iso(earliest) }), ...(latest !== null && { latest: iso(latest) }) };
}

/** A version as a snapshot shows it. Its bounds are the header's: it takes no calendar of time zones to check them. */
function entryOf(version) {
  return {
    event: version.event, positions: version.positions, revision: version.revision, ...boundsOf(version.header),
    ...(version.merged.length ? { merged_from: version.merged } : {}),
    ...(version.retracted ? { retracted: version.retracted } : {}),
  };
}

/** Bounds that a header had to cut short: the calendar's own text then says more than the header. */
function uncut(shown, made, [earliest, latest] = []) {
  const cut = {};
  if (Math.abs(earliest) === FAR) cut.earliest = shown.earliest;
  if (Math.abs(latest) === FAR) cut.latest = shown.latest;
  return { ...made, ...cut };
}

// ------------------------------------------------------------------------------------------ the question

/** Fold headers, in order of position, into what they say of each event. */
function eventsIn(headers) {
  const seen = new Map();
  const at = (id, header) => {
    if (!seen.has(id)) seen.set(id, { header, first: header.position, hidden: SHOWN, positions: new Set() });
    return seen.get(id);
  };
  for (const header of headers) {
    if (header.type === "part.erased") {
      for (const gone of (header.left ?? []).filter(isEvent).map((name) => seen.get(name.slice(6)))) {
        if (gone?.hidden === SHOWN) gone.hidden = ERASED;
      }
    } else if (isEvent(header.streams[0][0])) {
      const now = at(idOf(header), header);
      now.header = header;
      now.positions.add(header.position);
      if (header.type === "event.retracted") now.hidden = RETRACTED;
      if (header.type !== "events.merged") continue;
      for (const [name] of header.streams.slice(1).filter(([each]) => isEvent(each))) {
        const duplicate = at(name.slice(6), header);
        duplicate.positions.forEach((position) => now.positions.add(position));
        duplicate.positions.add(header.position);
        duplicate.hidden = MERGED;
      }
    }
  }
  return seen;
}

/** Everybody under each actor asked for, from the headers of their descriptions. */
function membersIn(headers, question) {
  const groups = new Map(), members = new Map();
  if (!question.members) return members;
  for (const header of headers.filter((each) => each.type === "actor.described")) {
    const [[actor], ...of] = header.streams;
    groups.set(actor, of.map(([name]) => name));
  }
  for (const name of (question.actors ?? []).map((actor) => `actor/${actor}`)) {
    const found = new Set([name]);
    for (const group of found) for (const [actor, of] of groups) if (of.includes(group)) found.add(actor);
    members.set(name, found);
  }
  return members;
}

function facetGroups(question) {
  const { actors, topics, places, sources, related } = question;
  const groups = Object.entries({ actor: actors, topic: topics, place: places, source: sources, related });
  return groups.filter(([, ids]) => ids).map(([prefix, ids]) => ids.map((each) => `${prefix}/${each}`));
}

/** What decides membership: the event itself where its content is there, else the header of its last record. */
function standingOf(header, first, hidden, event = null) {
  const { kind = "", status = "", sequence = 0, when = null, about = null, left = [] } = header;
  const names = header.streams.map(([name]) => name).filter((name) => !isEvent(name) && !left.includes(name));
  const facets = new Set(names);
  const standing = { id: idOf(header), first, hidden, kind, status, sequence, when, about, facets, roles: null };
  return event ? withContent(standing, event) : standing;
}

function withContent(standing, event) {
  const roles = new Map(), add = (actor, role) => roles.set(actor, [...(roles.get(actor) ?? []), role]);
  for (const { id, role, on_behalf_of: behalf } of event.actors ?? []) {
    add(`actor/${id}`, role);
    if (behalf !== undefined) add(`actor/${behalf}`, "represented");
  }
  const facets = new Set([
    ...roles.keys(), ...[...standing.facets].filter((name) => name.startsWith("place/")),
    ...[...(event.topics ?? []), ...(event.stances ?? []).map((each) => each.topic)].map((topic) => `topic/${topic}`),
    ...(event.citations ?? []).map((each) => `source/${each.source}`),
    ...(event.relations ?? []).map((each) => `related/${each.event}`),
  ]);
  const { id, kind, status, sequence = 0 } = event;
  return { ...standing, id, kind, status, sequence, facets, roles };
}

function means(question, standing, members) {
  const { kinds, statuses, roles } = question;
  return (
    (standing.hidden === SHOWN || (standing.hidden === RETRACTED && question.retracted === true)) &&
    inRange(question, standing) &&
    facetGroups(question).every((group) =>
      group.some((name) => [...(members.get(name) ?? [name])].some((each) => standing.facets.has(each)))) &&
    (!kinds || kinds.includes(standing.kind)) &&
    (!statuses || statuses.includes(standing.status)) &&
    (!roles || !standing.roles || hasRole(question, standing, members))
  );
}

function inRange({ on, lower = -Infinity, upper = Infinity, match, undated = true }, standing) {
  const bounds = on === "about" ? standing.about : standing.when;
  if (bounds === null) return undated && on === undefined;
  const earliest = bounds[0] ?? -Infinity, latest = bounds[1] ?? Infinity;
  return match === "must" ? lower <= earliest && latest <= upper : earliest <= upper && latest >= lower;
}

function hasRole({ actors, roles }, standing, members) {
  const named_ = actors?.map((actor) => `actor/${actor}`).flatMap((name) => [...(members.get(name) ?? [name])]);
  const wanted = named_ ?? [...standing.roles.keys()];
  return wanted.some((name) => (standing.roles.get(name) ?? []).some((role) => roles.includes(role)));
}

/** Place in chronological order: earliest, latest, sequence, position of the first record. */
function placeOf({ on }, standing) {
  const bounds = on === "about" ? standing.about : standing.when;
  const [earliest, latest] = bounds ? [bounds[0] ?? -Infinity, bounds[1] ?? Infinity] : [Infinity, Infinity];
  return [earliest, latest, standing.sequence, standing.first];
}

/** Compare places; where a header had to cut bounds short, it cannot tell. */
function compare(one, two) {
  for (const at of one.keys()) {
    if (one[at] !== two[at]) return one[at] < two[at] ? -1 : 1;
    if (at < 2 && Math.abs(one[at]) === FAR) return 0;
  }
  return 0;
}

// ------------------------------------------------------------------------------------------ the checks

/** Open a commitment: SHA-256("timeline/part/v1" 00 || salt || bytes), in hexadecimal. */
async function opening({ salt, data }) {
  if (!/^(?:[0-9a-f]{2})*$/.test(salt)) refuse("a salt is not in lower-case hexadecimal");
  return toHex(await sha256(utf8("timeline/part/v1\0"), fromHex(salt), utf8(data)));
}

class Verification {
  headers = new Map();
  records = new Map();
  replay = new Replay();
  checkpoint = null;

  constructor(bundle, id, vkey) {
    Object.assign(this, { bundle, snapshot: bundle.snapshot, wanted: id, vkey });
  }

  async run() {
    const { entries, log, query } = this.snapshot;
    const told = `${entries.length} events at position ${log.size} of ${log.origin}, in canonical form`;
    const checks = [{ name: "form", state: "ok", detail: told }];
    const formed = entries.map((entry) => [entry.event.id, entry.positions]);
    this.manifest = { entries: formed, format: "timeline.manifest/1", log, projector: PROJECTOR, query };
    this.id = await digest(canonical(this.manifest));
    this.content = await digest(canonical(this.snapshot));
    for (const name of ["checkpoint", "tree", "parts", "id", "content", "entries", "complete", "published"]) {
      try {
        const [state, detail] = await this[`${name}Check`]();
        checks.push({ name, state, detail });
      } catch (error) {
        checks.push({ name, state: "failed", detail: sentence(error) });
        // Nothing after these would rest on anything.
        if (!(error instanceof Refused) || name === "tree" || name === "parts") break;
      }
    }
    checks.sort((one, two) => ORDER.indexOf(one.name) - ORDER.indexOf(two.name));
    const failed = checks.some((check) => check.state === "failed");
    return { id: this.id, verdict: failed ? "failed" : "ok", checks, erased: this.erased() };
  }

  /** The events of which a record lost something. */
  erased() {
    const gone = ({ positions }) => positions.some((at) => this.records.get(at)?.erased.length);
    return this.snapshot.entries.filter(gone).map((entry) => entry.event.id);
  }

  // ---------------------------------------------------------------------------------------- the log's word

  async checkpointCheck() {
    const note = parseNote(this.bundle.checkpoint);
    const { origin, size, root } = (this.checkpoint = parseCheckpoint(note.text));
    const { log } = this.snapshot;
    if (origin !== log.origin) refuse(`the checkpoint is of ${origin}, the snapshot of ${log.origin}`);
    const told = `size ${size}, root ${toHex(root).slice(0, 16)}…`;
    const key = this.vkey ?? this.bundle.key;
    if (!note.signatures.length && this.vkey === null) {
      return ["unknown", `${told}: not signed; compare the root with one kept elsewhere`];
    }
    if (key === undefined) return ["unknown", `${told}: signed, but no key was given`];
    const known = await signedBy(note, key);
    if (known === null) return ["unknown", `${told}: this browser cannot check Ed25519 signatures`];
    if (this.vkey !== null) return ["ok", `${told}, signed by the key given`];
    return ["unknown", `${told}: signed by the key in the bundle; compare that key with the one you know`];
  }

  async treeCheck() {
    const { checkpoint, bundle } = this;
    if (!checkpoint) refuse("without a checkpoint nothing can be proved");
    if (!Number.isSafeInteger(checkpoint.size)) refuse("the log is larger than can be checked here");
    return bundle.evidence === "headers" ? this.wholeTree(checkpoint) : this.proved(checkpoint);
  }

  async wholeTree({ size, root }) {
    const headers = this.bundle.headers ?? [];
    if (headers.length !== size) refuse(`${headers.length} headers for a log of ${size}: one was left out or added`);
    headers.forEach((header, at) => this.take(at + 1, header));
    const rows = await rowsOf(await Promise.all(headers.map(leaf)));
    if (toHex(await rootAt(rows, size)) !== toHex(root)) {
      refuse("the headers do not give the checkpoint's root: one was altered, left out, added or moved");
    }
    if (this.snapshot.log.size > size) refuse("the snapshot is of a longer log than the checkpoint");
    this.compareRoot(await rootAt(rows, this.snapshot.log.size));
    const twice = this.bundle.records.find((record) => record.header !== undefined);
    if (twice) refuse(`the header of position ${twice.position} is there twice`);
    return ["ok", `all ${size} headers give the root`];
  }

  async proved({ size, root }) {
    const { records, proof = [], consistency = [] } = this.bundle, { log } = this.snapshot, leaves = new Map();
    for (const { position, header } of records) {
      this.take(position, header ?? refuse(`the header of position ${position} is not there`));
    }
    const hashed = await Promise.all(records.map((record) => leaf(record.header)));
    records.forEach((record, at) => leaves.set(record.position - 1, hashed[at]));
    if (leaves.size && toHex(await rootOfProof(leaves, size, proof.map(hash))) !== toHex(root)) {
      refuse("the records do not lead to the checkpoint's root: one was altered, left out or added");
    }
    if (log.size === size) this.compareRoot(root);
    else if (log.size === 0) this.compareRoot(await sha256());
    else await checkConsistency(log.size, size, consistency.map(hash), fromHex(log.root), root);
    return ["ok", `${leaves.size} records are proved to be in the log of ${size}`];
  }

  compareRoot(root) {
    if (toHex(root) !== this.snapshot.log.root) refuse("the snapshot names another root than the log had at its size");
  }

  take(position, written) {
    const header = parse(written, `the header at position ${position}`);
    if (!HEADER(header) || header.position !== position) refuse(`the header at position ${position} is another's`);
    this.headers.set(position, header);
  }

  async partsCheck() {
    let count = 0;
    const { records } = this.bundle;
    const opened = await Promise.all(records.map(({ parts }) => Promise.all(parts.map(opening))));
    for (const [at, { position, erased = [], parts }] of records.entries()) {
      const header = this.headers.get(position);
      if (!header || this.records.has(position)) refuse(`record ${position} has no header, or is there twice`);
      this.records.set(position, { erased, parts: this.open(header, parts, opened[at]) });
      count += parts.length;
    }
    this.missing();
    this.replayAll();
    return ["ok", `${count} parts open the commitments in their headers`];
  }

  open({ position, parts: named }, parts, opened) {
    const promised = new Map(named), found = new Map();
    for (const [at, { name, data }] of parts.entries()) {
      if (promised.get(name) !== opened[at]) refuse(`part ${name} at position ${position} is not as committed to`);
      promised.delete(name);
      found.set(name, data);
    }
    return found;
  }

  /** Tell what was erased, which a record of the log declares, from what is merely gone. */
  missing() {
    const declared = new Set();
    for (const [position, { parts }] of this.records) {
      if (this.headers.get(position).type !== "part.erased") continue;
      const { part, records = [] } = contentOf(parts), names = part === "body" ? ["body", "quotes", "text"] : [part];
      for (const at of records) names.forEach((name) => declared.add(`${at} ${name}`));
    }
    for (const [position, { parts, erased }] of this.records) {
      const absent = this.headers.get(position).parts.map(([name]) => name).filter((name) => !parts.has(name));
      const lost = absent.find((name) => name !== "text" && !declared.has(`${position} ${name}`));
      if (lost !== undefined && (position <= this.snapshot.log.size || position === this.bundle.published)) {
        refuse(`part ${lost} at position ${position} is missing; no erasure is declared`);
      }
      if (erased.some((name) => !absent.includes(name) || name === lost)) {
        refuse(`a part at position ${position} is called erased, and is there, or no record declares it`);
      }
    }
  }

  replayAll() {
    const { size } = this.snapshot.log;
    this.question = QUESTION(this.snapshot.query) ? this.snapshot.query : refuse("the question is not in normal form");
    this.all = sorted(this.headers.keys()).map((position) => this.headers.get(position));
    const past = this.all.filter((header) => header.position <= size);
    this.seen = eventsIn(past);
    this.described = new Map(past.filter(({ type }) => type.endsWith(".described"))
      .map(({ streams, position }) => [streams[0][0], position]));
    this.members = membersIn(past, this.question);
    for (const header of past) {
      const record = this.records.get(header.position);
      if (record) this.replay.apply(header, record);
    }
  }

  // ---------------------------------------------------------------------------------------- the snapshot

  async idCheck() {
    if (this.wanted === null) return ["unknown", "computed from what it holds: compare it with the citation"];
    if (this.wanted !== this.id) refuse(`this is snapshot ${this.id}, not the one that was cited`);
    return ["ok", "computed from what it holds: it is the one that was cited"];
  }

  async contentCheck() {
    const published = this.publication();
    if (published === null) return ["unknown", `SHA-256 ${this.content}`];
    if (published.content === this.content) return ["ok", `SHA-256 ${this.content}, as published`];
    if (this.erased().length) return ["unknown", "other bytes than when it was published: parts were erased since"];
    return refuse("other bytes than when it was published, and no erasure is declared");
  }

  async entriesCheck() {
    let gone = 0;
    for (const entry of this.snapshot.entries) {
      const { id } = entry.event;
      if (this.replay.gone.has(id)) {
        gone += 1;
        this.checkGone(entry);
        continue;
      }
      const last = entry.positions.at(-1);
      const version = this.replay.events.get(id)?.find((each) => each.revision.position === last) ??
        refuse(`event ${id} was not changed at position ${last}`);
      const { erased, ...shown } = entry, made = uncut(shown, entryOf(version), version.header.when);
      const wrong = [...new Set([...Object.keys(shown), ...Object.keys(made)])].sort()
        .find((name) => shown[name] === undefined || made[name] === undefined || !same(shown[name], made[name]));
      if (wrong !== undefined) refuse(`event ${id} does not follow from its records: ${wrong} is not what they say`);
    }
    const [actors, sources] = namedBy(this.snapshot.entries);
    this.things("actor", this.snapshot.actors, actors);
    this.things("source", this.snapshot.sources, sources);
    const lost = gone ? `; ${gone} were erased, and are known by their headers only` : "";
    return ["ok", `${this.snapshot.entries.length - gone} events follow from their records${lost}`];
  }

  /** An event that lost its body may say only what headers say: nobody could tell whether anything else is true. */
  checkGone(entry) {
    const { event, revision, earliest, latest, retracted, positions, erased, merged_from: merged = [] } = entry;
    const header = this.headers.get(positions.at(-1)), name = `event/${event.id}`;
    const own = header?.streams.find(([each]) => each === name) ?? refuse(`${name} was not changed where it says`);
    const erasures = this.all.filter(({ type, position, streams }) =>
      type === "part.erased" && position < header.position && streams[0][0] === name).length;
    const joined = new Set(positions.flatMap((at) => this.headers.get(at)?.streams ?? []).map(([each]) => each));
    const bounds = boundsOf(header), shown = { ...(earliest && { earliest }), ...(latest && { latest }) };
    if (!same(event, { id: event.id }) || !same(revision, revisionOf(header, own[1] - erasures)) || !same(retracted ?? {}, {}) ||
        !same(uncut(shown, bounds, header.when), shown) || !merged.every((id) => joined.has(`event/${id}`)) ||
        !erased) {
      refuse(`event ${event.id} was erased, and says more than the headers of its records`);
    }
  }

  things(type, shown, wanted) {
    if (!same(shown.map(({ id }) => id), [...wanted].sort())) refuse(`the ${type}s are not those that the events name`);
    for (const thing of shown) {
      const { position } = thing.revision, newest = this.described.get(`${type}/${thing.id}`) ?? 0;
      if (newest > position) refuse(`${type} ${thing.id} was described anew at position ${newest}`);
      const found = this.replay.things.get(`${type}/${thing.id}`)?.find((each) => each.header.position === position);
      const { author, recorded_at } = this.headers.get(position) ?? {};
      const revision = { author, position, recorded_at };
      if (found && same(thing, { ...found.value, revision })) continue;
      const bare = this.records.get(position)?.erased.includes("body") &&
        this.headers.get(position).streams[0][0] === `${type}/${thing.id}` && isObject(thing.erased) &&
        same(thing, { id: thing.id, erased: thing.erased, revision });
      if (!bare) refuse(`${type} ${thing.id} is not described so at position ${position}`);
    }
  }

  async completeCheck() {
    const { bundle, question, snapshot } = this;
    if (bundle.evidence === "none") return ["unknown", "the bundle holds no evidence of it: verify it with the log"];
    if (question.text !== undefined) return ["unknown", "which events hold the words can only be decided with the log"];
    const tail = bundle.evidence === "streams" ? this.streams() : true;
    const meant = this.meant();
    if (meant === null) return ["unknown", "a source has a date that is not read here: verify it offline"];
    const shown = snapshot.entries.map((entry) => entry.event.id), all = new Set(shown);
    const missing = [...meant.keys()].find((id) => !all.has(id)), extra = shown.find((id) => !meant.has(id));
    if (missing !== undefined) refuse(`an event is left out: ${missing} is meant by the question`);
    if (extra !== undefined) refuse(`event ${extra} is not meant by the question`);
    const places = shown.map((id) => placeOf(question, meant.get(id)));
    if (shown.length !== meant.size || places.some((place, at) => at && compare(places[at - 1], place) > 0)) {
      refuse("the events are not in chronological order");
    }
    this.formed();
    if (!tail) return ["unknown", "no record proves where the streams end: the newest events could be missing"];
    const over = bundle.evidence === "headers" ? "headers" : "records of its streams";
    return ["ok", `the question, asked again of all ${over}, means these ${shown.length} events`];
  }

  /** Answer the question again, from content, and from headers where there is none; null where a date is not read. */
  meant() {
    const { question, seen, members, replay } = this, byTime = question.reported_by !== undefined;
    const shown = new Set(this.snapshot.entries.map(({ event }) => event.id));
    const found = new Map(), left = [...this.headers.values()].find(({ type, position }) =>
      byTime && type === "source.described" && position <= this.snapshot.log.size && !this.records.has(position));
    if (left) refuse(`the description of a source at position ${left.position} is left out`);
    for (const [id, { header, first, hidden, positions }] of seen) {
      const bare = standingOf(header, first, hidden);
      if (!byTime && !means(question, bare, members)) continue;
      if (replay.gone.has(id)) {
        if (!(question.roles || byTime) || shown.has(id)) found.set(id, bare);
        continue;
      }
      const versions = replay.events.get(id) ?? [];
      if (!versions.length) {
        if (question.roles || byTime) refuse(`the records of event ${id}, which may be meant, are left out`);
        found.set(id, bare);
        continue;
      }
      if (!same(versions.at(-1).positions, sorted(positions))) refuse(`a record of event ${id} is left out`);
      const version = byTime ? this.told(versions) : versions.at(-1);
      if (version === undefined) return null;
      const standing = version && standingOf(version.header, version.first, version.hidden, version.event);
      if (standing && means(question, standing, members)) found.set(id, standing);
    }
    return found;
  }

  /** The version that rests on sources published by a time alone: null for none, undefined where a date is not read. */
  told(versions) {
    const by = this.question.reported_by;
    for (const version of [...versions].reverse()) {
      const cited = (version.event.citations ?? []).map(({ source }) => this.replay.things.get(`source/${source}`));
      const dates = cited.map((described) => described?.at(-1).value.published);
      const ends = dates.map((date) => (date === undefined ? Infinity : lastSecond(date)));
      if (ends.includes(undefined)) return undefined;
      const good = ends.length > 0 && ends.every((each) => each <= by);
      if (version.hidden !== SHOWN || good) return good ? version : null;
    }
    return null;
  }

  formed() {
    for (const { event, positions } of this.snapshot.entries) {
      let formed = sorted(this.seen.get(event.id).positions);
      if (this.question.reported_by !== undefined) formed = formed.filter((at) => at <= positions.at(-1));
      if (!same(formed, positions)) refuse(`event ${event.id} was formed by other records`);
    }
  }

  /** Check that the streams that answer the question are whole; say whether their ends are proved. */
  streams() {
    const { streams = {}, published } = this.bundle, names = Object.keys(streams);
    const group = facetGroups(this.question).find((each) => same([...new Set(each)].sort(), names.sort()));
    if (!group) refuse("the streams in the bundle are not those the question names");
    for (const name of group) this.wholeStream(name, streams[name]);
    const own = new Map();
    for (const { position, streams: named } of this.all) {
      for (const [name] of named.filter(([each]) => isEvent(each))) own.set(name, [...(own.get(name) ?? []), position]);
    }
    for (const [id, { positions }] of this.seen) {
      const last = Math.max(...positions);
      this.wholeStream(`event/${id}`, (own.get(`event/${id}`) ?? []).filter((position) => position <= last));
    }
    return published !== undefined && group.every((name) => streams[name].includes(published));
  }

  wholeStream(name, positions) {
    let before = 0;
    positions.forEach((position, at) => {
      const place = this.headers.get(position)?.streams.find(([stream]) => stream === name);
      const next = place && place[1] === at + 1 && place[2] === before;
      if (!next) refuse(`record ${at + 1} of stream ${name} is left out, after position ${before}`);
      before = position;
    });
  }

  // ---------------------------------------------------------------------------------------- publication

  publication() {
    const position = this.bundle.published;
    if (position === undefined) return null;
    const record = this.records.get(position) ?? refuse("the record that published it is left out");
    const { type } = this.headers.get(position);
    if (type !== "snapshot.published") refuse(`the record at position ${position} publishes no snapshot`);
    return contentOf(record.parts);
  }

  async publishedCheck() {
    const published = this.publication();
    if (published === null) return ["unknown", "the bundle names no record that published it"];
    if (!same(published.manifest, this.manifest) || published.id !== this.id) {
      refuse("the record that should have published it published another snapshot");
    }
    const { position, recorded_at } = this.headers.get(this.bundle.published);
    return ["ok", `at position ${position}, recorded ${recorded_at}`];
  }
}
