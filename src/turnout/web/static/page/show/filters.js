// The filter bar: the timeframe, pickers, and a chip for each filter that is set.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { change, filterNames, list, only } from "../speak/address.js";
import { changed, learnNames } from "../state.js";
import { LOOK_UPS } from "../catalogue.js";
import { IN_SIGHT, PICKERS } from "../columns.js";
import { icon, statusIcon } from "../icons.js";
import { T } from "../texts.js";
import { labelOf, pickerButton } from "./picker.js";
import { timeframeButton } from "./timeframe.js";

let unfolded = false;
const NEITHER = new Set(["event_timeframe", "include_future"]);

/** All that narrows the report besides the timeframe: parameter, value, and what people call it. */
export function active() {
  return filterNames()
    .filter((name) => !NEITHER.has(name))
    .flatMap((name) => {
      const values = list(name);
      if (!PICKERS.includes(name)) return [{ name, value: null, label: values.map((value) => labelOf(name, value)).join(", ") }];
      learnNames(name, LOOK_UPS[name].named ? values : []);
      return values.map((value) => ({ name, value, label: labelOf(name, value) }));
    });
}

export const nameOf = (name) => T.filters.names[name] ?? name;

export function drop({ name, value }) {
  change({ [name]: value === null ? null : list(name).filter((each) => each !== value) });
}

/** All filters go; the timeframe stays, and so do looks. */
export function clear() {
  const names = filterNames().filter((name) => name !== "event_timeframe");
  change(Object.fromEntries(names.map((name) => [name, null])));
}

function chip(each) {
  const words = `${nameOf(each.name)}: ${each.label}`;
  return html`<li class="chip">${each.name === "status" ? statusIcon(each.value) : nothing}
    <span class="chip-name">${nameOf(each.name)}</span><span class="chip-value" dir="auto">${each.label || "…"}</span>
    <button aria-label=${T.filters.remove(words)} title=${T.filters.remove(words)} @click=${() => drop(each)}>${icon("close", 12)}</button></li>`;
}

export function filterBar() {
  const set = active();
  const far = PICKERS.slice(IN_SIGHT).filter((name) => !list(name).length);
  const near = PICKERS.filter((name) => !far.includes(name));
  const unfold = () => {
    unfolded = !unfolded;
    changed();
  };
  return html`<section class="filters" aria-label=${T.filters.region}>
    <div class="filter-buttons">
      ${timeframeButton()}<span class="rule" aria-hidden="true"></span>
      ${PICKERS.map((name) => html`<span class=${unfolded || near.includes(name) ? "filter" : "filter far"}>${pickerButton(name)}</span>`)}
      <button id="more-filters" class="button ghost" aria-expanded=${unfolded} @click=${unfold}>${icon("filter")}<span>${T.filters.add}</span></button>
    </div>
    ${set.length || only("include_future") === "true"
      ? html`<ul class="chips">${set.map(chip)}
        ${only("include_future") === "true" ? chip({ name: "include_future", value: null, label: T.timeframe.ahead }) : nothing}
        <li><button class="link" id="clear-filters" @click=${clear}>${T.filters.clear}</button></li></ul>`
      : nothing}
  </section>`;
}

