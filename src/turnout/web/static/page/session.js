// The session: signing in and out, by the cookie that no script can read.

const ADDRESS = "page/v1/session";

async function answer(response) {
  if (response.status === 204) return null;
  const document = await response.json();
  if (!response.ok) throw Object.assign(new Error(document.message), { code: document.code });
  return document;
}

export async function current() {
  return answer(await fetch(ADDRESS));
}

export async function signIn(given) {
  const headers = { "Content-Type": "application/json" };
  return answer(await fetch(ADDRESS, { method: "POST", headers, body: JSON.stringify(given) }));
}

export async function signOut() {
  return answer(await fetch(ADDRESS, { method: "DELETE" }));
}

/** The code of a link that signs in once. It leaves the address before anything else is done. */
export function takeCode() {
  const address = new URL(location.href);
  const code = address.searchParams.get("once");
  if (code === null) return null;
  address.searchParams.delete("once");
  history.replaceState(null, "", address);
  return code;
}
