// What the page knows at the moment, and how it is loaded: pieces, each of which may be late or fail by itself.

import { REPORT, VALUES, about, ask, over } from "./speak/api.js";
import { asked, change, filters, list, only } from "./speak/address.js";
import * as F from "./speak/format.js";
import { LOOK_UPS } from "./catalogue.js";
import { FIRST, keysOf, needed } from "./columns.js";

let draw = () => {};
let waiting = false;

/** Draw the page anew, once, soon. */
export function changed() {
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    draw();
  });
}

export function drawnBy(given) {
  draw = given;
}

/** Something that is loaded: its newest data stay while newer ones are on their way. */
export class Piece {
  data = null;
  problem = null;
  busy = false;
  key = null;
  #stop = null;

  async load(key, work, { again = false } = {}) {
    if (key === this.key && !again && !this.problem && (this.busy || this.data !== null)) return;
    this.#stop?.abort();
    const stop = new AbortController();
    Object.assign(this, { key, busy: true });
    this.#stop = stop;
    changed();
    try {
      const data = await work(stop.signal);
      if (this.#stop === stop) Object.assign(this, { data, problem: null, busy: false });
    } catch (problem) {
      if (this.#stop === stop && problem.name !== "AbortError") Object.assign(this, { problem, busy: false });
    }
    changed();
  }

  forget() {
    this.#stop?.abort();
    this.#stop = null;
    Object.assign(this, { data: null, problem: null, busy: false, key: null });
  }
}

export const state = {
  phase: "starting",
  session: null,
  provider: null,
  problem: null,
  report: new Piece(),
  figures: new Piece(),
  time: new Piece(),
  heat: new Piece(),
  tops: new Piece(),
  groups: new Piece(),
  why: new Piece(),
  views: new Piece(),
  jobs: new Piece(),
  names: new Map(),
};

export const zone = () => state.provider.timezone;
export const tab = () => (["pictures", "groups"].includes(only("tab")) ? only("tab") : "table");
export const limit = () => Math.min(100, Math.max(1, Number(only("limit") ?? only("page_size")) || 50));

/** The keys of the columns in sight, in their order. */
export function shown() {
  const keys = keysOf(list("columns"));
  return keys.length ? keys : FIRST;
}

/** The filters as the API is asked, in the provider's zone. */
export const narrowed = () => over(filters(), { timezone: zone() });

export function chooseProvider(id) {
  state.provider = state.session.providers.find((each) => each.id === Number(id)) ?? state.session.providers[0];
  about(state.provider?.id ?? null);
}

export function forget() {
  for (const piece of Object.values(state)) if (piece instanceof Piece) piece.forget();
  state.names.clear();
}

/** Load what the address asks for. */
export function load({ again = false } = {}) {
  if (state.phase !== "in" || !state.provider) return;
  const parameters = over(asked(), { timezone: zone(), columns: needed(shown()).join(","), format: null });
  if (tab() === "table") parameters.set("limit", limit());
  else {
    for (const name of ["cursor", "offset", "page", "page_size", "sort"]) parameters.delete(name);
    parameters.set("limit", 0);
  }
  const key = `${state.provider.id} ${parameters}`;
  state.report.load(key, (signal) => reported(parameters, signal), { again });
  state.figures.load(`${state.provider.id} ${narrowed()}`, figured, { again });
}

async function reported(parameters, signal) {
  const { json, headers } = await ask(REPORT, { parameters, signal });
  const data = { ...json, headers, timeframe: timeframeOf(headers), tab: tab(), loaded: headers.get("Date") };
  data.first = Number(only("at")) || (Number(only("offset")) || 0) + 1;
  if (json.total === 0) state.why.forget();
  return data;
}

/** The counts by status, now and before. Other statuses than those filtered by are counted too, for comparison. */
async function figured(signal) {
  const now = over(narrowed(), { of: "status" });
  const { json, headers } = await ask(VALUES, { parameters: now, signal });
  const timeframe = timeframeOf(headers);
  const before = before_(timeframe);
  const earlier = before ? await ask(VALUES, { parameters: over(now, { event_timeframe: before.name }), signal }) : null;
  const counts = (answer) => Object.fromEntries(answer.json.values.map((each) => [each.value, each.count]));
  return { now: counts({ json }), before: earlier && counts(earlier), dates: before, timeframe };
}

/** The first and the last day of the timeframe that an answer was about, and whether it goes beyond now. */
export function timeframeOf(headers) {
  const given = headers.get("X-Timeframe");
  if (!given) return null;
  const [start, end] = given.split("/");
  const today = new Intl.DateTimeFormat("en-CA", { timeZone: zone() }).format(new Date(headers.get("Date") ?? Date.now()));
  const first = start === ".." ? null : F.isoDay(start);
  const midnight = /T00:00:00[+-]/.test(end);
  const whole = end === ".." ? null : midnight ? F.later(F.isoDay(end), -1) : F.isoDay(end);
  const future = only("include_future") === "true";
  const last = whole === null || (!future && whole > today) ? (future ? null : today) : whole;
  return { first, last, whole, zone: start === ".." ? "" : F.offset(start) };
}

/** The same timeframe one earlier: whole months by months, all others by days. */
export function before_(timeframe) {
  if (!timeframe?.first || !timeframe.last || !timeframe.whole || timeframe.last < timeframe.first) return null;
  const { first, last, whole } = timeframe;
  const next = F.later(whole, 1);
  let shift = (day) => F.later(day, -F.daysBetween(first, next));
  if (first.endsWith("-01") && next.endsWith("-01")) {
    const months = (Number(next.slice(0, 4)) - Number(first.slice(0, 4))) * 12 + Number(next.slice(5, 7)) - Number(first.slice(5, 7));
    shift = (day) => monthsBack(day, months);
  }
  const end = last === whole ? F.later(first, -1) : [shift(last), F.later(first, -1)].sort()[0];
  const start = shift(first);
  return { first: start, last: end, name: `${start}..${end}`, dates: F.dayRange(start, end) };
}

function monthsBack(iso, by) {
  const [year, month, day] = iso.split("-").map(Number);
  const moved = new Date(Date.UTC(year, month - 1 - by, 1));
  const longest = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate();
  moved.setUTCDate(Math.min(day, longest));
  return moved.toISOString().slice(0, 10);
}

/** Remember what people call a value, for the chips. */
export function named(filter, value, label) {
  if (label) state.names.set(`${filter} ${value}`, label);
}

/** The names of the values that are filtered by, where nobody has said them yet. */
export async function learnNames(filter, values) {
  const missing = values.filter((value) => value !== "none" && !state.names.has(`${filter} ${value}`));
  if (!missing.length) return;
  missing.forEach((value) => state.names.set(`${filter} ${value}`, ""));
  const parameters = new URLSearchParams({ of: filter, include_future: "true", limit: "100" });
  try {
    const { json } = await ask(VALUES, { parameters });
    const found = new Map(json.values.map((each) => [String(each.value), each.label]));
    for (const value of missing) {
      const label = found.get(value) ?? (await nameOf(filter, value));
      state.names.set(`${filter} ${value}`, label ?? `#${value}`);
    }
  } catch {
    missing.forEach((value) => state.names.set(`${filter} ${value}`, `#${value}`));
  }
  changed();
}

async function nameOf(filter, value) {
  const column = LOOK_UPS[filter]?.label;
  if (!column) return null;
  const parameters = new URLSearchParams({ [filter]: value, columns: column, limit: "1", include_future: "true" });
  const { json } = await ask(REPORT, { parameters });
  const row = json.rows[0];
  return row ? column.split(".").reduce((part, name) => part?.[name] ?? null, row) : null;
}

/** Set a filter to one value alone, or add and remove one. */
export const setOnly = (filter, value) => change({ [filter]: value });
export function toggle(filter, value) {
  const values = list(filter);
  change({ [filter]: values.includes(value) ? values.filter((each) => each !== value) : [...values, value] });
}

