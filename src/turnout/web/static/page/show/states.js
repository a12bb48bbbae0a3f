// What is shown where there is nothing to show: errors with what to do, emptiness with its cause, a store without data.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { REPORT, ask, over } from "../speak/api.js";
import { change, current, filters, go, list, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { narrowed, state } from "../state.js";
import { icon } from "../icons.js";
import { T } from "../texts.js";
import { clear, nameOf } from "./filters.js";
import { labelOf } from "./picker.js";
import { timeframeName } from "./timeframe.js";

const again = () => document.dispatchEvent(new Event("turnout:again"));

/** A short note where a part could not be loaded. */
export function problemNote(problem, retry) {
  return html`<p class="note bad" role="alert">${icon("warning")}<span>${T.errors.headings[problem.code] ?? T.errors.part}</span>
    <button class="link" @click=${retry}>${T.errors.retry}</button></p>`;
}

function wrongParameters(problem) {
  const present = new Set([...current().keys()]);
  return [...new Set(problem.faults.map(([name]) => name))].filter((name) => name && (present.has(name) || present.has(`${name}[]`)));
}

export function problemView(problem) {
  const heading = T.errors.headings[problem.code] ?? T.errors.headings.other;
  const advice = T.errors.advice[problem.code] ?? T.errors.advice.other;
  return html`<div class="state problem" role="alert">
    <span class="state-sign bad">${icon("warning", 28)}</span>
    <h2>${heading}</h2>
    ${problem.faults?.length
      ? html`<ul class="faults">${problem.faults.map(([name, said]) => html`<li>${name ? html`<code>${name}</code> ` : nothing}${said}</li>`)}</ul>`
      : problem.code === "offline" ? nothing : html`<p>${problem.message}</p>`}
    <p class="quiet">${advice} ${problem.retryAfter ? T.errors.waiting(problem.retryAfter) : nothing}</p>
    <div class="state-acts">
      ${problem.code === "parameter_invalid"
        ? html`${wrongParameters(problem).map((name) => html`<button class="button primary" @click=${() => change({ [name]: null })}>${T.errors.dropParameter(name)}</button>`)}
          <button class="button" @click=${() => go(new URLSearchParams({ event_timeframe: "last_30_days" }))}>${T.errors.reset}</button>`
        : html`<button class="button primary" @click=${again}>${icon("refresh")}${T.errors.retry}</button>`}
    </div></div>`;
}

/** How many there would be without each filter, and all in all. */
function lookForCause() {
  const names = [...new Set([...filters().keys()].map((name) => name.replace(/\[\]$/, "")))].filter((name) => name !== "include_future");
  const total = async (parameters, signal) => (await ask(REPORT, { parameters: over(parameters, { limit: "0", columns: "customer.id" }), signal })).json.total;
  return state.why.load(`${state.provider.id} ${narrowed()}`, async (signal) => {
    const without = names.map(async (name) => ({ name, total: await total(over(narrowed(), { [name]: null }), signal) }));
    const future = only("include_future") === "true" ? Promise.resolve(0) : total(over(narrowed(), { include_future: "true" }), signal);
    const everything = total(new URLSearchParams({ include_future: "true" }), signal);
    const found = (await Promise.all(without)).sort((a, b) => b.total - a.total);
    return { found, future: await future, everything: await everything };
  });
}

function worded(name) {
  if (name === "event_timeframe") return timeframeName(only(name));
  return `${nameOf(name)}: ${F.listed(list(name).map((value) => labelOf(name, value)))}`;
}

export function emptyView() {
  lookForCause();
  const { data, problem } = state.why;
  const culprit = data?.found[0]?.total ? data.found[0] : null;
  const drop = () => change({ [culprit.name]: culprit.name === "event_timeframe" ? "all_time" : null });
  return html`<div class="state" id="empty">
    <span class="state-sign">${icon("filter", 28)}</span>
    <h2>${T.empty.heading}</h2>
    ${problem ? problemNote(problem, lookForCause) : nothing}
    ${!data ? (problem ? nothing : html`<p class="quiet">${T.empty.looking}</p>`)
      : html`${culprit ? html`<p dir="auto">${T.empty.culprit(worded(culprit.name), culprit.total)}</p>` : html`<p>${T.empty.each}</p>`}
        ${data.future ? html`<p class="quiet">${T.empty.future}</p>` : nothing}
        <div class="state-acts">
          ${culprit ? html`<button class="button primary" @click=${drop}>${T.empty.drop(nameOf(culprit.name).toLowerCase())}</button>` : nothing}
          ${data.future ? html`<button class="button" @click=${() => change({ include_future: "true" })}>${T.empty.include(data.future)}</button>` : nothing}
          <button class="button" @click=${clear}>${T.empty.clear}</button>
        </div>`}
  </div>`;
}

export function zeroView() {
  return html`<div class="panel" id="panel" tabindex="-1"><div class="state" id="zero">
    <span class="state-sign">${icon("download", 28)}</span>
    <h2>${T.zero.heading}</h2>
    <p>${T.zero.text}</p>
    <dl class="commands">${T.zero.commands(state.provider.id).map(([what, command]) => html`<dt>${what}</dt><dd><code>${command}</code></dd>`)}</dl>
    <p class="quiet">${T.zero.after}</p>
    <div class="state-acts"><button class="button primary" @click=${() => { state.why.forget(); again(); }}>${icon("refresh")}${T.zero.reload}</button></div>
  </div></div>`;
}
