// Pages: forth and back by the cursors that the server gives, so that any depth costs the same.

import { html } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { cursorOf } from "../speak/api.js";
import { change } from "../speak/address.js";
import { limit, state } from "../state.js";
import { icon } from "../icons.js";
import { T } from "../texts.js";

const SIZES = [25, 50, 100];

function turn(cursor, at) {
  change({ cursor, at: at > 1 ? at : null, offset: null, page: null }, { keepPlace: true });
  document.querySelector(".scroll")?.scrollTo({ top: 0 });
}

export function pager(data) {
  const next = data && cursorOf(data.headers, "next");
  const previous = data && cursorOf(data.headers, "prev");
  const first = data?.first ?? 1;
  const last = data ? first + data.rows.length - 1 : 0;
  const { busy } = state.report;
  // A button that is out of use keeps the focus: somebody may turn many pages by it.
  const button = (id, sign, words, possible, press) => html`<button class="button ghost" id=${id} aria-disabled=${!data || !possible || busy}
      @click=${() => data && possible && !busy && press()} aria-label=${words.label} title=${words.title ?? words.label}>${icon(sign)}</button>`;
  return html`<nav class="pager" aria-label=${T.pager.region}>
    <span class="range" id="range">${data ? T.pager.range(first, last, data.total) : " "}</span>
    <span class="gap"></span>
    <label class="small quiet">${T.pager.size} <select id="size" @change=${(event) => change({ limit: event.target.value, page_size: null })}>
      ${[...new Set([...SIZES, limit()])].sort((a, b) => a - b).map((size) => html`<option value=${size} .selected=${live(size === limit())}>${size}</option>`)}</select></label>
    ${button("first-page", "first", { label: T.pager.first }, first > 1, () => turn(null, 1))}
    ${button("previous-page", "left", { label: T.pager.previous, title: `${T.pager.previous} ([)` }, first > 1, () => turn(first - limit() <= 1 ? null : previous, Math.max(1, first - limit())))}
    ${button("next-page", "right", { label: T.pager.next, title: `${T.pager.next} (])` }, next, () => turn(next, last + 1))}
  </nav>`;
}
