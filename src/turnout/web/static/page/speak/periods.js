// Days, weeks, months and years: their names as the API has them, the days that they are of, and what people call them.

import { LOCALE, day, dayRange, daysBetween, late, later } from "./format.js";

export const UNITS = ["day", "week", "month", "year"];

const months = late(() => new Intl.DateTimeFormat(LOCALE, { month: "short", year: "numeric", timeZone: "UTC" }));
const shortDays = late(() => new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", timeZone: "UTC" }));
const weekdaysOf = late(() => new Intl.DateTimeFormat(LOCALE, { weekday: "short", day: "numeric", timeZone: "UTC" }));
const at = (iso) => new Date(`${iso}T00:00:00Z`);

/** A unit of which such a timeframe has neither a few nor too many. */
export function fitting(first, last) {
  const days = daysBetween(first, last) + 1;
  if (days <= 35) return "day";
  if (days <= 26 * 7) return "week";
  return days <= 3 * 366 ? "month" : "year";
}

/** How many days after the first of its week a day is; weeks begin on the day with this number, 0 for Monday. */
const intoWeek = (iso, start) => (at(iso).getUTCDay() + 13 - start) % 7;

function weekName(first, start) {
  if (start !== 0) return first;
  // A week is of the year, and has the number, of its Thursday.
  const thursday = later(first, 3);
  const year = thursday.slice(0, 4);
  return `${year}-W${String(Math.floor(daysBetween(`${year}-01-01`, thursday) / 7) + 1).padStart(2, "0")}`;
}

/** The first day of a period. */
export function firstDay(name, unit) {
  if (unit === "week" && name.includes("-W")) {
    const fourth = `${name.slice(0, 4)}-01-04`;
    return later(fourth, 7 * (Number(name.slice(6)) - 1) - intoWeek(fourth, 0));
  }
  return { month: `${name}-01`, year: `${name}-01-01` }[unit] ?? name;
}

/** The names of all periods from that of one day to that of another. */
export function periods(unit, first, last, weekStart) {
  const found = [];
  if (unit === "day" || unit === "week") {
    let from = unit === "week" ? later(first, -intoWeek(first, weekStart)) : first;
    for (; from <= last; from = later(from, unit === "week" ? 7 : 1)) found.push(unit === "week" ? weekName(from, weekStart) : from);
    return found;
  }
  const length = unit === "month" ? 7 : 4;
  for (let year = Number(first.slice(0, 4)); year <= Number(last.slice(0, 4)); year += 1) {
    const names = unit === "month" ? Array.from({ length: 12 }, (_, month) => `${String(year).padStart(4, "0")}-${String(month + 1).padStart(2, "0")}`) : [String(year).padStart(4, "0")];
    found.push(...names.filter((name) => name >= first.slice(0, length) && name <= last.slice(0, length)));
  }
  return found;
}

/** Which unit a name is of, where nobody says so. A day and a week that does not begin on Monday look the same. */
const unitOf = (name) => (name.includes("-W") ? "week" : { 4: "year", 7: "month" }[name.length] ?? "day");

/** A period, for people: 2026, Oct 2026, 5–11 Oct 2026, 5 Oct 2026. */
export function period(name, unit = unitOf(name)) {
  if (unit === "month") return /^\d{4}-\d\d$/.test(name) ? months().format(at(`${name}-01`)) : name;
  if (unit === "year") return name;
  const first = firstDay(name, unit);
  return unit === "week" ? dayRange(first, later(first, 6)) : day(first);
}

/** The same on an axis, where there is little room: a week is called by its first day. */
export function tick(name, unit, many) {
  if (unit === "day" && !many) return weekdaysOf().format(at(name));
  return unit === "day" || unit === "week" ? shortDays().format(at(firstDay(name, unit))) : period(name, unit);
}

/** The timeframe that a period is. */
export const periodTimeframe = (name, unit) => (unit === "week" && !name.includes("-W") ? `${name}..${later(name, 6)}` : name);
