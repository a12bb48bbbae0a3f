// Drawings, by Observable Plot. Only this module knows it; it is loaded when the first picture is shown.

import "../vendor/d3/d3.min.js";
import "../vendor/plot/plot.umd.min.js";
import * as F from "../speak/format.js";
import * as P from "../speak/periods.js";
import { STATUSES } from "../columns.js";
import { T, choice } from "../texts.js";

const { Plot } = globalThis;
const COLOURS = { domain: STATUSES, range: STATUSES.map((status) => `var(--${status})`) };

/** A drawing without the style element that Plot puts in it: the page's policy forbids those, and its own style has the rules. */
function drawn(options, label) {
  const svg = Plot.plot({ className: "plot", style: null, marginTop: 12, ...options });
  svg.querySelectorAll("style").forEach((style) => style.remove());
  // The drawing is one picture to those who hear it; the names of its parts are for us.
  for (const part of svg.querySelectorAll("[aria-label]")) {
    part.dataset.mark = part.getAttribute("aria-label");
    part.removeAttribute("aria-label");
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
}

/** Let the marks of one kind, those drawn last, be pressed: `chosen` gets the datum. */
function pressed(svg, mark, data, chosen) {
  for (const shape of [...svg.querySelectorAll(`[data-mark="${mark}"]`)].at(-1)?.children ?? []) {
    const datum = data[shape.__data__];
    if (!datum) continue;
    shape.classList.add("pressable");
    shape.addEventListener("click", () => chosen(datum));
  }
  return svg;
}

/** How much room the name of a period takes on an axis. */
const ROOM = { day: 48, week: 48, month: 62, year: 40 };
const LEFT = 44;

/** Stacked bars of a unit: rows of {period, status, count}. */
export function timeDrawing({ unit, periods, rows }, width, label, chosen) {
  const step = Math.ceil((periods.length * ROOM[unit]) / (width - LEFT - 20));
  const padding = periods.length < 4 ? 0.6 : periods.length < 40 ? 0.3 : 0.15;
  const svg = drawn({
    width,
    height: 250,
    marginLeft: LEFT,
    marginBottom: 30,
    x: {
      type: "band",
      domain: periods,
      label: null,
      ticks: periods.filter((_, at) => (periods.length - 1 - at) % step === 0),
      tickFormat: (name) => P.tick(name, unit, periods.length > 7),
      tickSize: 0,
      tickPadding: 8,
      padding,
    },
    y: { grid: true, label: null, tickFormat: F.short, ticks: 5, tickSize: 0, nice: true },
    color: COLOURS,
    marks: [
      Plot.barY(rows, {
        x: "period",
        y: "count",
        fill: "status",
        order: STATUSES,
        title: (d) => T.pictures.bar(P.period(d.period, unit), choice(d.status), d.count),
        insetBottom: 1,
      }),
      Plot.ruleY([0], { stroke: "var(--line-strong)" }),
    ],
  }, label);
  return pressed(svg, "bar", rows, chosen);
}

/** Squares of a week: cells of {day, hour, count}. */
export function heatDrawing({ cells, days, hours }, width, label, chosen) {
  const most = Math.max(1, ...cells.map((each) => each.count));
  const svg = drawn({
    width,
    height: 7 * 30 + 40,
    marginLeft: 44,
    marginBottom: 28,
    marginRight: 4,
    x: { type: "band", domain: hours, label: null, tickSize: 0, tickPadding: 6, padding: 0.08, tickFormat: (hour) => (hour % 3 && width / hours.length < 10 * F.shortHour(hour).length ? "" : F.shortHour(hour)) },
    y: { type: "band", domain: days, label: null, tickSize: 0, tickFormat: F.weekday, padding: 0.1 },
    opacity: { domain: [0, most], range: [0, 1] },
    marks: [
      Plot.cell(days.flatMap((day) => hours.map((hour) => ({ day, hour }))), { x: "hour", y: "day", fill: "var(--sunk)", rx: 3 }),
      Plot.cell(cells, {
        x: "hour",
        y: "day",
        fill: "var(--heat)",
        fillOpacity: (d) => 0.08 * most + 0.92 * d.count,
        rx: 3,
        title: (d) => T.pictures.cell(F.longWeekday(d.day), F.hour(d.hour), d.count),
      }),
    ],
  }, label);
  return pressed(svg, "cell", cells, chosen);
}

/** Bars lying: rows of {name, status or nothing, count}. */
export function barsDrawing(rows, width, label, { stacked = false, chosen = null } = {}) {
  const names = [...new Set(rows.map((row) => row.name))];
  const longest = Math.max(...names.map((name) => name.length));
  const left = Math.min(width * 0.4, 24 + longest * 6.6);
  const fits = Math.floor((left - 16) / 6.6);
  const svg = drawn({
    width,
    height: names.length * 30 + 34,
    marginLeft: left,
    marginRight: 48,
    marginBottom: 26,
    x: { grid: true, label: null, tickFormat: F.short, ticks: width < 500 ? 3 : 5, tickSize: 0 },
    y: { type: "band", domain: names, label: null, tickSize: 0, tickPadding: 8, tickFormat: (name) => (name.length > fits ? `${name.slice(0, fits - 1)}…` : name), padding: 0.25 },
    color: COLOURS,
    marks: [
      Plot.barX(rows, { x: "count", y: "name", fill: stacked ? "status" : "var(--accent)", order: stacked ? STATUSES : null, rx: stacked ? 0 : 2, insetRight: stacked ? 1 : 0, title: (d) => `${d.name}${d.status ? `, ${choice(d.status)}` : ""}: ${F.count(d.count)}` }),
      stacked ? null : Plot.text(rows, { x: "count", y: "name", text: (d) => F.count(d.count), textAnchor: "start", dx: 6, fill: "var(--ink)" }),
      Plot.ruleX([0], { stroke: "var(--line-strong)" }),
    ],
  }, label);
  return chosen ? pressed(svg, "bar", rows, chosen) : svg;
}
