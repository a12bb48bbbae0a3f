// The page's whole state is its address: the API's own parameters, and the few of the page alone.

/** Parameters that are not the API's, and are never sent to it. */
const OWN = ["provider", "tab", "at", "density", "view", "group", "group_sort", "pivot", "by"];
/** What says where in the report one is. */
const PLACE = ["cursor", "at", "offset", "page"];
/** What is about looks, and neither a filter nor a place. */
const LOOKS = ["columns", "sort", "limit", "format", "timezone"];

const watching = [];

export function current() {
  return new URLSearchParams(location.search);
}

/** Call `told` whenever the address has changed, by the page or by going back. */
export function watch(told) {
  watching.push(told);
}

window.addEventListener("popstate", () => watching.forEach((told) => told()));

export function text(parameters) {
  return parameters.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("+", "%20");
}

export function go(parameters, { replace = false } = {}) {
  const query = text(parameters);
  const target = query ? `?${query}` : location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  watching.forEach((told) => told());
}

/** Change parameters; null or an empty list removes one. The report begins at its first page again, unless told so. */
export function change(changes, { keepPlace = false, replace = false } = {}) {
  const parameters = current();
  if (!keepPlace) PLACE.forEach((name) => parameters.delete(name));
  for (const [name, value] of Object.entries(changes)) {
    parameters.delete(name);
    parameters.delete(`${name}[]`);
    const given = Array.isArray(value) ? value.join(",") : value;
    if (given !== null && given !== "" && given !== undefined) parameters.set(name, given);
  }
  go(parameters, { replace });
}

/** The values of a list parameter, however they are written. */
export function list(name, parameters = current()) {
  const given = [...parameters.getAll(name), ...parameters.getAll(`${name}[]`)];
  return [...new Set(given.flatMap((value) => value.split(",")).map((value) => value.trim()).filter(Boolean))];
}

export function only(name, parameters = current()) {
  return parameters.get(name) ?? null;
}

/** What is sent to the API: all but the page's own parameters. */
export function asked(parameters = current()) {
  const sent = new URLSearchParams(parameters);
  OWN.forEach((name) => sent.delete(name));
  return sent;
}

/** The filters alone: neither place nor looks. */
export function filters(parameters = current()) {
  const sent = asked(parameters);
  [...PLACE, ...LOOKS].forEach((name) => {
    sent.delete(name);
    sent.delete(`${name}[]`);
  });
  return sent;
}

/** The names of the filters that are set, each once, however it is written. */
export const filterNames = () => [...new Set([...filters().keys()].map((name) => name.replace(/\[\]$/, "")))];

/** What a saved view holds: everything but the provider, the place, and which view it is. */
export function viewState(parameters = current()) {
  const kept = new URLSearchParams(parameters);
  ["provider", "view", ...PLACE].forEach((name) => kept.delete(name));
  kept.sort();
  return text(kept);
}

/** The code of a link that signs in once. It leaves the address before anything else is done. */
export function takeCode() {
  const parameters = current();
  const code = parameters.get("once");
  if (code === null) return null;
  parameters.delete("once");
  go(parameters, { replace: true });
  return code;
}
