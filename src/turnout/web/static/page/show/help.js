// The list of keys.

import { html } from "../vendor/lit-html/lit-html.js";
import { icon } from "../icons.js";
import { keysLead, letKeysLead } from "../keys.js";
import { onceOpen, openDialog } from "../popover.js";
import { T } from "../texts.js";

export const openHelp = () => openDialog("help");

/** The head of a dialog, with its button to close it. */
export const dialogHead = (id, heading, label) => html`<div class="dialog-head"><h2 id="${id}-heading">${heading}</h2>
  <button class="button ghost" aria-label=${label} @click=${() => document.getElementById(id).close()}>${icon("close")}</button></div>`;

export function helpDialog() {
  return html`<dialog id="help" aria-labelledby="help-heading" closedby="any">
    ${onceOpen("help", () => html`${dialogHead("help", T.help.heading, T.help.close)}
    <dl class="keys">${T.help.keys.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" id="single-keys" .checked=${keysLead()} @change=${(event) => letKeysLead(event.target.checked)}>${T.help.single}</label>`)}
  </dialog>`;
}
