// Choosing when: presets first, then days of one's own; what they come to is always in sight.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { change, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { period } from "../speak/periods.js";
import { changed, state, zone } from "../state.js";
import { icon } from "../icons.js";
import { close, popover } from "../popover.js";
import { T } from "../texts.js";

const known = new Map(T.timeframe.presets);
const RANGE = /^(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?$/;
let wrong = false;

export function timeframeName(given) {
  if (!given) return T.timeframe.none;
  if (known.has(given)) return known.get(given);
  const range = RANGE.exec(given);
  if (range) return dates(range[1], range[2]);
  return /^\d{4}/.test(given) ? period(given) : given.replaceAll("_", " ");
}

function dates(first, last) {
  if (first && last) return first === last ? F.day(first) : F.dayRange(first, last);
  if (!first && !last) return T.timeframe.none;
  return `${first ? F.day(first) : T.timeframe.open} – ${last ? F.day(last) : T.timeframe.open}`;
}

/** The days that the timeframe came to, and the zone. */
export function resolvedDates() {
  const { data, failed } = state.report;
  const known = failed ? null : (data ?? state.figures.data);
  const timeframe = known?.timeframe;
  const ahead = only("include_future") === "true";
  const words = timeframe ? dates(timeframe.first, ahead ? timeframe.whole : timeframe.last) : known ? T.timeframe.none : T.timeframe.open;
  // Unseen until it is known: it takes its room, and nothing in sight is moved when it comes.
  const coming = !known && !failed;
  return html`<p class="resolved ${coming ? "coming" : ""}"><bdi id="resolved">${coming ? html`<span class="bone"></span>` : words}</bdi>${ahead ? html` <span>${T.timeframe.ahead}</span>` : nothing}
    <span class="dot" aria-hidden="true">·</span> <span class="zone">${T.zone(zone())}</span></p>`;
}

const choose = (name) => {
  close("timeframe");
  change({ event_timeframe: name, event_start_gte: null, event_start_lte: null });
};

function custom(event) {
  event.preventDefault();
  const { from, to } = event.target.elements;
  wrong = Boolean(from.value && to.value && from.value > to.value);
  if (wrong) return changed();
  choose(from.value || to.value ? `${from.value}..${to.value}` : "all_time");
}

export function timeframeButton() {
  const given = only("event_timeframe");
  const timeframe = state.report.data?.timeframe;
  const now = given ?? "all_time";
  const content = () => html`<div class="timeframe">
    <div class="presets" role="group" aria-label=${T.timeframe.label}>
      ${T.timeframe.presets.map(([name, label]) => html`<button class="preset" ?data-first=${name === now} aria-pressed=${name === now}
        @click=${() => choose(name)}>${label}</button>`)}
    </div>
    <form class="custom" @submit=${custom}>
      <h2>${T.timeframe.custom}</h2>
      <label>${T.timeframe.from}<input type="date" name="from" .value=${timeframe?.first ?? ""}></label>
      <label>${T.timeframe.to}<input type="date" name="to" .value=${timeframe?.last ?? ""}></label>
      ${wrong ? html`<p class="note bad small" role="alert">${T.timeframe.wrong}</p>` : nothing}
      <button class="button primary">${T.timeframe.apply}</button>
      <label class="check"><input type="checkbox" .checked=${only("include_future") === "true"}
        @change=${(event) => change({ include_future: event.target.checked ? "true" : null })}>${T.timeframe.future}</label>
      <p class="quiet small">${T.zone(zone())}</p>
    </form></div>`;
  return html`<button id="timeframe-button" class="button" popovertarget="timeframe">${icon("calendar")}<span>${timeframeName(given)}</span>${icon("chevron", 12)}</button>
    ${popover("timeframe", T.timeframe.label, content, { opened: () => { wrong = false; } })}`;
}
