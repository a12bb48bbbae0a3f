// The page begins here: who is signed in, what the address asks for, and drawing it whenever something has changed.

import { render } from "./vendor/lit-html/lit-html.js";
import { onSignedOut, session, signIn } from "./speak/api.js";
import { only, takeCode, watch } from "./speak/address.js";
import { chooseProvider, changed, drawnBy, forget, load, state, tab } from "./state.js";
import { frame, signedOutFrame } from "./show/frame.js";
import { isBare, loadViews, openDefault } from "./show/views.js";
import { loadPictures } from "./show/pictures.js";
import { loadGroups } from "./show/groups.js";
import { keepKeys } from "./keys.js";
import { T } from "./texts.js";

const root = document.getElementById("page");
// A link that signs in leaves the address before anything else.
const code = takeCode();

drawnBy(() => {
  document.title = state.provider ? T.titleOf(state.provider.name) : T.app;
  render(state.phase === "in" ? frame() : signedOutFrame(enter), root);
  tryAgainLater();
});

/** Somebody is signed in: go on where the address says. */
async function enter(given) {
  Object.assign(state, { phase: "in", session: given, problem: null });
  chooseProvider(only("provider"));
  changed();
  const views = loadViews();
  if (!isBare()) return loadAll();
  await views;
  openDefault();
}

function loadAll(given) {
  load(given);
  if (tab() === "pictures") loadPictures(given);
  if (tab() === "groups") loadGroups(given);
  changed();
}

onSignedOut((problem) => {
  if (state.phase !== "in") return;
  forget();
  Object.assign(state, { phase: "out", problem });
  changed();
});

watch(() => {
  if (state.phase !== "in") return;
  const before = state.provider;
  chooseProvider(only("provider"));
  if (state.provider !== before) {
    forget();
    loadViews();
  }
  loadAll();
});

/** What failed for a while is tried again by itself. */
const PATIENCE = 4;
let trying = null;

function tryAgainLater() {
  const { problem } = state.report;
  if (!problem || trying || !(problem.code === "offline" || problem.retryAfter)) return;
  trying = setTimeout(() => {
    trying = null;
    if (state.report.problem) loadAll({ again: true });
  }, 1000 * (problem.retryAfter ?? PATIENCE));
}

window.addEventListener("online", () => loadAll({ again: true }));
document.addEventListener("turnout:again", () => loadAll({ again: true }));
keepKeys();

changed();
try {
  await enter(code === null ? await session() : await signIn({ once: code }));
} catch (problem) {
  if (code !== null && problem.status === 401) {
    // The link was used before; perhaps by this very browser.
    try {
      await enter(await session());
    } catch {
      Object.assign(state, { phase: "out", problem: Object.assign(problem, { once: true }) });
    }
  } else Object.assign(state, { phase: "out", problem });
  changed();
}

