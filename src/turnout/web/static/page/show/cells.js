// What a cell of the table looks like, by its column's kind; and the filter that its value is.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import * as F from "../speak/format.js";
import { COLUMNS, TAKES_NONE, valueOf } from "../columns.js";
import { change } from "../speak/address.js";
import { named } from "../state.js";
import { icon } from "../icons.js";
import { T, choice } from "../texts.js";

const missing = () => html`<span class="missing">${T.table.none}</span>`;

export const statusPill = (status) => html`<span class="pill ${status}">${icon(status, 14)}${choice(status)}</span>`;

const instant = (value) => html`<time datetime=${value} title="${F.date(value)} ${F.exactTime(value)} ${F.offset(value)}"><span class="date">${F.date(value)}</span> <span class="time">${F.time(value)}</span></time>`;

const SHOWN = {
  instant,
  status: statusPill,
  choice: (value) => choice(value),
  boolean: (value) => (value ? html`${icon("check", 14)} ${T.table.yes}` : html`<span class="missing">${T.table.no}</span>`),
  id: (value) => html`<span class="id">${value}</span>`,
  text: (value) => html`<span dir="auto">${value}</span>`,
};

/** A value that filters the report by itself when it is pressed. */
function pressable(content, label, filter, value) {
  const only = () => {
    named(filter, value, label);
    change({ [filter]: String(value) });
  };
  return html`<button class="only" tabindex="-1" @click=${only} title=${T.filters.only(label)}>${content}</button>`;
}

export function cell(row, key) {
  const { kind, filter, value: valueKey } = COLUMNS[key];
  const value = valueOf(row, key);
  if (kind === "people") {
    if (!value.length) return filter ? pressable(T.table.none, T.choices.none, filter, "none") : missing();
    return html`<span class="people">${value.map((person, at) => html`${at ? ", " : nothing}${pressable(html`<span dir="auto">${person.name}</span>`, person.name, filter, person.id)}`)}</span>`;
  }
  const chosen = valueKey ? valueOf(row, valueKey) : value;
  if (value === null || value === undefined || value === "") {
    return filter && TAKES_NONE.has(filter) && chosen === null ? pressable(html`<span class="missing">${T.table.none}</span>`, T.choices.none, filter, "none") : missing();
  }
  const content = SHOWN[kind](value);
  if (filter === "event_timeframe") return pressable(content, F.date(value), filter, F.isoDay(value));
  return filter && chosen !== null ? pressable(content, kind === "text" ? value : choice(value), filter, chosen) : content;
}

