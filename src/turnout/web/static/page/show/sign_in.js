// Signing in: a token becomes a session, and is nowhere else.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { signIn } from "../speak/api.js";
import { changed, state } from "../state.js";
import { mark } from "../icons.js";
import { T } from "../texts.js";
import { faultLine } from "./note.js";

let busy = false;

function said(problem) {
  if (!problem) return nothing;
  if (problem.signedOut) return note(T.signIn.signedOut);
  if (problem.once) return note(T.signIn.once);
  if (problem.ended || (problem.status === 401 && state.session)) return note(T.signIn.expired);
  if (problem.code === "not_authenticated") return nothing;
  return faultLine(problem);
}

const note = (words) => html`<p class="note" role="status">${words}</p>`;

export function signInView(enter) {
  const sent = async (event) => {
    event.preventDefault();
    const field = event.target.elements.token;
    const token = field.value.trim();
    busy = true;
    changed();
    try {
      const session = await signIn({ token });
      field.value = "";
      await enter(session);
    } catch (problem) {
      state.session = null;
      state.problem = problem;
      field.select();
    } finally {
      busy = false;
      changed();
    }
  };
  return html`<main class="sign-in">
    <form @submit=${sent} class="sign-in-card">
      <div class="brand">${mark()}<span>${T.app}</span></div>
      <h1>${T.signIn.heading}</h1>
      <p class="quiet">${T.signIn.intro}</p>
      ${said(state.problem)}
      <label for="token">${T.signIn.label}</label>
      <input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required
        autofocus aria-describedby="token-hint" placeholder="tk_…">
      <button class="button primary wide" ?disabled=${busy}>${busy ? T.signIn.busy : T.signIn.button}</button>
      <p id="token-hint" class="quiet small">${T.signIn.hint} <code>${T.signIn.command}</code></p>
    </form>
    <p class="small quiet"><a href="docs">${T.signIn.docs}</a></p>
  </main>`;
}
