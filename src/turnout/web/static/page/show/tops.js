// What has the most attendances: class types, venues, instructors; with shares by status against the timeframe before.

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { VALUES, ask, over } from "../speak/api.js";
import { change, list } from "../speak/address.js";
import * as F from "../speak/format.js";
import { before_, named, state, timeframeOf } from "../state.js";
import { STATUSES } from "../columns.js";
import { T, choice } from "../texts.js";
import { drawing, drawn, figure } from "./figure.js";

const OF = ["offering_types", "venues", "instructors"];
const MOST = 8;
/** The shares that are told, and whether more of it is good. */
const TOLD = ["attended", "no_show", "late_cancelled"];

export function loadTops(parameters, key, options) {
  return state.tops.load(key, async (signal) => {
    const found = await Promise.all(OF.map((of) => top(of, parameters, signal)));
    return Object.fromEntries(found.map((each) => [each.of, each]));
  }, options);
}

async function top(of, parameters, signal) {
  const { json, headers } = await ask(VALUES, { parameters: over(parameters, { of, limit: String(MOST) }), signal });
  const own = list(of, parameters);
  const values = json.values.filter((each) => !own.length || own.includes(String(each.value)));
  values.forEach((each) => named(of, each.value, each.label));
  const dates = before_(timeframeOf(headers));
  const wanted = list("status", parameters);
  const statuses = STATUSES.filter((status) => !wanted.length || wanted.includes(status));
  const now = await byStatus(of, parameters, statuses, signal);
  const before = dates ? await byStatus(of, over(parameters, { event_timeframe: dates.name }), statuses, signal) : null;
  const rows = values.map((each) => ({ ...each, now: now(each.value), before: before?.(each.value) ?? null }));
  return { of, rows, dates: dates?.dates };
}

/** For each value its attendances by status: as many questions as statuses. */
async function byStatus(of, parameters, statuses, signal) {
  const answers = await Promise.all(statuses.map(async (status) => {
    const { json } = await ask(VALUES, { parameters: over(parameters, { of, status, limit: "100" }), signal });
    return [status, new Map(json.values.map((each) => [each.value, each.count]))];
  }));
  return (value) => Object.fromEntries(answers.map(([status, counts]) => [status, counts.get(value) ?? 0]));
}

const whole = (counts) => Object.values(counts).reduce((sum, each) => sum + each, 0);

function bar(row, most) {
  let at = 0;
  return html`<svg class="share" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" width="100%" height="6">${STATUSES.map((status) => {
    const width = (100 * (row.now[status] ?? 0)) / most;
    at += width;
    return svg`<rect class="fill-${status}" x=${at - width} y="0" width=${width} height="1"></rect>`;
  })}</svg>`;
}

function shareCell(row, status) {
  const all = whole(row.now);
  const before = row.before && whole(row.before);
  const much = before && all ? row.now[status] / all - row.before[status] / before : null;
  return html`<td class="number">${status in row.now ? F.share(row.now[status], all) : "–"}
    ${much === null ? nothing : html`<span class="delta">${Math.abs(much) < 0.0005 ? "±0" : T.cards.points(F.points(much))}</span>`}</td>`;
}

function topTable({ of, rows, dates }) {
  const most = Math.max(1, ...rows.map((row) => row.count));
  return html`<div class="as-table-scroll" tabindex="0" role="region" aria-label=${T.pictures.topOf(T.pictures.tops[of])}><table class="plain-table tops"><caption class="visually-hidden">${T.pictures.topOf(T.pictures.tops[of])}</caption>
    <thead><tr><th scope="col">${T.pictures.name}</th><th scope="col" class="number">${T.cards.all}</th>${TOLD.map((status) => html`<th scope="col" class="number">${choice(status)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>
      <th scope="row"><button class="link plain" dir="auto" @click=${() => change({ [of]: String(row.value) })} title=${T.pictures.showOnly(row.label)}>${row.label ?? row.value}</button>${bar(row, most)}</th>
      <td class="number">${F.count(row.count)}${row.before && whole(row.before) ? html`<span class="delta">${F.change((row.count - whole(row.before)) / whole(row.before))}</span>` : nothing}</td>
      ${TOLD.map((status) => shareCell(row, status))}</tr>`)}</tbody></table></div>
    ${dates ? html`<p class="quiet small figure-foot">${T.pictures.before(dates)}</p>` : nothing}`;
}

const stacked = ({ rows }) => rows.flatMap((row) => STATUSES.map((status) => ({ name: row.label ?? String(row.value), status, count: row.now[status] ?? 0 })));

export function topFigures() {
  return OF.map((of) => figure(of, {
    heading: T.pictures.tops[of],
    piece: { ...state.tops, data: state.tops.data?.[of] ?? null },
    again: () => document.dispatchEvent(new Event("turnout:again")),
    empty: (found) => !found.rows.length,
    body: (found) => html`${topTable(found)}${drawing() ? html`<div class="for-saving" aria-hidden="true">${drawn(found, (data) => drawing().barsDrawing(stacked(data), 640, T.pictures.topOf(T.pictures.tops[of]), { stacked: true }))}</div>` : nothing}`,
  }));
}
