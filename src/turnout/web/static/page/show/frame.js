// The page's frame: who and what it is about at the top, the filters, the key figures, and what the tab shows.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { signOut } from "../speak/api.js";
import { change, go, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { changed, state, tab, zone } from "../state.js";
import { icon, mark } from "../icons.js";
import { popover } from "../popover.js";
import { T } from "../texts.js";
import { cards } from "./cards.js";
import { exportDialog, exportButton } from "./exports.js";
import { filterBar } from "./filters.js";
import { groupsView } from "./groups.js";
import { helpDialog, openHelp } from "./help.js";
import { picturesView } from "./pictures.js";
import { signInView } from "./sign_in.js";
import { problemNote } from "./note.js";
import { passingNote, problemView, zeroView } from "./states.js";
import { tableTools, tableView } from "./table.js";
import { resolvedDates } from "./timeframe.js";
import { viewDialog, viewsButton } from "./views.js";

export function signedOutFrame(enter) {
  if (state.phase === "out") return signInView(enter);
  return state.problem ? html`<main class="starting"><h1 class="visually-hidden">${T.app}</h1>${problemView(state.problem)}</main>` : html`<main class="starting" aria-busy="true">${mark()}</main>`;
}

let staying = null;

async function leave() {
  staying = null;
  try {
    await signOut();
  } catch (problem) {
    staying = problem;
    changed();
  }
}

const goTo = (provider) => go(new URLSearchParams({ provider, event_timeframe: only("event_timeframe") ?? "last_30_days" }));

function providers() {
  const all = state.session.providers;
  if (all.length < 2) return html`<span class="provider" dir="auto">${state.provider?.name}</span>`;
  const chosen = (event) => goTo(event.target.value);
  return html`<label class="visually-hidden" for="provider">${T.provider}</label>
    <select id="provider" class="provider" dir="auto" @change=${chosen}>
      ${all.map((each) => html`<option value=${each.id} .selected=${live(each.id === state.provider?.id)}>${each.name}</option>`)}
    </select>`;
}

function menu() {
  const { session } = state;
  return html`<button class="button ghost" popovertarget="menu" id="menu-button" aria-label=${T.more}>${icon("rows")}</button>
    ${popover("menu", T.more, () => html`<div class="menu">
      <button class="menu-item" id="help-item" data-first @click=${() => { document.getElementById("menu").hidePopover(); openHelp(); }}>${icon("keyboard")}${T.help.button}</button>
      <a class="menu-item" href="docs">${icon("table")}${T.signIn.docs}</a>
      <button class="menu-item" @click=${leave}>${icon("out")}${T.signIn.out}</button>
      ${staying ? problemNote(staying, leave) : nothing}
      <p class="quiet small menu-note">${asOf() ? html`${asOf()}<br>` : nothing}${session.instructor_id ? html`${T.scoped}<br>` : nothing}
        ${session.expires_at ? T.until(F.moment(session.expires_at, zone())) : nothing}</p>
    </div>`, { align: "end", opened: () => { staying = null; } })}`;
}

/** Of when the data are. */
function asOf() {
  const { data } = state.report;
  if (!data) return null;
  const given = data.headers.get("X-Data-As-Of");
  return given ? T.asOf(F.moment(given, zone())) : T.live(F.moment(data.loaded ?? new Date(), zone()));
}

function freshness() {
  const words = asOf();
  if (!words) return nothing;
  return html`<span class="fresh"><span>${words}</span>
    <button class="button ghost small" @click=${() => document.dispatchEvent(new Event("turnout:again"))} aria-label=${T.refresh} title=${T.refresh}>${icon("refresh")}</button></span>`;
}

function tabs() {
  const each = (name, sign) => html`<button role="tab" id="tab-${name}" aria-controls="panel" aria-selected=${tab() === name}
    tabindex=${tab() === name ? 0 : -1} @click=${() => change({ tab: name === "table" ? null : name }, { keepPlace: name === "table" })}>${icon(sign)}${T.tabs[name]}</button>`;
  const moved = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...event.currentTarget.querySelectorAll("[role=tab]")];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  };
  return html`<div class="tabs" role="tablist" aria-label=${T.title} @keydown=${moved}>
    ${each("table", "table")}${each("pictures", "chart")}${each("groups", "group")}</div>`;
}

const isZero = () => state.report.data?.total === 0 && state.why.data?.everything === 0;

const top = () => html`<header class="top">
    <div class="brand">${mark()}<span>${T.app}</span></div>
    ${providers()}
    <span class="gap"></span>
    ${freshness()}
    <button id="help-button" class="button ghost wide-only" @click=${openHelp} aria-label=${T.help.button} title="${T.help.button} (?)">${icon("keyboard")}</button>
    ${menu()}
  </header>`;

/** The address is about a studio that the session does not cover: somebody else's address, as a rule. */
const elsewhere = () => html`${top()}<main class="main"><div class="state problem" id="elsewhere">
    <span class="state-sign bad">${icon("warning", 28)}</span>
    <h1>${T.errors.headings.provider_invalid}</h1>
    <p class="quiet">${T.errors.advice.provider_invalid}</p>
    <div class="state-acts">${state.session.providers.map((each) => html`<button class="button" dir="auto" @click=${() => goTo(each.id)}>${each.name}</button>`)}</div>
  </div></main>${helpDialog()}`;

export function frame() {
  if (!state.provider) return elsewhere();
  const panel = { table: tableView, pictures: picturesView, groups: groupsView }[tab()];
  return html`
    <a class="skip" href="#panel" @click=${(event) => { event.preventDefault(); document.getElementById("panel").focus(); }}>${T.skip}</a>
    ${top()}
    <main class="main tab-${tab()}">
      <div class="heading">
        <div class="heading-words"><h1>${T.title}</h1>${resolvedDates()}</div>
        <div class="heading-acts">${viewsButton()}${exportButton()}</div>
      </div>
      ${filterBar()}
      ${isZero() ? zeroView() : html`
        ${cards()}
        <div class="bar">${tabs()}<span class="gap"></span>${tab() === "table" ? tableTools() : nothing}</div>
        <div id="panel" class="panel" role="tabpanel" tabindex="-1" aria-labelledby="tab-${tab()}" aria-busy=${state.report.busy}><div role="status">${passingNote()}</div>${panel()}</div>`}
    </main>
    ${viewDialog()}${exportDialog()}${helpDialog()}
    <div class="visually-hidden" role="status" aria-live="polite">${spoken()}</div>`;
}

function spoken() {
  const { report } = state;
  if (report.problem) return "";
  if (report.busy) return T.table.loading;
  if (report.data) return T.table.loaded(report.data.total);
  return "";
}
