// A picture on the page: its heading, the drawing as wide as there is room, ways to save it, and a table that says the same.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { AsyncDirective } from "../vendor/lit-html/async-directive.js";
import { directive } from "../vendor/lit-html/directive.js";
import * as F from "../speak/format.js";
import { changed, state, zone } from "../state.js";
import { icon } from "../icons.js";
import { popover, close } from "../popover.js";
import { T } from "../texts.js";
import { problemNote } from "./note.js";

const LEAST = 150;
let tools = null;
let coming = null;

/** What draws; it is large, so it comes when it is needed first. */
export function drawing() {
  coming ??= import("../draw/charts.js").then(
    (loaded) => {
      tools = loaded;
      changed();
    },
    () => {
      coming = null; // with the next look at the page it is tried again
    },
  );
  return tools;
}

/** Draws again when the data or the width change, and at no other time. */
class Drawn extends AsyncDirective {
  #holder = null;
  #watcher = null;
  #data = null;
  #draw = null;
  #width = 0;

  render() {
    if (!this.#holder) {
      this.#holder = document.createElement("div");
      this.#holder.className = "drawing";
      this.#watch();
    }
    return this.#holder;
  }

  update(part, [data, draw]) {
    const holder = this.render();
    this.#draw = draw;
    if (data !== this.#data) {
      this.#data = data;
      this.#again();
    }
    return holder;
  }

  #watch() {
    this.#watcher = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      // Before its place is laid out it may be a sliver, in which nothing can be drawn.
      if (width < LEAST || width === this.#width) return;
      this.#width = width;
      this.#again();
    });
    this.#watcher.observe(this.#holder);
  }

  #again() {
    if (this.#width) this.#holder.replaceChildren(this.#draw(this.#data, this.#width));
  }

  disconnected() {
    this.#watcher.disconnect();
  }

  reconnected() {
    this.#watch();
  }
}

export const drawn = directive(Drawn);

export function datesNow() {
  const timeframe = state.figures.data?.timeframe ?? state.report.data?.timeframe;
  const words = timeframe?.first && timeframe?.last ? F.dayRange(timeframe.first, timeframe.last) : T.timeframe.none;
  return `${state.provider.name} · ${words} · ${T.zone(zone())}`;
}

async function keep(id, form, heading) {
  close(`save-${id}`);
  const { save } = await import("../draw/save.js");
  await save(document.querySelector(`#figure-${id} .drawing svg`), form, heading, datesNow());
}

const saveMenu = (id, heading) => html`<button class="button ghost small" id="save-${id}-button" popovertarget="save-${id}" aria-label="${T.pictures.save}: ${heading}" title=${T.pictures.save}>${icon("download")}</button>
  ${popover(`save-${id}`, T.pictures.save, () => html`<div class="menu">
    <button class="menu-item" data-first @click=${() => keep(id, "png", heading)}>${T.pictures.png}</button>
    <button class="menu-item" @click=${() => keep(id, "svg", heading)}>${T.pictures.svg}</button></div>`, { align: "end" })}`;

/** One figure. `body` gets the data; `table` makes the text alternative. */
export function figure(id, { heading, note, tools: acts = nothing, piece, again, empty, body, table, kind = "", savable = true }) {
  const { data, problem, busy } = piece;
  const nothingThere = data && empty(data);
  return html`<section class="figure ${kind}" id="figure-${id}" aria-labelledby="figure-${id}-heading" aria-busy=${busy}>
    <div class="figure-head"><h2 id="figure-${id}-heading">${heading}</h2><span class="gap"></span>${acts}
      ${data && !nothingThere && savable ? saveMenu(id, heading) : nothing}</div>
    ${note ? html`<p class="figure-note quiet small">${note}</p>` : nothing}
    ${problem && !(data && problem.passing) ? problemNote(problem, again)
      : !data ? html`<div class="drawing-bones bone"></div>`
      : nothingThere ? html`<p class="quiet nothing">${T.pictures.nothing}</p>`
      : html`${body(data)}${table ? html`<details class="as-table"><summary>${T.pictures.asTable}</summary><div class="as-table-scroll" tabindex="0" role="region" aria-label=${T.pictures.tableOf(heading)}>${table(data)}</div></details>` : nothing}`}
  </section>`;
}
