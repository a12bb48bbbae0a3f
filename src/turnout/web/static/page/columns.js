// What the page makes of the report's columns and filters, which the server's catalogue tells.

import { COLUMNS as TOLD, GROUPED, LOOK_UPS } from "./catalogue.js";
import { UNITS } from "./speak/periods.js";

/** key: how a cell looks, the filter that its value belongs to, and the column that has the value that it takes. */
export const COLUMNS = { ...TOLD, status: { ...TOLD.status, kind: "status" } };

/** What is in sight where the address says nothing. */
export const FIRST = [
  "event.starts_at",
  "customer.name",
  "status",
  "event.name",
  "venue.name",
  "instructors",
  "customer_membership.membership.name",
  "booking_source",
];

/** Names of columns in an address, which may be other names of theirs or groups, as keys. */
export function keysOf(names) {
  const keys = Object.keys(COLUMNS);
  const found = names.flatMap((name) => {
    if (name in COLUMNS) return [name];
    const inside = keys.filter((key) => key.startsWith(`${name}.`) && !COLUMNS[key].extension);
    return inside.length ? inside : keys.filter((key) => COLUMNS[key].name === name);
  });
  return [...new Set(found)];
}

/** The columns to ask for: those shown, and those that "only this" needs. */
export function needed(shown) {
  return [...new Set([...shown, ...shown.map((key) => COLUMNS[key].value).filter(Boolean)])];
}

/** What a row has under a dotted key. */
export function valueOf(row, key) {
  return key.split(".").reduce((part, name) => (part === null || part === undefined ? null : part[name]), row);
}

/** The first of some names, where they are there, and then the others. */
const ordered = (names, first) => [...first.filter((name) => names.includes(name)), ...names.filter((name) => !first.includes(name))];

/** The filters that have pickers, in their order; the first ones are always in sight. */
export const PICKERS = ordered(Object.keys(LOOK_UPS), ["status", "offering_types", "venues", "instructors", "customers", "memberships", "days_of_week", "start_hours"]);
export const IN_SIGHT = 5;
/** The filters that take 'none'. */
export const TAKES_NONE = new Set(PICKERS.filter((name) => LOOK_UPS[name].none));
/** From the best that can become of a booking to the worst. */
export const STATUSES = ordered(LOOK_UPS.status.choices, ["attended", "registered", "late_cancelled", "no_show"]);
const PERIODS = UNITS.map((unit) => Object.keys(GROUPED).find((key) => GROUPED[key].kind === unit));
/** The column that has the period of a unit. */
export const periodColumn = (unit) => PERIODS[UNITS.indexOf(unit)];
/** What can be grouped by: what people know things by, and choices. */
export const GROUPED_BY = Object.fromEntries(
  ordered(Object.keys(GROUPED).filter((key) => GROUPED[key].kind !== "id"), ["offering_type.name", "venue.name", "day_of_week", "event.start_hour", "event.start_time", "status", ...PERIODS]).map((key) => [key, GROUPED[key]]),
);
