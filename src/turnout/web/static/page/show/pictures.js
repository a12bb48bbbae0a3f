// The pictures: over time by status, weekday by hour, and what has the most attendances. All figures are the API's.

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { GROUPED, REPORT, ask, cursorOf, over } from "../speak/api.js";
import { change, list, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import * as P from "../speak/periods.js";
import { narrowed, state, timeframeOf } from "../state.js";
import { STATUSES, periodColumn, valueOf } from "../columns.js";
import { T, choice } from "../texts.js";
import { statusIcon } from "../icons.js";
import { drawing, drawn, figure } from "./figure.js";
import { loadTops, topFigures } from "./tops.js";
import { instead } from "./states.js";

/** More periods than this are not told apart, and the last ones are drawn. */
const MOST = 100;
const FEW = 11;

export function loadPictures({ again = false } = {}) {
  const parameters = narrowed();
  const key = `${state.provider.id} ${parameters}`;
  drawing();
  state.time.load(`${key} ${only("by")}`, (signal) => overTime(parameters, signal), { again });
  state.heat.load(key, (signal) => byHour(parameters, signal), { again });
  loadTops(parameters, key, { again });
}

/** All pages of groups, as long as `wanted` takes their rows. */
async function groups(parameters, signal, wanted) {
  for (let cursor = null; ; ) {
    const { json, headers } = await ask(GROUPED, { parameters: over(parameters, { limit: "100", cursor }), signal });
    if (!json.rows.every(wanted)) return;
    cursor = cursorOf(headers, "next");
    if (!cursor) return;
  }
}

/** The first and the last day of what matches: those of the timeframe, and where it is open those of the attendances. */
async function extent(parameters, signal) {
  const { headers } = await ask(REPORT, { parameters: over(parameters, { limit: "0", columns: "customer.id" }), signal });
  const { first, last, whole } = timeframeOf(headers) ?? {};
  const column = periodColumn("day");
  const end = async (sort) => {
    const { json } = await ask(GROUPED, { parameters: over(parameters, { columns: column, sort, limit: "1" }), signal });
    return json.rows.length ? valueOf(json.rows[0], column) : null;
  };
  return Promise.all([first ?? end(column), (whole && last) ?? end(`-${column}`)]);
}

async function overTime(parameters, signal) {
  const [first, last] = await extent(parameters, signal);
  if (!first || !last) return { unit: P.UNITS[0], periods: [], rows: [], statuses: [] };
  const unit = P.UNITS.includes(only("by")) ? only("by") : P.fitting(first, last);
  const all = P.periods(unit, first, last, F.dayNumber(state.provider.week_start));
  const drawn_ = all.slice(-MOST);
  const cut = all.length > MOST;
  const column = periodColumn(unit);
  const counts = new Map();
  await groups(over(parameters, { columns: `${column},status,count`, sort: `-${column}` }), signal, (row) => {
    const period = valueOf(row, column);
    if (cut && period < drawn_[0]) return false;
    counts.set(`${period} ${row.status}`, row.count);
    return true;
  });
  // By its venue's clock, an event may be of the day before or after.
  const periods = [...new Set([...drawn_, ...[...counts.keys()].map((key) => key.split(" ")[0])])].sort();
  const statuses = STATUSES.filter((status) => [...counts.keys()].some((key) => key.endsWith(` ${status}`)));
  const rows = periods.flatMap((period) => statuses.map((status) => ({ period, status, count: counts.get(`${period} ${status}`) ?? 0 })));
  return { unit, periods, rows, statuses, cut };
}

async function byHour(parameters, signal) {
  const cells = [];
  const hour = "event.start_hour";
  await groups(over(parameters, { columns: `day_of_week,${hour},count` }), signal, (row) => cells.push({ day: row.day_of_week, hour: valueOf(row, hour), count: row.count }));
  return { cells, days: F.week(state.provider.week_start), hours: around(cells.map((each) => each.hour)) };
}

/** The hours from the first to the last, and some beside them where those are few. */
function around(found) {
  if (!found.length) return [];
  let [first, last] = [Math.min(...found), Math.max(...found)];
  while (last - first < FEW) {
    first = Math.max(0, first - 1);
    last = Math.min(23, last + 1);
  }
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

const showPeriod = (period, unit, status) => change({ event_timeframe: P.periodTimeframe(period, unit), event_start_gte: null, event_start_lte: null, by: null, ...(status ? { status } : {}) });
const showHour = (day, hour) => change({ ...(day === null ? {} : { days_of_week: day }), ...(hour === null ? {} : { start_hours: String(hour) }) });

const legend = (statuses) => html`<ul class="legend">${statuses.map((status) => html`<li><button class="link plain" @click=${() => change({ status: list("status").join() === status ? null : status })} title=${T.filters.only(choice(status))}>${statusIcon(status)}${choice(status)}</button></li>`)}</ul>`;

function timeTable({ unit, periods, rows, statuses }) {
  const at = new Map(rows.map((row) => [`${row.period} ${row.status}`, row.count]));
  return html`<table class="plain-table"><caption class="visually-hidden">${T.pictures.time}</caption>
    <thead><tr><th scope="col">${T.pictures.period}</th>${statuses.map((status) => html`<th scope="col" class="number">${choice(status)}</th>`)}</tr></thead>
    <tbody>${periods.map((period) => html`<tr><th scope="row"><button class="link" @click=${() => showPeriod(period, unit)}>${P.period(period, unit)}</button></th>
      ${statuses.map((status) => html`<td class="number">${F.count(at.get(`${period} ${status}`))}</td>`)}</tr>`)}</tbody></table>`;
}

function heatTable({ cells, days, hours }) {
  const at = new Map(cells.map((each) => [`${each.day} ${each.hour}`, each.count]));
  const filter = (words, label, day, hour) => html`<button class="link plain" title=${T.pictures.showOnly(label)} @click=${() => showHour(day, hour)}>${words}</button>`;
  const names = (day, hour) => F.listed([day && T.weekdays(F.longWeekday(day)), hour !== null && F.hour(hour)].filter(Boolean));
  const cell = (day, hour) => {
    const count = at.get(`${day} ${hour}`);
    return html`<td class="number">${count ? filter(F.count(count), names(day, hour), day, hour) : F.count(0)}</td>`;
  };
  return html`<table class="plain-table"><caption class="visually-hidden">${T.pictures.heatOf}</caption>
    <thead><tr><th scope="col">${T.pictures.weekday}</th>${hours.map((hour) => html`<th scope="col" class="number">${filter(F.hour(hour), names(null, hour), null, hour)}</th>`)}</tr></thead>
    <tbody>${days.map((day) => html`<tr><th scope="row">${filter(F.longWeekday(day), names(day, null), day, null)}</th>${hours.map((hour) => cell(day, hour))}</tr>`)}</tbody></table>`;
}

function unitChoice(unit) {
  return html`<div class="segments" role="group" aria-label=${T.pictures.by}>${P.UNITS.map((each) => html`<button aria-pressed=${each === unit} @click=${() => change({ by: each }, { keepPlace: true })}>${T.pictures.units[each]}</button>`)}</div>`;
}

function timeFigure() {
  const again = () => loadPictures({ again: true });
  const { data } = state.time;
  return figure("time", {
    heading: data ? T.pictures.timeOf(T.pictures.units[data.unit]) : T.pictures.time,
    note: data?.cut ? T.pictures.last(MOST, T.pictures.unitsMany[data.unit]) : null,
    tools: unitChoice(data?.unit),
    piece: state.time,
    again,
    kind: "wide",
    empty: (found) => !found.periods.length,
    body: (found) => html`${legend(found.statuses)}${drawing() ? drawn(found, (data_, width) => drawing().timeDrawing(data_, width, T.pictures.timeOf(T.pictures.units[found.unit]), (datum) => showPeriod(datum.period, data_.unit, datum.status))) : nothing}`,
    table: timeTable,
  });
}

/** What the shades mean. */
function scale({ cells }) {
  const shades = [0.08, 0.31, 0.54, 0.77, 1];
  const [least, most] = [Math.min, Math.max].map((end) => end(...cells.map((each) => each.count)));
  if (least === most) return html`<p class="legend scale"></p>`;
  return html`<p class="legend scale"><span>${F.count(least)}</span>
    <svg width="90" height="12" viewBox="0 0 90 12" aria-hidden="true">${shades.map((shade, at) => svg`<rect class="heat" x=${at * 18} y="0" width="16" height="12" rx="2" fill-opacity=${shade}></rect>`)}</svg>
    <span>${F.count(most)}</span></p>`;
}

function heatFigure() {
  return figure("heat", {
    heading: T.pictures.heatOf,
    piece: state.heat,
    again: () => loadPictures({ again: true }),
    kind: "wide",
    empty: (found) => !found.cells.length,
    body: (found) => html`${scale(found)}${drawing() ? drawn(found, (data, width) => drawing().heatDrawing(data, width, T.pictures.heatOf, (datum) => showHour(datum.day, datum.hour))) : nothing}`,
    table: heatTable,
  });
}

export function picturesView() {
  return instead() ?? html`<div class="figures">${timeFigure()}${heatFigure()}${topFigures()}</div>`;
}

