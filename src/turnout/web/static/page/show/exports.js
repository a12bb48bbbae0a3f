// Exports: what, how many rows and in which form; how far it is; and the files of before.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { EXPORT, JOBS, ask } from "../speak/api.js";
import { asked, filterNames, list } from "../speak/address.js";
import * as F from "../speak/format.js";
import { changed, shown, state, zone } from "../state.js";
import { icon } from "../icons.js";
import { T } from "../texts.js";
import { onceOpen, openDialog } from "../popover.js";
import { dialogHead } from "./help.js";
import { faultLine, problemNote } from "./note.js";

const EVERY = 700;
const GOING = ["queued", "running"];
let form = "csv";
let columns = "visible";
let problem = null;
let sending = false;
let timer = null;

const dialog = () => document.getElementById("export");

function loadJobs() {
  return state.jobs.load(`${state.provider.id}`, async (signal) => (await ask(JOBS, { parameters: new URLSearchParams({ limit: "20" }), signal })).json, { again: true }).then(follow);
}

/** Ask again while the dialog is open and something is going on. */
function follow() {
  clearTimeout(timer);
  if (dialog()?.open && state.jobs.data?.jobs.some((job) => GOING.includes(job.status))) timer = setTimeout(loadJobs, EVERY);
}

function opened() {
  problem = null;
  openDialog("export");
  loadJobs();
}

async function send(event) {
  event.preventDefault();
  if (sending) return;
  const body = { format: form, timezone: zone() };
  for (const name of filterNames()) body[name] = list(name).length > 1 ? list(name) : (asked().get(name) ?? list(name)[0]);
  if (list("sort").length) body.sort = list("sort");
  if (columns === "visible") body.columns = shown();
  problem = null;
  sending = true;
  changed();
  try {
    await ask(EXPORT, { method: "POST", body });
    await loadJobs();
  } catch (error) {
    problem = error;
  }
  sending = false;
  changed();
}

async function remove(job) {
  problem = null;
  try {
    await ask(`${JOBS}/${job.id}`, { method: "DELETE" });
  } catch (error) {
    problem = error;
  }
  await loadJobs();
}

export function exportButton() {
  return html`<button id="export-button" class="button primary" aria-haspopup="dialog" @click=${opened}>${icon("download")}<span>${T.exports.button}</span></button>`;
}

function job(each) {
  const going = GOING.includes(each.status);
  const name = T.exports.formats[each.format]?.[0] ?? each.format;
  return html`<li class="job ${each.status}">
    <div class="job-words"><span><strong>${name}</strong> <span class="quiet">${each.total_items === null ? "" : T.exports.rows(each.total_items)}${each.size ? ` · ${F.size(each.size)}` : ""}</span></span>
      <span class="small quiet">${F.moment(each.created_at, zone())} · ${T.exports.states[each.status]}${each.status === "complete" && each.expires_at ? ` · ${T.exports.expires(F.moment(each.expires_at, zone()))}` : ""}${each.error ? ` · ${each.error}` : ""}</span>
      ${going ? html`<span class="job-progress"><progress aria-label=${T.exports.of(each.id)} .max=${each.total_items || 1} .value=${each.complete_items ?? 0}></progress><span class="small">${T.exports.progress(each.complete_items ?? 0, each.total_items)}</span></span>` : nothing}</div>
    ${each.status === "complete" && each.result_url ? html`<a class="button" href=${sameServer(each.result_url)} download>${icon("download")}${T.exports.download}<span class="visually-hidden"> ${T.exports.of(each.id)}</span></a>` : nothing}
    <button class="button ghost" @click=${() => remove(each)}>${going ? T.exports.cancel : T.exports.remove}<span class="visually-hidden"> ${T.exports.of(each.id)}</span></button>
  </li>`;
}

/** The file's address at the server that the page is from, by whatever name it is reached. */
function sameServer(address) {
  const { pathname, search } = new URL(address);
  return pathname.slice(pathname.indexOf("/api/") + 1) + search;
}

export const exportDialog = () => html`<dialog id="export" class="wide-dialog" aria-labelledby="export-heading"
  @close=${() => clearTimeout(timer)}>${onceOpen("export", content)}</dialog>`;

function content() {
  const { report } = state;
  const total = report.busy || report.problem || !report.data ? null : report.data.total;
  const name = T.exports.formats[form][0];
  const { data, problem: failed } = state.jobs;
  return html`${dialogHead("export", T.exports.heading, T.exports.close)}
    <form @submit=${send}>
      <fieldset><legend>${T.exports.format}</legend><div class="forms">
        ${Object.entries(T.exports.formats).map(([each, [label, what]]) => html`<label class="form-choice"><input type="radio" name="format" value=${each} .checked=${form === each} @change=${() => { form = each; changed(); }}>
          <span><strong>${label}</strong><span class="small quiet">${what}</span></span></label>`)}</div></fieldset>
      <fieldset class="row"><legend>${T.exports.columns}</legend>
        ${[["visible", T.exports.visible(shown().length)], ["all", T.exports.all]].map(([name, label]) => html`<label class="check"><input type="radio" name="columns" value=${name} .checked=${columns === name} @change=${() => { columns = name; changed(); }}>${label}</label>`)}</fieldset>
      ${problem ? faultLine(problem) : nothing}
      <button class="button primary wide" id="export-go" aria-disabled=${sending}>${total === null ? T.exports.goAny(name) : T.exports.go(total, name)}</button>
    </form>
    <h3>${T.exports.past}</h3>
    ${failed ? problemNote(failed, loadJobs) : nothing}
    ${data && !data.jobs.length ? html`<p class="quiet small">${T.exports.none}</p>` : nothing}
    <ul class="jobs">${data?.jobs.map(job)}</ul>`;
}
