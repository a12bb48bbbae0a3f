import { current, signIn, signOut, takeCode } from "./session.js";

const state = document.getElementById("state");
const form = document.getElementById("sign-in");
const leave = document.getElementById("sign-out");

function show(session) {
  form.hidden = true;
  leave.hidden = false;
  state.textContent = session.providers.map((provider) => provider.name).join(", ");
}

function ask(error) {
  form.hidden = false;
  leave.hidden = true;
  state.textContent = error.code === "not_authenticated" ? "Sign in with a token." : error.message;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const token = document.getElementById("token");
  signIn({ token: token.value }).then(show, ask);
  token.value = "";
});

leave.addEventListener("click", () => {
  signOut().then(() => current()).then(show, ask);
});

const code = takeCode();
(code === null ? current() : signIn({ once: code })).then(show, ask);
