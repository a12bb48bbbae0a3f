// The page begins here: who is signed in, what the address asks for, and drawing it whenever something has changed.

import { render } from "./vendor/lit-html/lit-html.js";
import { onSignedOut, session, signIn } from "./speak/api.js";
import { only, takeCode, watch } from "./speak/address.js";
import { chooseProvider, changed, drawnBy, forget, load, state, tab } from "./state.js";
import { frame, signedOutFrame } from "./show/frame.js";
import { isBare, loadViews, openDefault } from "./show/views.js";
import { loadPictures } from "./show/pictures.js";
import { loadGroups } from "./show/groups.js";
import { keepFocus } from "./focus.js";
import { keepKeys } from "./keys.js";
import { T } from "./texts.js";

const root = document.getElementById("page");
// A link that signs in leaves the address before anything else.
const code = takeCode();

drawnBy(() => {
  document.title = state.provider ? T.titleOf(state.provider.name) : T.app;
  keepFocus(() => render(state.phase === "in" ? frame() : signedOutFrame(enter), root));
  tryAgainLater();
});

/** Somebody is signed in: go on where the address says. */
async function enter(given) {
  Object.assign(state, { session: given, problem: null });
  chooseProvider(only("provider"));
  const views = state.provider && loadViews();
  // Drawing takes longer than these answers: all is asked for before.
  const bare = state.provider && isBare();
  if (bare) await views;
  state.phase = "in";
  if (bare) openDefault();
  else loadAll();
}

function loadAll(given) {
  changed();
  if (state.phase !== "in" || !state.provider) return;
  load(given);
  if (tab() === "pictures") loadPictures(given);
  if (tab() === "groups") loadGroups(given);
}

onSignedOut((problem) => {
  if (state.phase !== "in") return;
  forget();
  // Of a session that has ended by itself it is remembered that there was one.
  Object.assign(state, { phase: "out", provider: null, problem, session: problem.signedOut ? null : state.session });
  changed();
});

watch(() => {
  if (state.phase !== "in") return;
  const before = state.provider;
  chooseProvider(only("provider"));
  if (state.provider !== before) {
    forget();
    if (state.provider) loadViews();
  }
  loadAll();
});

/** What failed for a while is tried again by itself. */
const PATIENCE = 4;
let trying = null;
const problemNow = () => (state.phase === "in" ? state.report.problem : state.phase === "starting" ? state.problem : null);

function tryAgainLater() {
  const problem = problemNow();
  if (!problem?.passing || trying) return;
  trying = setTimeout(() => {
    trying = null;
    if (problemNow()) again();
  }, 1000 * (problem.retryAfter ?? PATIENCE));
}

function again() {
  if (state.phase === "starting") begin();
  else loadAll({ again: true });
}

window.addEventListener("online", again);
document.addEventListener("turnout:again", again);
keepKeys();

/** Who is signed in already, or comes by a link. */
async function begin() {
  try {
    await enter(code === null ? await session() : await signIn({ once: code }));
  } catch (problem) {
    await refused(problem);
  }
  changed();
}

async function refused(problem) {
  if (problem.passing) return Object.assign(state, { problem });
  // There was a session, whose token has been revoked or is too old.
  if (code === null) problem.ended = problem.code === "authentication_failed";
  if (code !== null && problem.status === 401) {
    // The link was used before; perhaps by this very browser.
    try {
      return await enter(await session());
    } catch {
      Object.assign(problem, { once: true });
    }
  }
  Object.assign(state, { phase: "out", problem });
}

changed();
await begin();
