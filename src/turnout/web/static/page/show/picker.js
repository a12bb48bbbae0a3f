// A picker: which values a filter could be set to, with how many attendances each has under all the other filters.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { VALUES, ask, over } from "../speak/api.js";
import { change, list } from "../speak/address.js";
import * as F from "../speak/format.js";
import { Piece, changed, named, narrowed, state, toggle } from "../state.js";
import { LOOK_UPS } from "../catalogue.js";
import { TAKES_NONE } from "../columns.js";
import { icon, statusIcon } from "../icons.js";
import { popover, settle } from "../popover.js";
import { T, choice, valueWords } from "../texts.js";
import { problemNote } from "./note.js";

function pickerOf(filter) {
  const { pickers } = state;
  if (!pickers.has(filter)) pickers.set(filter, { search: "", values: new Piece(), late: null });
  return pickers.get(filter);
}

/** Load anew what the open picker shows: other filters may have changed. */
function loadValues(filter) {
  const picker = pickerOf(filter);
  const parameters = over(narrowed(), { of: filter, search: picker.search || null, limit: "50" });
  return picker.values.load(`${state.provider.id} ${parameters}`, async (signal) => {
    const { json } = await ask(VALUES, { parameters, signal });
    json.values.forEach((each) => named(filter, each.value, each.label));
    return json;
  }).then(settle);
}

function searched(filter, event) {
  const picker = pickerOf(filter);
  picker.search = event.target.value;
  clearTimeout(picker.late);
  picker.late = setTimeout(() => loadValues(filter), 150);
}

/** What people call a value; one that the filter does not take, as it is. */
export function labelOf(filter, value, label) {
  const { kind, choices } = LOOK_UPS[filter] ?? {};
  if (kind === "hour" ? isHour(value) : kind && choices.includes(value)) return valueWords(kind, value);
  return label ?? (state.names.get(`${filter} ${value}`) || choice(String(value)));
}

const isHour = (value) => /^0*(1?\d|2[0-3])$/.test(value);

/** The most frequent first, as they come; but parts of a time in their own order. */
function inOrder(filter, values) {
  const { kind } = LOOK_UPS[filter];
  if (!kind) return values;
  const order = kind === "weekday" ? F.week(state.provider.week_start) : Array.from({ length: 24 }, (_, hour) => hour);
  return [...values].sort((a, b) => order.indexOf(a.value) - order.indexOf(b.value));
}

function option(filter, value, label, count, chosen) {
  const ticked = chosen.includes(String(value));
  return html`<li><label class="option">
    <input type="checkbox" .checked=${live(ticked)} @change=${() => { toggle(filter, String(value)); loadValues(filter); }}>
    ${filter === "status" ? statusIcon(value) : nothing}<span class="option-name" dir="auto">${label}</span>
    <span class="option-count">${count === null ? "" : F.count(count)}</span></label></li>`;
}

function content(filter) {
  const picker = pickerOf(filter);
  const { data, problem } = picker.values;
  const chosen = list(filter);
  const name = T.filters.names[filter];
  const listed = inOrder(filter, data?.values ?? []);
  const missing = !picker.search && TAKES_NONE.has(filter) && (data?.missing || chosen.includes("none"));
  const apart = chosen.filter((value) => value !== "none" && !listed.some((each) => String(each.value) === value));
  const searchable = filter === "customers" || picker.search || ((data?.total ?? 0) > 8 && !LOOK_UPS[filter].kind);
  return html`<div class="picker">
    <div class="picker-head">
      <h2>${name}</h2><span class="gap"></span>
      ${chosen.length ? html`<button class="link" @click=${() => { change({ [filter]: null }); loadValues(filter); }}>${T.filters.clearOne}</button>` : nothing}
    </div>
    ${searchable ? html`<div class="search">${icon("search")}<input type="search" data-first aria-label=${T.filters.search(name)} placeholder=${T.filters.search(name)}
      .value=${live(picker.search)} @input=${(event) => searched(filter, event)}></div>` : nothing}
    ${problem ? problemNote(problem, () => loadValues(filter)) : nothing}
    <ul class="options" aria-label=${name} aria-busy=${picker.values.busy}>
      ${picker.search ? nothing : apart.map((value) => option(filter, value, labelOf(filter, value), data ? 0 : null, chosen))}
      ${listed.map((each) => option(filter, each.value, labelOf(filter, each.value, each.label), each.count, chosen))}
      ${missing ? option(filter, "none", T.choices.none, data?.missing ?? 0, chosen) : nothing}
      ${data ? nothing : [1, 2, 3, 4].map(() => html`<li class="option"><span class="bone"></span></li>`)}
    </ul>
    ${data && !listed.length && !missing && !apart.length ? html`<p class="quiet small picker-note">${T.filters.nothing}</p>` : nothing}
    ${data && data.total > listed.length ? html`<p class="quiet small picker-note">${T.filters.some(listed.length, data.total)}</p>` : nothing}
  </div>`;
}

export function pickerButton(filter) {
  const chosen = list(filter);
  const id = `picker-${filter}`;
  const opened = () => {
    pickerOf(filter).search = "";
    loadValues(filter);
    changed();
  };
  return html`<button id="${id}-button" class="button ${chosen.length ? "on" : ""}" popovertarget=${id}>
      <span>${T.filters.names[filter]}</span>${chosen.length ? html`<span class="badge">${chosen.length}</span>` : nothing}${icon("chevron", 12)}</button>
    ${popover(id, T.filters.names[filter], () => content(filter), { opened })}`;
}

