// Keys that lead somewhere from anywhere on the page, but not while somebody is writing.

import { change } from "./speak/address.js";
import { state } from "./state.js";

const press = (selector) => {
  const found = document.querySelector(selector);
  found?.focus();
  found?.click();
  return Boolean(found);
};

const KEYS = {
  "/": () => press("#picker-customers-button"),
  f: () => press("#picker-status-button"),
  t: () => press("#timeframe-button"),
  c: () => press("#chooser-button"),
  e: () => press("#export-button"),
  "?": () => press("#help-button"),
  "[": () => press("#previous-page"),
  "]": () => press("#next-page"),
  1: () => change({ tab: null }, { keepPlace: true }),
  2: () => change({ tab: "pictures" }, { keepPlace: true }),
  3: () => change({ tab: "groups" }, { keepPlace: true }),
};

const OFF = "turnout-keys-off";

/** Whether single keys lead somewhere; who speaks to the browser may not want that. */
export const keysLead = () => localStorage.getItem(OFF) === null;

export function letKeysLead(on) {
  if (on) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
}

export function keepKeys() {
  document.addEventListener("keydown", (event) => {
    // Brackets are written with AltGr on many keyboards, which some systems call Ctrl and Alt.
    const modified = (event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph");
    if (modified || event.metaKey || event.defaultPrevented || !keysLead()) return;
    if (state.phase !== "in" || document.querySelector("dialog[open], [popover]:popover-open")) return;
    if (event.target.closest("input:not([type=checkbox], [type=radio]), select, textarea")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

