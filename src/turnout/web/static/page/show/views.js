// Saved views: the address under a name, for oneself or for all.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { VIEWS, ask } from "../speak/api.js";
import { change, current, go, only, viewState } from "../speak/address.js";
import { changed, state } from "../state.js";
import { icon } from "../icons.js";
import { close, popover } from "../popover.js";
import { T } from "../texts.js";
import { dialogHead } from "./help.js";
import { faultLine, problemNote } from "./note.js";

const START = "event_timeframe=last_30_days";
let edited = null;
let problem = null;

const dialog = () => document.getElementById("view");

export function loadViews({ again = false } = {}) {
  return state.views.load(`${state.provider.id}`, async (signal) => (await ask(VIEWS, { signal })).json, { again });
}

/** Whether the address says nothing but who it is about. */
export function isBare() {
  return [...current().keys()].every((name) => name === "provider");
}

/** The default view, or the last thirty days. */
export function openDefault() {
  const preferred = state.views.data?.find((view) => view.default);
  open(preferred ?? { id: null, state: START }, true);
}

function open(view, replace = false) {
  const parameters = new URLSearchParams(view.state);
  if (view.id !== null) parameters.set("view", view.id);
  if (only("provider")) parameters.set("provider", only("provider"));
  close("views");
  go(parameters, { replace });
}

const chosen = () => state.views.data?.find((view) => String(view.id) === only("view")) ?? null;
const normal = (text) => viewState(new URLSearchParams(text));
const unsaved = (view) => normal(view.state) !== viewState();

function edit(view) {
  close("views");
  edited = view ?? { id: null, name: "", shared: false, default: false };
  problem = null;
  changed();
  queueMicrotask(() => dialog().showModal());
}

async function send(path, method, body) {
  const { json } = await ask(path, { method, body });
  await loadViews({ again: true });
  return json;
}

async function saveChanges(view) {
  try {
    await send(`${VIEWS}/${view.id}`, "PATCH", { state: viewState() });
    close("views");
  } catch (error) {
    problem = error;
  }
  changed();
}

async function submitted(event) {
  event.preventDefault();
  const { name, shared, preferred } = event.target.elements;
  const given = { name: name.value.trim(), shared: shared.checked, default: preferred.checked };
  try {
    if (edited.id === null) {
      const made = await send(VIEWS, "POST", { ...given, state: viewState() });
      change({ view: made.id }, { keepPlace: true });
    } else await send(`${VIEWS}/${edited.id}`, "PATCH", given);
    dialog().close();
  } catch (error) {
    problem = error;
  }
  changed();
}

async function remove() {
  if (!window.confirm(T.views.removeSure(edited.name))) return;
  try {
    await send(`${VIEWS}/${edited.id}`, "DELETE");
    if (only("view") === String(edited.id)) change({ view: null }, { keepPlace: true });
    dialog().close();
  } catch (error) {
    problem = error;
  }
  changed();
}

const item = (view) => html`<li class="view ${String(view.id) === only("view") ? "on" : ""}">
  <button class="menu-item" dir="auto" aria-current=${String(view.id) === only("view") ? "true" : nothing} @click=${() => open(view)}>${icon("bookmark")}<span class="view-name">${view.name}</span>
    ${view.shared ? html`<span class="tag">${T.views.sharedMark}</span>` : nothing}${view.default ? html`<span class="tag">${T.views.defaultMark}</span>` : nothing}</button>
  ${view.mine ? html`<button class="button ghost small" aria-label=${T.views.edit(view.name)} title=${T.views.edit(view.name)} @click=${() => edit(view)}>${icon("edit")}</button>` : nothing}</li>`;

function listed(heading, views) {
  return views.length ? html`<h3>${heading}</h3><ul class="view-list">${views.map(item)}</ul>` : nothing;
}

function opened() {
  problem = null;
  loadViews({ again: true });
}

export function viewsButton() {
  const { data, problem: failed } = state.views;
  const view = chosen();
  const dirty = view && unsaved(view);
  const content = () => html`<div class="views"><h2 class="visually-hidden">${T.views.heading}</h2>
    ${failed ? problemNote(failed, () => loadViews({ again: true })) : nothing}
    ${data && !data.length ? html`<p class="quiet small picker-note">${T.views.none}</p>` : nothing}
    ${data ? html`${listed(T.views.mine, data.filter((each) => each.mine))}${listed(T.views.others, data.filter((each) => !each.mine))}` : nothing}
    ${problem && !edited ? faultLine(problem) : nothing}
    <div class="view-acts">
      ${dirty && view.mine ? html`<button class="button primary" id="save-view" @click=${() => saveChanges(view)}>${T.views.save}</button>` : nothing}
      ${dirty ? html`<button class="button" @click=${() => open(view)}>${T.views.revert}</button>` : nothing}
      <button class="button" id="new-view" data-first @click=${() => edit(null)}>${T.views.saveAs}</button>
    </div></div>`;
  return html`<button id="views-button" class="button" popovertarget="views">${icon("bookmark")}<span class="view-title" dir="auto">${view?.name ?? T.views.button}</span>
      ${dirty ? html`<span class="unsaved" id="unsaved">${T.views.unsaved}</span>` : nothing}${icon("chevron", 12)}</button>
    ${popover("views", T.views.heading, content, { align: "end", opened })}`;
}

export function viewDialog() {
  const view = edited;
  return html`<dialog id="view" aria-labelledby="view-heading" @close=${() => { edited = null; changed(); }}>
    ${dialogHead("view", view?.id ? T.views.headingEdit : T.views.headingNew, T.views.keep)}
    ${view ? html`<form @submit=${submitted}>
      ${problem ? faultLine(problem) : nothing}
      <label class="field">${T.views.name}<input name="name" required maxlength="100" autofocus .value=${view.name} dir="auto"></label>
      <label class="check"><input type="checkbox" name="shared" .checked=${view.shared}>${T.views.shared}</label>
      <label class="check"><input type="checkbox" name="preferred" .checked=${view.default}>${T.views.default}</label>
      <div class="dialog-acts">${view.id ? html`<button type="button" class="button bad" id="remove-view" @click=${remove}>${T.views.remove}</button><span class="gap"></span>` : nothing}
        <button type="button" class="button" @click=${() => dialog().close()}>${T.views.keep}</button>
        <button class="button primary">${view.id ? T.views.update : T.views.create}</button></div>
    </form>` : nothing}
  </dialog>`;
}
