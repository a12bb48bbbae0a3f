// Key figures: how many, by status, against the timeframe before. Each is a filter as well.

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { change, list } from "../speak/address.js";
import * as F from "../speak/format.js";
import { load, state, toggle } from "../state.js";
import { STATUSES } from "../columns.js";
import { statusIcon } from "../icons.js";
import { T, choice } from "../texts.js";
import { problemNote } from "./note.js";

const sum = (counts) => STATUSES.reduce((all, status) => all + (counts[status] ?? 0), 0);

function difference(now, before, dates, better) {
  if (before === null || !dates) return html`<span class="delta"> </span>`;
  const much = now - before;
  const words = Math.abs(much) < 0.0005 ? T.cards.same : better === "more" ? F.change(much) : T.cards.points(F.points(much));
  return html`<span class="delta" title=${T.cards.change(words, dates)}>${words}<span class="visually-hidden"> ${T.cards.change("", dates)}</span></span>`;
}

export function cards() {
  const { data, failed } = state.figures;
  // What is wrong with the address is told once, by the report.
  if (failed) return state.report.failed ? nothing : html`<div class="cards-problem">${problemNote(failed, () => load({ again: true }))}</div>`;
  const chosen = list("status");
  const now = data?.now ?? {};
  const before = data?.before ?? null;
  const all = sum(now);
  const allBefore = before ? sum(before) : null;
  const dates = data?.dates?.dates;
  const one = (status) => {
    const n = now[status] ?? 0;
    const on = chosen.includes(status);
    return html`<button class="card ${on ? "on" : ""}" aria-pressed=${on} @click=${() => toggle("status", status)} title=${T.filters.only(choice(status))}>
      <span class="card-name">${statusIcon(status)}${choice(status)}</span>
      <span class="card-figure" data-figure=${status}>${data ? F.count(n) : html`<span class="bone"></span>`}</span>
      <span class="card-foot">${data ? html`<span>${F.share(n, all)}</span>${difference(all ? n / all : 0, before && allBefore ? (before[status] ?? 0) / allBefore : null, dates, "points")}` : html`<span class="bone"></span>`}</span>
    </button>`;
  };
  return html`<section class="cards" aria-label=${T.cards.region} aria-busy=${state.figures.busy}>
    <button class="card all ${chosen.length ? "" : "on"}" aria-pressed=${chosen.length === 0} @click=${() => change({ status: null })}>
      <span class="card-name">${T.cards.all}</span>
      <span class="card-figure" data-figure="all">${data ? F.count(all) : html`<span class="bone"></span>`}</span>
      <span class="card-foot">${data ? (allBefore ? html`${difference((all - allBefore) / allBefore, 0, dates, "more")}<span class="against">${dates}</span>` : html`<span> </span>`) : html`<span class="bone"></span>`}</span>
    </button>
    ${STATUSES.map(one)}
    <div class="split" aria-hidden="true"><svg width="100%" height="6" preserveAspectRatio="none" viewBox="0 0 ${Math.max(1, all)} 1">${split(now)}</svg></div>
  </section>`;
}



function split(now) {
  let at = 0;
  return STATUSES.map((status) => {
    const width = now[status] ?? 0;
    at += width;
    return svg`<rect class="fill-${status}" x=${at - width} y="0" width=${width} height="1"></rect>`;
  });
}
