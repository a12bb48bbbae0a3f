// Short notes of what went wrong.

import { html } from "../vendor/lit-html/lit-html.js";
import { icon } from "../icons.js";
import { T } from "../texts.js";

/** What went wrong with something that was sent, in a line. */
export const faultLine = (problem) => html`<p class="note bad" role="alert">${icon("warning")}<span>${problem.faults?.[0]?.[1] ?? (problem.code === "offline" ? T.errors.headings.offline : problem.message)}</span></p>`;

/** That a part could not be loaded. */
export function problemNote(problem, retry) {
  return html`<p class="note bad" role="alert">${icon("warning")}<span>${T.errors.headings[problem.code] ?? T.errors.part}</span>
    <button class="link" @click=${retry}>${T.errors.retry}</button></p>`;
}
