#!/usr/bin/env node
// List the attended bookings of a timeframe, page by page. Needs Node 18 or newer; the same code runs in a browser.
//
//   node client.mjs [BASE_URL [TOKEN [TIMEFRAME]]]
//
// BASE_URL and TOKEN may also come from TURNOUT_URL and TURNOUT_TOKEN.

const given = process.argv.slice(2);
const base = given[0] || process.env.TURNOUT_URL || "http://127.0.0.1:8000";
const token = given[1] || process.env.TURNOUT_TOKEN || "";
const timeframe = given[2] || "last_30_days";

async function* attended() {
  let url = new URL(`${base.replace(/\/$/, "")}/api/v2/reports/attendances/data`);
  url.search = new URLSearchParams({
    status: "attended",
    event_timeframe: timeframe,
    columns: "event.starts_at,event.name,customer.name",
    sort: "event.starts_at",
    limit: 100,
  });
  while (url) {
    const answer = await fetch(url, { headers: { Accept: "application/json", Authorization: `Token ${token}` } });
    const body = await answer.json();
    if (!answer.ok) {
      throw new Error(`${answer.status} ${body.code}: ${body.message} ${JSON.stringify(body.field_errors)}`);
    }
    yield* body.rows;
    const next = answer.headers.get("Link")?.match(/<([^>]*)>; rel="next"/);
    url = next ? new URL(next[1], url) : null;
  }
}

try {
  let count = 0;
  for await (const { event, customer } of attended()) {
    console.log([event.starts_at, event.name, customer.name].join("\t"));
    count += 1;
  }
  console.error(`${count} attended`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
