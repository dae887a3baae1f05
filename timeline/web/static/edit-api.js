// Talks to the API of this server and to nobody else. The token lives in memory, or in sessionStorage where the person
// says so; it is sent in the Authorization header only.
import { t } from "./edit-dom.js";

const PLACE = "timeline-token";
const PATIENCE = 30_000;
const keys = new Map();
let token = null;

/** A problem document (RFC 9457): what the server says is wrong. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? String(status));
    this.status = status;
    this.body = body;
    this.faults = body.errors ?? [];
  }
}

/** No answer came: nobody knows whether the request was received. */
class Unreached extends Error {
  constructor() {
    super(t("unreached"));
  }
}

const stored = () => {
  try {
    return sessionStorage;
  } catch {
    return null; // the browser keeps nothing for this site
  }
};

export const keeper = {
  get: (name) => stored()?.getItem(name) ?? null,
  set: (name, value) => {
    try {
      stored()?.setItem(name, value);
      return true;
    } catch {
      return false; // full
    }
  },
  drop: (name) => stored()?.removeItem(name),
  names: () => Object.keys(stored() ?? {}),
};

async function send(path, { method, headers, body, credential }) {
  const known = { Accept: "application/json", ...headers };
  if (credential) known.Authorization = `Bearer ${credential}`;
  const options = {
    method,
    headers: known,
    body,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: AbortSignal.timeout(PATIENCE),
  };
  let response;
  try {
    response = await fetch(path, options);
    if (response.status === 204) return {};
    const text = await response.text();
    if (response.ok) return JSON.parse(text);
    throw new Problem(response.status, readable(text));
  } catch (error) {
    throw error instanceof Problem ? error : new Unreached();
  }
}

function readable(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Ask for something, by address and parameters; those without a value are left out. */
export function read(path, parameters = {}) {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(pairs).toString();
  return send(query ? `${path}?${query}` : path, { method: "GET", credential: token });
}

/**
 * Write something. The same content sent again from the same place has the same Idempotency-Key: a double click, or
 * another try after an answer was lost, is answered with what was recorded the first time.
 */
export async function write(method, path, content, { revision, create } = {}) {
  const body = content === undefined ? undefined : JSON.stringify(content);
  const same = JSON.stringify([method, path, body, revision]);
  if (!keys.has(same)) keys.set(same, randomKey());
  const headers = { "Idempotency-Key": `"${keys.get(same)}"` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (revision !== undefined) headers["If-Match"] = `"${revision}"`;
  if (create) headers["If-None-Match"] = "*";
  const answer = await send(path, { method, headers, body, credential: token });
  keys.delete(same);
  return answer;
}

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Try a token: gives whose it is and what it allows, and keeps it where it may write. */
export async function signIn(secret, keep) {
  if (!/^[\x21-\x7e]{1,500}$/.test(secret)) throw new Problem(401, { detail: "" });
  const grant = await send("/v1/token", { method: "GET", credential: secret });
  if (grant.scopes.includes("write")) {
    token = secret;
    if (keep) keeper.set(PLACE, secret);
  }
  return grant;
}

/** Sign in with what this tab kept, if it kept something that is still good. */
export async function comeBack() {
  const kept = keeper.get(PLACE);
  if (!kept) return null;
  try {
    const grant = await signIn(kept, true);
    return grant.scopes.includes("write") ? grant : null;
  } catch (error) {
    if (error instanceof Problem) keeper.drop(PLACE);
    return null;
  }
}

/** Forget the token. */
export function signOut() {
  token = null;
  keeper.drop(PLACE);
}

const names = new Map();

/** Give the id, name and kind of a thing by its id; what nobody knows is called by its id. */
export function thing(type, id) {
  const key = `${type}/${id}`;
  if (!names.has(key)) {
    const found = read(`/v1/${type}s/${encodeURIComponent(id)}`).catch((error) => {
      names.delete(key);
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    });
    names.set(key, found);
  }
  return names.get(key);
}

/** Remember a thing that was just described. */
export function know(type, body) {
  names.set(`${type}/${body.id}`, Promise.resolve(body));
}
