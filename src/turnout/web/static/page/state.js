// What the page knows at the moment, and how it is loaded: pieces, each of which may be late or fail by itself.

import { REPORT, VALUES, about, ask, over } from "./speak/api.js";
import { asked, change, filterNames, filters, list, only } from "./speak/address.js";
import * as F from "./speak/format.js";
import { LOOK_UPS } from "./catalogue.js";
import { FIRST, keysOf, needed } from "./columns.js";

let draw = () => {};
let waiting = false;
let due = false;

/** Draw the page anew, once, soon. */
export function changed() {
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = due = false;
    draw();
  });
}

/** Something came: draw it with the next picture, and what comes meanwhile along with it. */
function arrived() {
  if (due) return;
  due = true;
  const next = document.hidden ? setTimeout : requestAnimationFrame;
  next(() => due && changed());
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

  /** `work` gives the data; it may tell a part of them before. */
  async load(key, work, { again = false } = {}) {
    if (key === this.key && !again && !this.problem && (this.busy || this.data !== null)) return;
    this.#stop?.abort();
    const stop = new AbortController();
    Object.assign(this, { key, busy: true });
    this.#stop = stop;
    changed();
    const told = (data, still) => {
      if (this.#stop !== stop) return;
      Object.assign(this, { data, problem: null, busy: still });
      arrived();
    };
    try {
      told(await work(stop.signal, (part) => told(part, true)), false);
    } catch (problem) {
      if (this.#stop !== stop || problem.name === "AbortError") return;
      Object.assign(this, { problem, busy: false });
      arrived();
    }
  }

  /** The problem, unless it passes and there is something older to show meanwhile. */
  get failed() {
    return this.problem?.passing && this.data !== null ? null : this.problem;
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
  pickers: new Map(),
  names: new Map(),
};

export const zone = () => state.provider?.timezone;
export const tab = () => (["pictures", "groups"].includes(only("tab")) ? only("tab") : "table");
export const limit = () => Math.min(100, Math.max(1, Number(only("limit") ?? only("page_size")) || 50));

/** The keys of the columns in sight, in their order. */
export function shown() {
  const keys = keysOf(list("columns"));
  return keys.length ? keys : FIRST;
}

/** The filters as the API is asked, in the provider's zone. */
export const narrowed = () => over(filters(), { timezone: zone() });

/** The provider of an id, or the first one. There is none where the session does not cover it. */
export function chooseProvider(id) {
  const { providers } = state.session;
  state.provider = (id === null ? providers[0] : providers.find((each) => each.id === Number(id))) ?? null;
  about(state.provider?.id ?? null);
}

/** Nothing of one provider or session is left for another, not even by an answer that comes late. */
export function forget() {
  for (const piece of Object.values(state)) if (piece instanceof Piece) piece.forget();
  for (const { values } of state.pickers.values()) values.forget();
  state.pickers = new Map();
  state.names = new Map();
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
  state.report.load(key, (signal) => reported(parameters, signal), { again }).then(() => {
    if (state.report.data?.total === 0 && !state.report.problem) lookForCause({ again });
  });
  state.figures.load(`${state.provider.id} ${narrowed()}`, figured, { again });
}

async function reported(parameters, signal) {
  const { json, headers } = await ask(REPORT, { parameters, signal });
  const data = { ...json, headers, timeframe: timeframeOf(headers), tab: tab(), loaded: headers.get("Date") };
  data.first = Number(only("at")) || (Number(only("offset")) || 0) + 1;
  return data;
}

/** Nothing matches: how many there would be without each filter, with what is still to come, and all in all. */
export function lookForCause({ again = false } = {}) {
  const key = `${state.provider.id} ${narrowed()}`;
  if (key !== state.why.key) state.why.forget();
  return state.why.load(key, causes, { again });
}

async function causes(signal) {
  const total = async (parameters) => (await ask(REPORT, { parameters: over(parameters, { limit: "0", columns: "customer.id" }), signal })).json.total;
  const names = filterNames().filter((name) => name !== "include_future");
  const without = names.map(async (name) => ({ name, total: await total(over(narrowed(), { [name]: null })) }));
  const future = only("include_future") === "true" ? 0 : total(over(narrowed(), { include_future: "true" }));
  const everything = total(new URLSearchParams({ include_future: "true" }));
  const [found, ahead, all] = await Promise.all([Promise.all(without), future, everything]);
  return { found: found.sort((a, b) => b.total - a.total), future: ahead, everything: all };
}

/** The counts by status, now and before. Other statuses than those filtered by are counted too, for comparison. */
async function figured(signal, part) {
  const now = over(narrowed(), { of: "status" });
  const { json, headers } = await ask(VALUES, { parameters: now, signal });
  const timeframe = timeframeOf(headers);
  const before = before_(timeframe);
  const counts = (answer) => Object.fromEntries(answer.json.values.map((each) => [each.value, each.count]));
  const figures = { now: counts({ json }), before: null, dates: before, timeframe };
  if (!before) return figures;
  part(figures);
  const earlier = await ask(VALUES, { parameters: over(now, { event_timeframe: before.name }), signal });
  return { ...figures, before: counts(earlier) };
}

/** The first and the last day of the timeframe that an answer was about, and whether it goes beyond now. */
export function timeframeOf(headers) {
  const given = headers.get("X-Timeframe");
  if (!given) return null;
  const [start, end] = given.split("/");
  const today = F.dayIn(zone(), new Date(headers.get("Date") ?? Date.now()));
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
  const { names } = state;
  const missing = values.filter((value) => value !== "none" && !names.has(`${filter} ${value}`));
  if (!missing.length) return;
  missing.forEach((value) => names.set(`${filter} ${value}`, ""));
  const parameters = new URLSearchParams({ of: filter, include_future: "true", limit: "100" });
  try {
    const { json } = await ask(VALUES, { parameters });
    const found = new Map(json.values.map((each) => [String(each.value), each.label]));
    for (const value of missing) {
      const label = found.get(value) ?? (await nameOf(filter, value));
      names.set(`${filter} ${value}`, label ?? `#${value}`);
    }
  } catch {
    missing.forEach((value) => names.set(`${filter} ${value}`, `#${value}`));
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

/** Add a value to a filter, or remove it. */
export function toggle(filter, value) {
  const values = list(filter);
  change({ [filter]: values.includes(value) ? values.filter((each) => each !== value) : [...values, value] });
}

