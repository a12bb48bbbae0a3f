// What the page knows of the report's columns beside what the API says: how they look, and what filters by them.

/** key: how a cell looks, the filter that its value belongs to, and the column that has the value that it takes. */
export const COLUMNS = {
  "id": { kind: "id" },
  "updated_at": { kind: "instant" },
  "customer.id": { kind: "id" },
  "customer.name": { kind: "name", filter: "customers", value: "customer.id" },
  "customer.email": { kind: "text" },
  "customer.thumbnail_url": { kind: "text" },
  "event.id": { kind: "id" },
  "event.starts_at": { kind: "instant", filter: "event_timeframe" },
  "event.ends_at": { kind: "instant" },
  "event.name": { kind: "name" },
  "event.type": { kind: "choice", filter: "event_types", value: "event.type" },
  "offering_type.id": { kind: "id" },
  "offering_type.name": { kind: "name", filter: "offering_types", value: "offering_type.id" },
  "venue.id": { kind: "id" },
  "venue.name": { kind: "name", filter: "venues", value: "venue.id" },
  "instructors": { kind: "people", filter: "instructors" },
  "booking_method": { kind: "choice", filter: "booking_methods", value: "booking_method" },
  "customer_membership.id": { kind: "id" },
  "customer_membership.membership.id": { kind: "id" },
  "customer_membership.membership.name": { kind: "name", filter: "memberships", value: "customer_membership.membership.id" },
  "booking_source": { kind: "name", filter: "booking_sources", value: "booking_source_id" },
  "booking_source_id": { kind: "id" },
  "status": { kind: "status", filter: "status", value: "status" },
  "checkin.ocurred_at": { kind: "instant" },
  "is_first_attendance": { kind: "boolean" },
};

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
    const inside = keys.filter((key) => key.startsWith(`${name}.`));
    if (inside.length) return inside;
    const other = keys.find((key) => otherName(key) === name);
    return other ? [other] : [];
  });
  return [...new Set(found)];
}

const otherName = (key) => key.split(".").slice(-2).join("_");

/** The columns to ask for: those shown, and those that "only this" needs. */
export function needed(shown) {
  return [...new Set([...shown, ...shown.map((key) => COLUMNS[key].value).filter(Boolean)])];
}

/** What a row has under a dotted key. */
export function valueOf(row, key) {
  return key.split(".").reduce((part, name) => (part === null || part === undefined ? null : part[name]), row);
}

/** The filters that have pickers, in their order; the first ones are always in sight. */
export const PICKERS = [
  "status",
  "offering_types",
  "venues",
  "instructors",
  "customers",
  "memberships",
  "booking_methods",
  "booking_sources",
  "event_types",
  "customer_memberships",
];
export const IN_SIGHT = 5;
/** The filters that take 'none'. */
export const TAKES_NONE = new Set(["booking_sources", "instructors"]);
export const STATUSES = ["attended", "registered", "late_cancelled", "no_show"];
