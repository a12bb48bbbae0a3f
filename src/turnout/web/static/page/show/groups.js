// Counting by anything, split by periods if wanted: as a drawing of the largest groups, and as a table.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { GROUPED, ask, cursorOf, over } from "../speak/api.js";
import { change, list, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { UNITS, period, periodTimeframe } from "../speak/periods.js";
import { narrowed, state } from "../state.js";
import { GROUPED_BY as BY, valueOf } from "../columns.js";
import { icon } from "../icons.js";
import { T, choice, columnName } from "../texts.js";
import { drawing, drawn, figure } from "./figure.js";
import { instead } from "./states.js";

const LARGEST = "-count";
const STEP = 100;
const PIVOTS = ["all", "year", "month", "week"];
const DRAWN = 12;
const PERIOD = "count_by_period.";

const chosen = () => {
  const given = list("group").filter((key) => key in BY);
  return given.length ? given : Object.keys(BY).slice(0, 1);
};
const pivot = () => (PIVOTS.includes(only("pivot")) ? only("pivot") : "month");

export function loadGroups({ again = false } = {}) {
  const by = chosen();
  const columns = [...new Set(by.flatMap((key) => [key, BY[key].value ?? key])), "count"];
  const sort = only("group_sort") ?? LARGEST;
  const parameters = over(narrowed(), {
    columns: columns.join(","), pivot: pivot(), sort, limit: String(STEP), ...(pivot() === "all" ? {} : { max_pivot_columns: "6" }),
  });
  drawing();
  state.groups.load(`${state.provider.id} ${parameters}`, async (signal) => {
    const page = await pageOf(parameters, signal);
    // Where the page does not begin with the largest groups, they may be on another one.
    const apart = sort !== LARGEST && page.cursor;
    const { rows } = apart ? await pageOf(over(parameters, { sort: LARGEST, limit: String(DRAWN) }), signal) : page;
    const largest = [...rows].sort((a, b) => b.count - a.count).slice(0, DRAWN).map((row) => ({ name: nameOf(row, by), count: row.count, row }));
    return { ...page, by, parameters, largest };
  }, { again });
}

async function pageOf(parameters, signal) {
  const { json, headers } = await ask(GROUPED, { parameters, signal });
  return { ...json, cursor: cursorOf(headers, "next") };
}

/** The next page comes below those that are there. */
function loadMore({ parameters, cursor, rows, ...data }) {
  const { groups } = state;
  return groups.load(groups.key, async (signal) => {
    const page = await pageOf(over(parameters, { cursor }), signal);
    return { ...data, parameters, total: page.total, cursor: page.cursor, rows: [...rows, ...page.rows] };
  }, { again: true });
}

function said(key, value) {
  if (value === null || value === undefined) return T.choices.none;
  const { kind } = BY[key];
  if (kind === "weekday") return F.longWeekday(value);
  if (kind === "hour") return F.hour(value);
  if (UNITS.includes(kind)) return period(value, kind);
  return kind === "choice" ? choice(value) : value;
}

const nameOf = (row, by) => by.map((key) => said(key, valueOf(row, key))).join(" · ");

function showOnly(row, by) {
  const changes = {};
  for (const key of by) {
    const { filter, value: column } = BY[key];
    const value = filter ? valueOf(row, column) : null;
    if (value !== null) changes[filter] = UNITS.includes(BY[key].kind) ? periodTimeframe(value, BY[key].kind) : String(value);
  }
  if (Object.keys(changes).length) change({ ...changes, tab: null });
}

function controls() {
  const by = chosen();
  const set = (at, key) => {
    const keys = [...by];
    if (key) keys[at] = key;
    else keys.splice(at);
    change({ group: [...new Set(keys)], group_sort: null }, { keepPlace: true });
  };
  const choose = (at) => html`<label>${at ? T.groups.then : T.groups.by}
    <select id="group-${at}" @change=${(event) => set(at, event.target.value)}>
      ${at ? html`<option value="" .selected=${live(!by[at])}>${T.groups.nothing}</option>` : nothing}
      ${Object.keys(BY).filter((key) => !by.includes(key) || by[at] === key).map((key) => html`<option value=${key} .selected=${live(by[at] === key)}>${columnName(key)}</option>`)}
    </select></label>`;
  return html`<div class="group-controls">${choose(0)}${choose(1)}${by.length > 1 ? choose(2) : nothing}
    <label>${T.groups.pivot} <select id="pivot" @change=${(event) => change({ pivot: event.target.value, group_sort: null }, { keepPlace: true })}>
      ${PIVOTS.map((each) => html`<option value=${each} .selected=${live(each === pivot())}>${T.groups.pivots[each]}</option>`)}</select></label></div>`;
}

function sorted(key) {
  const now = only("group_sort") ?? LARGEST;
  const number = key === "count" || key.startsWith(PERIOD);
  change({ group_sort: now === (number ? `-${key}` : key) ? (number ? key : `-${key}`) : number ? `-${key}` : key }, { keepPlace: true });
}

function groupTable(data) {
  const periods = data.column_headers.filter((header) => header.key.startsWith(PERIOD));
  const head = (header, number) => {
    const words = header.key.startsWith(PERIOD) ? period(header.key.slice(PERIOD.length), pivot()) : columnName(header.key, header.label);
    const order = header.sorted?.priority === 0 ? header.sorted.order : null;
    return html`<th scope="col" class=${number ? "number" : ""} aria-sort=${order ? (order === "asc" ? "ascending" : "descending") : nothing}>
      <button @click=${() => sorted(header.key)}>${words}${order ? icon(order === "asc" ? "up" : "down", 13) : html`<span class="sortable">${icon("sortable", 13)}</span>`}</button></th>`;
  };
  const header = (key) => data.column_headers.find((each) => each.key === key);
  const filtering = data.by.some((key) => BY[key].filter);
  return html`<div class="as-table-scroll" tabindex="0" role="region" aria-label=${T.pictures.tableOf(T.groups.caption(data.by.map((key) => columnName(key))))}><table class="plain-table grouped" id="grouped">
    <caption class="visually-hidden">${T.groups.caption(data.by.map((key) => columnName(key)))}</caption>
    <thead><tr>${data.by.map((key) => head(header(key)))}${head(header("count"), true)}${periods.map((each) => head(each, true))}</tr></thead>
    <tbody>${data.rows.map((row) => html`<tr>
      ${data.by.map((key, at) => (at === 0
        ? html`<th scope="row">${filtering ? html`<button class="link plain" dir="auto" @click=${() => showOnly(row, data.by)} title=${T.pictures.showOnly(nameOf(row, data.by))}>${said(key, valueOf(row, key))}</button>` : html`<span dir="auto">${said(key, valueOf(row, key))}</span>`}</th>`
        : html`<td dir="auto">${said(key, valueOf(row, key))}</td>`))}
      <td class="number strong">${F.count(row.count)}</td>
      ${periods.map((each) => html`<td class="number">${F.count(row.count_by_period?.[each.key.slice(PERIOD.length)] ?? 0)}</td>`)}</tr>`)}</tbody></table></div>
    <p class="small figure-foot"><span class="quiet" role="status">${data.cursor ? T.groups.some(data.rows.length, data.total) : T.groups.total(data.total)}</span>
      ${data.cursor ? html`<button class="button small" id="more-groups" @click=${() => loadMore(data)}>${T.groups.more(Math.min(STEP, data.total - data.rows.length))}</button>` : nothing}</p>`;
}

export function groupsView() {
  const { groups } = state;
  const other = instead();
  if (other) return other;
  const again = () => loadGroups({ again: true });
  const empty = (data) => !data.rows.length;
  return html`${controls()}<div class="figures">
    ${figure("groups", { heading: T.groups.chart, piece: groups, again, empty, kind: "wide",
      body: (data) => (drawing() ? drawn(data, (data_, width) => drawing().barsDrawing(data_.largest, width, T.groups.chart, { chosen: (datum) => showOnly(datum.row, data_.by) })) : nothing) })}
    ${figure("groups-table", { heading: T.groups.caption(chosen().map((key) => columnName(key))), piece: groups, again, empty, kind: "wide", body: groupTable, savable: false })}
  </div>`;
}
