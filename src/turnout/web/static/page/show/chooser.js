// Choosing columns: show, hide, and move by dragging or by buttons.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { change, list } from "../speak/address.js";
import { changed, shown } from "../state.js";
import { COLUMNS, FIRST } from "../columns.js";
import { icon } from "../icons.js";
import { popover } from "../popover.js";
import { T, columnName } from "../texts.js";

let dragged = null;
let over = null;

function set(keys) {
  const same = keys.length === FIRST.length && keys.every((key, at) => key === FIRST[at]);
  change({ columns: same ? null : keys }, { keepPlace: true });
}

function move(key, to) {
  const keys = shown().filter((each) => each !== key);
  keys.splice(Math.max(0, Math.min(to, keys.length)), 0, key);
  set(keys);
}

function dropped(event) {
  event.preventDefault();
  if (dragged !== null && over !== null) move(dragged, shown().indexOf(over));
  dragged = over = null;
  changed();
}

function shownItem(key, at, all) {
  const name = columnName(key);
  return html`<li class="column ${over === key && dragged !== key ? "over" : ""}" draggable="true"
    @dragstart=${(event) => { dragged = key; event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", name); }}
    @dragover=${(event) => { event.preventDefault(); if (over !== key) { over = key; changed(); } }}
    @drop=${dropped} @dragend=${() => { dragged = over = null; changed(); }}>
    <span class="grip">${icon("grip")}</span>
    <label><input type="checkbox" .checked=${live(true)} ?disabled=${all.length === 1} @change=${() => set(all.filter((each) => each !== key))}>${name}</label>
    <button class="button ghost small" aria-label=${T.chooser.up(name)} aria-disabled=${at === 0} @click=${() => at > 0 && move(key, at - 1)}>${icon("up", 14)}</button>
    <button class="button ghost small" aria-label=${T.chooser.down(name)} aria-disabled=${at === all.length - 1} @click=${() => at < all.length - 1 && move(key, at + 1)}>${icon("down", 14)}</button>
  </li>`;
}

export function chooserButton() {
  const all = shown();
  const others = Object.keys(COLUMNS).filter((key) => !all.includes(key));
  const content = () => html`<div class="chooser">
    <div class="picker-head"><h2>${T.chooser.heading}</h2><span class="gap"></span>
      ${list("columns").length ? html`<button class="link" id="reset-columns" @click=${() => change({ columns: null }, { keepPlace: true })}>${T.chooser.reset}</button>` : nothing}</div>
    <p class="quiet small picker-note">${T.chooser.hint}</p>
    <ul class="column-list">${repeat(all, (key) => key, (key, at) => shownItem(key, at, all))}</ul>
    <h3>${T.chooser.others}</h3>
    <ul class="column-list others">${repeat(others, (key) => key, (key) => html`<li class="column"><label><input type="checkbox" .checked=${live(false)} @change=${() => set([...all, key])}>${columnName(key)}</label></li>`)}</ul>
  </div>`;
  return html`<button id="chooser-button" class="button ghost" popovertarget="chooser">${icon("columns")}<span>${T.table.columns}</span></button>
    ${popover("chooser", T.chooser.heading, content, { align: "end" })}`;
}
