// Native popovers, put beside the button that opens them. On narrow screens the style makes sheets of them.

import { html } from "./vendor/lit-html/lit-html.js";

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

export const isOpen = (id) => document.getElementById(id)?.matches(":popover-open") ?? false;
export const close = (id) => isOpen(id) && document.getElementById(id).hidePopover();

/** A popover with what it holds; `opened` is called each time when it opens. */
export function popover(id, label, content, { opened = () => {}, closed = () => {}, align = "start", kind = "" } = {}) {
  const toggled = (event) => {
    const { target, newState } = event;
    if (target.id !== id) return;
    if (newState !== "open") return closed();
    opened();
    requestAnimationFrame(() => {
      place(target);
      target.querySelector("[data-first]")?.focus();
    });
  };
  return html`<div popover id=${id} class="popover ${kind}" role="dialog" aria-label=${label} data-align=${align}
    @toggle=${toggled}>${content}</div>`;
}

const again = () => document.querySelectorAll("[popover]:popover-open").forEach(place);
window.addEventListener("resize", again);
window.addEventListener("scroll", again, { passive: true });

/** Put open popovers where they belong now that they hold something else. */
export const settle = () => requestAnimationFrame(again);
