// The pictures: over time by status, weekday by hour, and what has the most attendances. All figures are the API's.

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { GROUPED, REPORT, ask, cursorOf, over } from "../speak/api.js";
import { change, list, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { narrowed, state, timeframeOf } from "../state.js";
import { STATUSES } from "../columns.js";
import { T, choice } from "../texts.js";
import { statusIcon } from "../icons.js";
import { drawing, drawn, figure } from "./figure.js";
import { loadTops, topFigures } from "./tops.js";
import { instead } from "./states.js";

const UNITS = ["week", "month", "year"];
const MOST = 12;
const PAGES = 10;

export function loadPictures({ again = false } = {}) {
  const parameters = narrowed();
  const key = `${state.provider.id} ${parameters}`;
  drawing();
  state.time.load(`${key} ${only("by")}`, (signal) => overTime(parameters, signal), { again });
  state.heat.load(key, (signal) => byHour(parameters, signal), { again });
  loadTops(parameters, key, { again });
}

async function timeframe(parameters, signal) {
  const { headers } = await ask(REPORT, { parameters: over(parameters, { limit: "0", columns: "customer.id" }), signal });
  return timeframeOf(headers);
}

function fitting(found) {
  if (!found?.first || !found.last) return "month";
  const length = F.daysBetween(found.first, found.last);
  return length <= 7 * MOST ? "week" : length <= 366 ? "month" : "year";
}

async function overTime(parameters, signal) {
  const unit = UNITS.includes(only("by")) ? only("by") : fitting(await timeframe(parameters, signal));
  const { json } = await ask(GROUPED, { parameters: over(parameters, { columns: "status,count", pivot: unit, max_pivot_columns: String(MOST) }), signal });
  const periods = json.column_headers.map((header) => header.key).filter((key) => key.startsWith("count_by_period.")).map((key) => key.slice(16));
  const counts = new Map(json.rows.map((row) => [row.status, row.count_by_period ?? {}]));
  const rows = periods.flatMap((period) => STATUSES.filter((status) => counts.has(status)).map((status) => ({ period, status, count: counts.get(status)[period] ?? 0 })));
  return { unit, periods, rows, statuses: STATUSES.filter((status) => counts.has(status)) };
}

async function byHour(parameters, signal) {
  const counts = new Map();
  let cursor = null;
  let seen = 0;
  for (let page = 0; page < PAGES; page += 1) {
    const { json, headers } = await ask(GROUPED, { parameters: over(parameters, { columns: "day_of_week,event.start_time,count", limit: "100", cursor }), signal });
    for (const row of json.rows) {
      const key = `${row.day_of_week} ${Number(row.event.start_time.slice(0, 2))}`;
      counts.set(key, (counts.get(key) ?? 0) + row.count);
    }
    seen += json.rows.length;
    cursor = cursorOf(headers, "next");
    if (!cursor) break;
  }
  const cells = [...counts].map(([key, count]) => ({ day: key.split(" ")[0], hour: Number(key.split(" ")[1]), count }));
  const found = cells.map((each) => each.hour);
  const hours = found.length ? Array.from({ length: Math.max(...found) - Math.min(...found) + 1 }, (_, at) => Math.min(...found) + at) : [];
  return { cells, days: F.week(state.provider.week_start), hours, cut: cursor ? seen : 0 };
}

const showPeriod = (period, status) => change({ event_timeframe: F.periodTimeframe(period), event_start_gte: null, event_start_lte: null, ...(status ? { status } : {}) });

const legend = (statuses) => html`<ul class="legend">${statuses.map((status) => html`<li><button class="link plain" @click=${() => change({ status: list("status").join() === status ? null : status })} title=${T.filters.only(choice(status))}>${statusIcon(status)}${choice(status)}</button></li>`)}</ul>`;

function timeTable({ periods, rows, statuses }) {
  return html`<table class="plain-table"><caption class="visually-hidden">${T.pictures.time}</caption>
    <thead><tr><th scope="col">${T.pictures.period}</th>${statuses.map((status) => html`<th scope="col" class="number">${choice(status)}</th>`)}</tr></thead>
    <tbody>${periods.map((period) => html`<tr><th scope="row"><button class="link" @click=${() => showPeriod(period)}>${F.period(period)}</button></th>
      ${statuses.map((status) => html`<td class="number">${F.count(rows.find((row) => row.period === period && row.status === status).count)}</td>`)}</tr>`)}</tbody></table>`;
}

function heatTable({ cells, days, hours }) {
  const at = new Map(cells.map((each) => [`${each.day} ${each.hour}`, each.count]));
  return html`<table class="plain-table"><caption class="visually-hidden">${T.pictures.heatOf}</caption>
    <thead><tr><th scope="col">${T.pictures.weekday}</th>${hours.map((hour) => html`<th scope="col" class="number">${String(hour).padStart(2, "0")}</th>`)}</tr></thead>
    <tbody>${days.map((day) => html`<tr><th scope="row">${F.longWeekday(day)}</th>${hours.map((hour) => html`<td class="number">${F.count(at.get(`${day} ${hour}`) ?? 0)}</td>`)}</tr>`)}</tbody></table>`;
}

function unitChoice(unit) {
  return html`<div class="segments" role="group" aria-label=${T.pictures.by}>${UNITS.map((each) => html`<button aria-pressed=${each === unit} @click=${() => change({ by: each }, { keepPlace: true })}>${T.pictures.units[each]}</button>`)}</div>`;
}

function timeFigure() {
  const again = () => loadPictures({ again: true });
  const { data } = state.time;
  const full = data?.periods.length === MOST;
  return figure("time", {
    heading: data ? T.pictures.timeOf(T.pictures.units[data.unit]) : T.pictures.time,
    note: full ? T.pictures.note(T.pictures.unitsMany[data.unit]) : null,
    tools: unitChoice(data?.unit),
    piece: state.time,
    again,
    kind: "wide",
    empty: (found) => !found.periods.length,
    body: (found) => html`${legend(found.statuses)}${drawing() ? drawn(found, (data_, width) => drawing().timeDrawing(data_, width, T.pictures.timeOf(T.pictures.units[found.unit]), (datum) => showPeriod(datum.period, datum.status))) : nothing}`,
    table: timeTable,
  });
}

/** What the shades mean. */
function scale({ cells }) {
  const shades = [0.08, 0.31, 0.54, 0.77, 1];
  return html`<p class="legend scale"><span>${F.count(Math.min(...cells.map((each) => each.count)))}</span>
    <svg width="90" height="12" viewBox="0 0 90 12" aria-hidden="true">${shades.map((shade, at) => svg`<rect class="heat" x=${at * 18} y="0" width="16" height="12" rx="2" fill-opacity=${shade}></rect>`)}</svg>
    <span>${F.count(Math.max(...cells.map((each) => each.count)))}</span></p>`;
}

function heatFigure() {
  return figure("heat", {
    heading: T.pictures.heatOf,
    note: state.heat.data?.cut ? T.pictures.cut(state.heat.data.cut) : null,
    piece: state.heat,
    again: () => loadPictures({ again: true }),
    kind: "wide",
    empty: (found) => !found.cells.length,
    body: (found) => html`${scale(found)}${drawing() ? drawn(found, (data, width) => drawing().heatDrawing(data, width, T.pictures.heatOf)) : nothing}`,
    table: heatTable,
  });
}

export function picturesView() {
  return instead() ?? html`<div class="figures">${timeFigure()}${heatFigure()}${topFigures()}</div>`;
}

