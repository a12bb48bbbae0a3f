// Native popovers, put beside the button that opens them. On narrow screens the style makes sheets of them.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { changed } from "./state.js";

const GAP = 6;
const MARGIN = 8;
export const NARROW = window.matchMedia("(max-width: 640px)");

function place(popover) {
  const button = document.querySelector(`[popovertarget="${popover.id}"]`);
  if (!button) return;
  if (NARROW.matches) {
    popover.style.left = popover.style.top = popover.style.maxHeight = "";
    return;
  }
  const at = button.getBoundingClientRect();
  const width = popover.offsetWidth;
  const rightToLeft = getComputedStyle(button).direction === "rtl" || popover.dataset.align === "end";
  const left = rightToLeft ? at.right - width : at.left;
  const below = window.innerHeight - at.bottom - GAP - MARGIN;
  popover.style.left = `${Math.max(MARGIN, Math.min(left, window.innerWidth - width - MARGIN))}px`;
  const height = popover.scrollHeight;
  const above = at.top - GAP - MARGIN;
  if (below < Math.min(height, 260) && above > below) {
    popover.style.top = `${Math.max(MARGIN, at.top - GAP - Math.min(height, above))}px`;
    popover.style.maxHeight = `${above}px`;
  } else {
    popover.style.top = `${at.bottom + GAP}px`;
    popover.style.maxHeight = `${below}px`;
  }
}

const first = (popover) => popover.querySelector("[data-first]");
const isOpen = (id) => document.getElementById(id)?.matches(":popover-open") ?? false;
export const close = (id) => isOpen(id) && document.getElementById(id).hidePopover();

const everOpen = new Set();

/** What is drawn of something that opens: nothing before that, so that the page is there sooner. */
export const onceOpen = (id, content) => (everOpen.has(id) ? content() : nothing);

function opening(id) {
  if (everOpen.has(id)) return;
  everOpen.add(id);
  changed();
}

/** Open a dialog of the page's. */
export function openDialog(id) {
  opening(id);
  queueMicrotask(() => document.getElementById(id).showModal());
}

/** A popover with what `content` gives for it; `opened` is called each time when it opens. */
export function popover(id, label, content, { opened = () => {}, closed = () => {}, align = "start", kind = "" } = {}) {
  const toggled = (event) => {
    const { target, newState } = event;
    if (target.id !== id) return;
    if (newState !== "open") return closed();
    opened();
    requestAnimationFrame(() => {
      place(target);
      // Whoever was quicker than this has chosen their place.
      if (!target.contains(document.activeElement)) (first(target) ?? target).focus({ preventScroll: true });
    });
  };
  return html`<div popover id=${id} class="popover ${kind}" role="dialog" tabindex="-1" aria-label=${label} data-align=${align}
    @beforetoggle=${(event) => { if (event.target.id === id && event.newState === "open") opening(id); }}
    @toggle=${toggled}>${onceOpen(id, content)}</div>`;
}

const again = () => document.querySelectorAll("[popover]:popover-open").forEach(place);
window.addEventListener("resize", again);
window.addEventListener("scroll", again, { passive: true });

/** Put open popovers where they belong now that they hold something else; the focus goes in that waited outside. */
export const settle = () => requestAnimationFrame(() => {
  again();
  if (document.activeElement.matches("[popover]")) first(document.activeElement)?.focus();
});
