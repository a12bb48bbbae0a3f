// Whoever uses the keyboard keeps their place: where a drawing takes away what had the focus, something near it gets it.

const REACHABLE = "a[href]:not(.skip), button:not(:disabled), input:not(:disabled), select:not(:disabled), summary, [tabindex]";

function around(element) {
  const found = [];
  for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) found.push(each);
  return found;
}

export function keepFocus(draw) {
  const before = document.activeElement;
  const near = before ? around(before) : [];
  draw();
  const there = before?.isConnected && !before.disabled;
  if (!near.length || document.activeElement === before ? there : document.activeElement !== document.body) return;
  const inside = near.filter((each) => each.isConnected).flatMap((each) => [each, ...each.querySelectorAll("*")]);
  const next = there ? before : inside.find((each) => each.matches(REACHABLE) && each.checkVisibility());
  next?.focus({ preventScroll: true });
}
