// Numbers, dates and names, by the reader's own language.

export const LOCALE = navigator.languages?.length ? [...navigator.languages] : undefined;

/** What formats, made when it is needed first: the browser takes milliseconds for each. */
export function late(make) {
  let made = null;
  return () => (made ??= make());
}

const numbers = late(() => new Intl.NumberFormat(LOCALE));
const shares = late(() => new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1 }));
const changes = late(() => new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" }));
const wholeChanges = late(() => new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" }));
const signed = late(() => new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1, signDisplay: "exceptZero" }));
// Times come from the server by the clock of the zone; they are shown as they come, so UTC stands for that clock.
const dates = late(() => new Intl.DateTimeFormat(LOCALE, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }));
const days = late(() => new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }));
// 18:00 and 08:00, or 6:00 PM and 8:00 AM.
const twelve = late(() => new Intl.DateTimeFormat(LOCALE, { hour: "numeric" }).resolvedOptions().hour12 === true);
const ofClock = (more) => ({ hour: twelve() ? "numeric" : "2-digit", minute: "2-digit", ...more });
const times = late(() => new Intl.DateTimeFormat(LOCALE, ofClock({ timeZone: "UTC" })));
const seconds = late(() => new Intl.DateTimeFormat(LOCALE, ofClock({ second: "2-digit", timeZone: "UTC" })));
const hours = late(() => new Intl.DateTimeFormat(LOCALE, { hour: twelve() ? "numeric" : "2-digit", timeZone: "UTC" }));
const weekdays = late(() => new Intl.DateTimeFormat(LOCALE, { weekday: "short", timeZone: "UTC" }));
const longWeekdays = late(() => new Intl.DateTimeFormat(LOCALE, { weekday: "long", timeZone: "UTC" }));
const compact = late(() => new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 }));

export const count = (value) => numbers().format(value);
export const short = (value) => compact().format(value);
export const share = (part, whole) => (whole ? shares().format(part / whole) : "–");
const minus = (text) => text.replace("-", "\u2212");
export const change = (ratio) => minus((Math.abs(ratio) < 1 ? changes() : wholeChanges()).format(ratio));
/** A difference of shares in percentage points, without their sign. */
export const points = (ratio) => minus(signed().format(100 * ratio));
export const range = (first, last) => (first === last ? count(first) : numbers().formatRange(first, last));

/** The clock's reading in an instant with an offset, as an instant of UTC. */
export function clock(instant) {
  return new Date(`${instant.slice(0, 19)}Z`);
}

/** The offset of an instant, as people write it: UTC+02:00. */
export const offset = (instant) => `UTC${/([+-]\d\d:\d\d)$/.exec(instant)?.[1] ?? ""}`;
export const date = (instant) => dates().format(clock(instant));
export const time = (instant) => times().format(clock(instant));
export const exactTime = (instant) => seconds().format(clock(instant));
export const day = (value) => days().format(new Date(`${value.slice(0, 10)}T00:00:00Z`));
export const dayRange = (first, last) =>
  days().formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));

/** The local day of an instant as it is written: 2026-10-05. */
export const isoDay = (instant) => instant.slice(0, 10);

/** A day so many days later. */
export function later(iso, by) {
  const moved = new Date(`${iso}T00:00:00Z`);
  moved.setUTCDate(moved.getUTCDate() + by);
  return moved.toISOString().slice(0, 10);
}

export const daysBetween = (first, last) => Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / 86_400_000);

const zoned = new Map();

/** One that tells the clock of a zone; there are but a few. */
function inZone(locale, zone, shown = {}) {
  const key = JSON.stringify([locale, zone, shown]);
  if (!zoned.has(key)) zoned.set(key, new Intl.DateTimeFormat(locale, { timeZone: zone, ...shown }));
  return zoned.get(key);
}

/** The day of an instant by the clock of a zone: 2026-10-05. */
export const dayIn = (zone, instant) => inZone("en-CA", zone).format(instant);

/** An instant of the server's clock in a zone, for people: 23:31, or with its day where that is not today's. */
export function moment(instant, zone) {
  const shown = ofClock();
  const given = new Date(instant);
  if (dayIn(zone, given) !== dayIn(zone, new Date())) Object.assign(shown, { day: "numeric", month: "short", year: "numeric" });
  return inZone(LOCALE, zone, shown).format(given);
}

const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const dayDate = (name) => new Date(Date.UTC(2024, 0, 1 + DAYS.indexOf(name)));
export const weekday = (name) => weekdays().format(dayDate(name));
export const longWeekday = (name) => longWeekdays().format(dayDate(name));

const atHour = (value) => new Date(Date.UTC(2024, 0, 1, value));
/** An hour of the day: 18:00, or 6:00 PM. */
export const hour = (value) => times().format(atHour(value));
/** The same where there is little room: 18, or 6 PM. */
export const shortHour = (value) => (twelve() ? hours().format(atHour(value)) : String(value).padStart(2, "0"));

/** The number of a day of the week, 0 for Monday. */
export const dayNumber = (name) => Math.max(0, DAYS.indexOf(name));

/** The names of the days, in the order of the provider's week. */
export function week(start) {
  const first = dayNumber(start);
  return [...DAYS.slice(first), ...DAYS.slice(0, first)];
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

export function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(LOCALE, { style: "unit", unit: UNITS[unit], maximumFractionDigits: unit ? 1 : 0 }).format(value);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A name within a sentence: where it is written from the right, it leaves the sentence's own direction alone. */
export const apart = (name) => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

export const listed = (parts) => new Intl.ListFormat(LOCALE, { type: "conjunction" }).format(parts);
