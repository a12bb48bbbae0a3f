// The page's signs: drawn on a grid of 16, in the colour of their text, and never without a word beside them or on them.

import { svg, html } from "./vendor/lit-html/lit-html.js";

const PATHS = {
  attended: svg`<path d="M3 8.5l3.2 3.2L13 4.8"/>`,
  registered: svg`<circle cx="8" cy="8" r="4.6"/>`,
  late_cancelled: svg`<circle cx="8" cy="8" r="5.4"/><path d="M8 5v3.3l2 1.4"/>`,
  no_show: svg`<path d="M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6"/>`,
  all: svg`<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h7"/>`,
  calendar: svg`<rect x="2.5" y="3.5" width="11" height="10" rx="1.5"/><path d="M2.5 6.8h11M5.5 2v3M10.5 2v3"/>`,
  chevron: svg`<path d="M4.5 6.5L8 10l3.5-3.5"/>`,
  left: svg`<path d="M9.5 4L5.5 8l4 4"/>`,
  right: svg`<path d="M6.5 4l4 4-4 4"/>`,
  first: svg`<path d="M11.5 4l-4 4 4 4M4.5 4v8"/>`,
  up: svg`<path d="M8 12.5V4M4.5 7L8 3.5 11.5 7"/>`,
  down: svg`<path d="M8 3.5V12M4.5 9L8 12.5 11.5 9"/>`,
  sortable: svg`<path d="M5 6l3-3 3 3M5 10l3 3 3-3"/>`,
  close: svg`<path d="M4.5 4.5l7 7M11.5 4.5l-7 7"/>`,
  columns: svg`<rect x="2.5" y="3" width="11" height="10" rx="1.5"/><path d="M6.2 3v10M9.8 3v10"/>`,
  rows: svg`<path d="M2.5 4h11M2.5 8h11M2.5 12h11"/>`,
  rowsClose: svg`<path d="M2.5 3.5h11M2.5 6.5h11M2.5 9.5h11M2.5 12.5h11"/>`,
  filter: svg`<path d="M2.5 4h11M4.8 8h6.4M6.8 12h2.4"/>`,
  download: svg`<path d="M8 2.5v7.6M4.6 7L8 10.3 11.4 7M3 13.3h10"/>`,
  bookmark: svg`<path d="M4.5 2.5h7v11L8 10.6l-3.5 2.9z"/>`,
  grip: svg`<path d="M6 4.2v.1M10 4.2v.1M6 8v.1M10 8v.1M6 11.8v.1M10 11.8v.1"/>`,
  check: svg`<path d="M3.5 8.4l3 3 6-6.6"/>`,
  search: svg`<circle cx="7" cy="7" r="4.2"/><path d="M10.2 10.2l3.3 3.3"/>`,
  refresh: svg`<path d="M13 8a5 5 0 1 1-1.5-3.6M13 2.5v2.6h-2.6"/>`,
  keyboard: svg`<rect x="1.5" y="4" width="13" height="8.5" rx="1.5"/><path d="M4.5 6.8v.1M7 6.8v.1M9.5 6.8v.1M12 6.8v.1M5 9.8h6"/>`,
  out: svg`<path d="M6.5 3H4a1 1 0 0 0-1 1v8a1 1 0 0 0 1 1h2.5M10 5l3 3-3 3M13 8H6.5"/>`,
  edit: svg`<path d="M3.5 12.5l.6-2.6L10.6 3.4l2 2-6.5 6.5z"/>`,
  warning: svg`<path d="M8 2.8l6 10.4H2zM8 6.6v3M8 11.4v.1"/>`,
  table: svg`<rect x="2.5" y="3" width="11" height="10" rx="1.5"/><path d="M2.5 6.5h11M6.5 6.5V13"/>`,
  chart: svg`<path d="M3 13V8.5M8 13V3.5M13 13V6"/>`,
  group: svg`<path d="M3 4h4M3 8h7M3 12h10"/>`,
};

export function icon(name, size = 16) {
  return html`<svg class="icon" viewBox="0 0 16 16" width=${size} height=${size} fill="none" stroke="currentColor"
    stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${PATHS[name]}</svg>`;
}

/** Turnout's own sign. */
export const mark = () => html`<svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
  <rect width="32" height="32" rx="7" class="mark-ground"/>
  <path d="M7 22V17M13 22V13M19 22V15M25 22v-3" class="mark-bars"/>
  <path d="M21 12.2l2 2 3.4-5" class="mark-tick"/></svg>`;

/** A status's sign, in its colour. */
export const statusIcon = (status) => html`<span class="status-sign ${status}">${icon(status)}</span>`;
