// The table: the report's rows, its order, and a last row for all that match.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { change, list, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { limit, shown, state, zone } from "../state.js";
import { COLUMNS, STATUSES } from "../columns.js";
import { icon, statusIcon } from "../icons.js";
import { T, choice, columnName } from "../texts.js";
import { cell } from "./cells.js";
import { chooserButton } from "./chooser.js";
import { pager } from "./pager.js";
import { instead } from "./states.js";

const headerOf = (data, key) => data?.column_headers.find((header) => header.key === key);
const orders = () => ({ asc: T.table.ascending, desc: T.table.descending });

/** The order that a press on a heading asks for: its column up, down, then as it was; with shift as a further level. */
function sorted(key, further) {
  const levels = list("sort").length
    ? list("sort")
    : (state.report.data?.column_headers ?? []).filter((header) => header.sorted).map((header) => (header.sorted.order === "desc" ? `-${header.key}` : header.key));
  const given = list("sort");
  const bare = (level) => level.replace(/^-/, "");
  const at = levels.findIndex((level) => bare(level) === key);
  const now = at < 0 ? null : levels[at];
  if (further) {
    const next = now === null ? [...levels, key] : now.startsWith("-") ? levels.filter((_, place) => place !== at) : levels.map((level, place) => (place === at ? `-${key}` : level));
    return change({ sort: next });
  }
  const alone = levels.length === 1 && at === 0;
  if (!alone) return change({ sort: [COLUMNS[key]?.kind === "instant" && now === null ? `-${key}` : key] });
  if (now === key) return change({ sort: COLUMNS[key]?.kind === "instant" && given.length ? null : [`-${key}`] });
  return change({ sort: COLUMNS[key]?.kind === "instant" ? [key] : null });
}

function heading(data, key, at) {
  const header = headerOf(data, key);
  const name = columnName(key, header?.label);
  const level = header?.sorted;
  const several = data ? data.column_headers.filter((each) => each.sorted).length > 1 : false;
  const first = level && level.priority === 0;
  const words = level && !first ? T.table.levels(orders()[level.order], level.priority + 1) : null;
  const sign = level ? icon(level.order === "asc" ? "up" : "down", 13) : html`<span class="sortable">${icon("sortable", 13)}</span>`;
  return html`<th scope="col" class="kind-${COLUMNS[key].kind} ${at === 0 ? "first" : ""}" aria-sort=${first ? `${orders()[level.order]}` : nothing} data-key=${key}>
    ${header && !header.sortable
      ? html`<span class="th-words">${name}</span>`
      : html`<button @click=${(event) => sorted(key, event.shiftKey)} title=${T.table.sortHint}>${name}${words ? html`<span class="visually-hidden">, ${words}</span>` : nothing}${sign}${level && several ? html`<sup aria-hidden="true">${level.priority + 1}</sup>` : nothing}</button>`}
  </th>`;
}

function bones(columns) {
  const rows = Array.from({ length: Math.min(limit(), 14) }, (_, at) => at);
  return rows.map((at) => html`<tr>${columns.map((key, place) => html`<td class=${place === 0 ? "first" : ""}><span class="bone w${(at * 3 + place * 5) % 4}"></span></td>`)}</tr>`);
}

function foot(data, columns) {
  const figures = state.figures.failed ? null : state.figures.data?.now;
  const chosen = list("status");
  const counted = STATUSES.filter((status) => figures?.[status] && (!chosen.length || chosen.includes(status)));
  return html`<tfoot><tr><th scope="row" class="first" id="total">${data ? T.table.total(data.total) : html`<span class="bone"></span>`}</th>
    ${columns.length > 1 ? html`<td colspan=${columns.length - 1}><span class="totals">${counted.map((status) => html`<span class="total">${statusIcon(status)}${T.table.counted(figures[status], choice(status))}</span>`)}</span></td>` : nothing}</tr></tfoot>`;
}

/** Arrow keys move between the values that can be pressed; one of them is reached by Tab. */
function moved(event) {
  const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  const step = steps[event.key];
  const from = event.target.closest("button.only");
  if (!step || !from) return;
  const rows = [...event.currentTarget.querySelectorAll("tbody tr")];
  const cells = (row) => [...row.querySelectorAll("button.only")];
  const row = rows.indexOf(from.closest("tr"));
  const mine = cells(rows[row]);
  const next = step[0] ? cells(rows[row + step[0]] ?? rows[row])[mine.indexOf(from)] ?? cells(rows[row + step[0]] ?? rows[row]).at(-1) : mine[mine.indexOf(from) + step[1]];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function reached(event) {
  const to = event.target.closest("button.only");
  if (!to) return;
  event.currentTarget.querySelectorAll("button.only[tabindex='0']").forEach((each) => each.setAttribute("tabindex", "-1"));
  to.setAttribute("tabindex", "0");
}

/** After drawing: one value of the table is in the order of Tab. */
function reachable() {
  const all = document.querySelectorAll("#report tbody button.only");
  if (all.length && ![...all].some((each) => each.tabIndex === 0)) all[0].setAttribute("tabindex", "0");
}

export function tableTools() {
  const compact = only("density") === "compact";
  const label = compact ? T.table.density.normal : T.table.density.compact;
  return html`${chooserButton()}
    <button class="button ghost" id="density" aria-label=${label} title=${label} @click=${() => change({ density: compact ? null : "compact" }, { keepPlace: true })}>${icon(compact ? "rows" : "rowsClose")}</button>`;
}

export function tableView() {
  const { report } = state;
  const data = report.data?.tab === "table" ? report.data : null;
  const other = instead(data);
  if (other) return other;
  const columns = shown();
  const known = data && columns.every((key) => headerOf(data, key));
  queueMicrotask(reachable);
  return html`<div class="scroll" role="region" tabindex="0" aria-label=${T.table.region} aria-busy=${report.busy}>
      <table id="report" class=${only("density") === "compact" ? "compact" : ""} @keydown=${moved} @focusin=${reached}>
        <caption class="visually-hidden">${T.table.caption(zone())}</caption>
        <thead><tr>${columns.map((key, at) => heading(data, key, at))}</tr></thead>
        <tbody class=${known ? "" : "bones"}>${known
          ? data.rows.map((row) => html`<tr>${columns.map((key, at) => (at === 0
            ? html`<th scope="row" class="first kind-${COLUMNS[key].kind}">${cell(row, key)}</th>`
            : html`<td class="kind-${COLUMNS[key].kind}">${cell(row, key)}</td>`))}</tr>`)
          : bones(columns)}</tbody>
        ${foot(data, columns)}
      </table>
    </div>
    ${pager(data)}`;
}
