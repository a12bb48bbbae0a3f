// Asking the server: by the session's cookie, for one provider, with its own errors.

/** What went wrong, in the API's words. `offline` where nothing answered. */
export class Problem extends Error {
  constructor(status, document, retryAfter = null) {
    super(document.message);
    this.status = status;
    this.code = document.code;
    this.fields = document.field_errors ?? {};
    this.retryAfter = retryAfter;
  }

  /** Whether it goes away by itself: what was loaded before is worth showing until then. */
  get passing() {
    return this.code === "offline" || this.retryAfter !== null || [502, 504].includes(this.status);
  }

  /** All that the server says about it, as pairs of parameter and text. */
  get faults() {
    return Object.entries(this.fields).flatMap(([name, texts]) =>
      texts.map((said) => [name === "non_field_errors" ? null : name, said]),
    );
  }
}

let provider = null;

/** All further questions are about this provider. */
export function about(id) {
  provider = id;
}

const outs = [];

/** Call `told` when the session has ended, be it in another tab, which shares its cookie. */
export function onSignedOut(told) {
  outs.push(told);
}

const tabs = new BroadcastChannel("turnout-session");
const signedOut = () => outs.forEach((told) => told({ signedOut: true }));
tabs.addEventListener("message", signedOut);

const relative = (path) => path.replace(/^\//, "");

export async function ask(path, { parameters, method = "GET", body, signal, quiet = false } = {}) {
  const headers = { Accept: "application/json" };
  if (provider !== null) headers["TeamUp-Provider-ID"] = String(provider);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const query = parameters?.toString();
  const target = relative(path) + (query ? `?${query}` : "");
  let response;
  try {
    response = await fetch(target, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "offline", message: error.message });
  }
  if (response.status === 204) return { json: null, headers: response.headers };
  let json;
  try {
    json = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(response.status, { code: "server_error", message: response.statusText });
  }
  if (!response.ok) {
    const problem = new Problem(response.status, json, Number(response.headers.get("Retry-After")) || null);
    if (response.status === 401 && !quiet) outs.forEach((told) => told(problem));
    throw problem;
  }
  return { json, headers: response.headers };
}

/** The cursor of a page that a `Link` header names, or null. */
export function cursorOf(headers, relation) {
  for (const [, target, name] of (headers.get("Link") ?? "").matchAll(/<([^>]*)>; rel="(\w+)"/g)) {
    if (name === relation) return new URL(target, location.href).searchParams.get("cursor");
  }
  return null;
}

export const REPORT = "api/v2/reports/attendances/data";
export const VALUES = "api/v2/reports/attendances/values";
export const GROUPED = "api/v2/reports/attendances.grouped/data";
export const EXPORT = "api/v2/reports/attendances/export";
export const JOBS = "api/v2/jobs";
export const VIEWS = "page/v1/views";
const SESSION = "page/v1/session";

export const session = async () => (await ask(SESSION, { quiet: true })).json;
export const signIn = async (given) => (await ask(SESSION, { method: "POST", body: given, quiet: true })).json;

export async function signOut() {
  await ask(SESSION, { method: "DELETE", quiet: true });
  tabs.postMessage("out");
  signedOut();
}

/** Parameters with others put over them; null removes one. */
export function over(parameters, changes) {
  const changed = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    changed.delete(name);
    changed.delete(`${name}[]`);
    if (value !== null) changed.set(name, value);
  }
  return changed;
}
