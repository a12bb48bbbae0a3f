// What is shown where there is nothing to show: errors with what to do, emptiness with its cause, a store without data.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { change, current, go, list, only } from "../speak/address.js";
import * as F from "../speak/format.js";
import { state, zone } from "../state.js";
import { icon } from "../icons.js";
import { T } from "../texts.js";
import { clear, nameOf } from "./filters.js";
import { problemNote } from "./note.js";
import { labelOf } from "./picker.js";
import { timeframeName } from "./timeframe.js";

const again = () => document.dispatchEvent(new Event("turnout:again"));

/** What takes the place of a tab's content, an error or why there is nothing; null where there is something to show. */
export function instead(data = state.report.data) {
  const { report } = state;
  if (report.problem && !(data && report.problem.passing)) return problemView(report.problem);
  return data?.total === 0 && !report.busy ? emptyView() : null;
}

/** That what is in sight is of before, since the server cannot be asked at the moment. */
export function passingNote() {
  const { data, failed, problem } = state.report;
  if (!data || !problem || failed) return nothing;
  const words = T.errors.older(T.errors.headings[problem.code] ?? T.errors.headings.other, F.moment(data.loaded, zone()));
  return html`<p class="note bad" id="older">${icon("warning")}<span>${words}</span><button class="link" @click=${again}>${T.errors.retry}</button></p>`;
}

function wrongParameters(problem) {
  const present = new Set([...current().keys()]);
  return [...new Set(problem.faults.map(([name]) => name))].filter((name) => name && (present.has(name) || present.has(`${name}[]`)));
}

function anew() {
  const parameters = new URLSearchParams({ event_timeframe: "last_30_days" });
  if (only("provider")) parameters.set("provider", only("provider"));
  go(parameters);
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
          <button class="button" @click=${anew}>${T.errors.reset}</button>`
        : html`<button class="button primary" @click=${again}>${icon("refresh")}${T.errors.retry}</button>`}
    </div></div>`;
}

function worded(name) {
  if (name === "event_timeframe") return timeframeName(only(name));
  return `${nameOf(name)}: ${F.listed(list(name).map((value) => labelOf(name, value)))}`;
}

export function emptyView() {
  const { data, problem } = state.why;
  const culprit = data?.found[0]?.total ? data.found[0] : null;
  const drop = () => change({ [culprit.name]: culprit.name === "event_timeframe" ? "all_time" : null });
  return html`<div class="state" id="empty">
    <span class="state-sign">${icon("filter", 28)}</span>
    <h2>${T.empty.heading}</h2>
    ${problem ? problemNote(problem, again)
      : !data ? html`<p class="quiet">${T.empty.looking}</p>`
      : html`<p>${culprit ? T.empty.culprit(worded(culprit.name), culprit.total) : T.empty.each}</p>
        ${data.future ? html`<p class="quiet">${T.empty.future}</p>` : nothing}`}
    <div class="state-acts">
      ${culprit ? html`<button class="button primary" @click=${drop}>${T.empty.drop(nameOf(culprit.name))}</button>` : nothing}
      ${data?.future ? html`<button class="button" @click=${() => change({ include_future: "true" })}>${T.empty.include(data.future)}</button>` : nothing}
      <button class="button" @click=${clear}>${T.empty.clear}</button>
    </div>
  </div>`;
}

export function zeroView() {
  return html`<div class="panel" id="panel" tabindex="-1"><div class="state" id="zero">
    <span class="state-sign">${icon("download", 28)}</span>
    <h2>${T.zero.heading}</h2>
    <p>${T.zero.text}</p>
    <dl class="commands">${T.zero.commands(state.provider.id).map(([what, command]) => html`<dt>${what}</dt><dd><code>${command}</code></dd>`)}</dl>
    <p class="quiet">${T.zero.after}</p>
    <div class="state-acts"><button class="button primary" @click=${again}>${icon("refresh")}${T.zero.reload}</button></div>
  </div></div>`;
}
