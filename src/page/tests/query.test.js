import assert from "node:assert/strict";
import { test } from "node:test";
import { filterHash, midnight, nowPath, overviewHash, parseHash, replayQuery, statisticsPath } from "../query.js";
import { reportsPath, sessionHash, sessionPath, sessionsPath, withCursor } from "../query.js";

const none = { site: "", lsid: "", filter: {} };

test("a fragment names a view", () => {
  for (const hash of ["", "#/", "#/nowhere", "#/session/", "#/session/hq"]) {
    assert.deepEqual(parseHash(hash), { ...none, name: "overview" }, hash);
  }
  assert.deepEqual(parseHash("#/sessions"), { ...none, name: "sessions" });
  assert.deepEqual(parseHash("#/set-aside"), { ...none, name: "set-aside" });
  assert.deepEqual(parseHash("#/destinations"), { ...none, name: "destinations" });
  assert.deepEqual(parseHash("#/session/hq/a%2Fb"), { ...none, name: "session", site: "hq", lsid: "a/b" });
});

test("escapes that are not valid are taken as they are", () => {
  assert.equal(parseHash("#/session/hq/%zz").lsid, "%zz");
});

test("the fragment of a session or a search leads back to it", () => {
  for (const lsid of ["one", "a/b?c#d", "100%", "ü"]) {
    assert.deepEqual(parseHash(sessionHash("hq", lsid)), { ...none, name: "session", site: "hq", lsid });
  }
  const filter = { q: "Ann & Bob", state: "open" };
  assert.deepEqual(parseHash(filterHash(filter)).filter, filter);
  assert.equal(filterHash({ announced: "false", site: "hq" }), "#/sessions?announced=false&site=hq");
  assert.equal(filterHash({ q: "", site: "" }), "#/sessions");
  assert.deepEqual(parseHash("#/sessions?q=Ann&cursor=x").filter, { q: "Ann" });
});

test("links of earlier versions lead to the list", () => {
  assert.deepEqual(parseHash("#/?q=Ann"), { ...none, name: "sessions", filter: { q: "Ann" } });
  assert.deepEqual(parseHash("#/?announced=false&site=hq").name, "sessions");
});

test("the overview keeps its range and its site in the fragment", () => {
  const filter = { range: "custom", from: "2026-01-05", through: "2026-01-09", site: "hq" };
  assert.deepEqual(parseHash(overviewHash(filter)), { ...none, name: "overview", filter });
  assert.equal(overviewHash({ range: "", site: "" }), "#/");
  assert.equal(parseHash("#/?site=hq").name, "overview");
});

test("statistics are asked for in the reader's zone", () => {
  const range = { from: "2026-01-05T00:00:00Z", to: "2026-01-06T00:00:00Z" };
  const query = new URLSearchParams(statisticsPath(range, "day", "+05:30", "").split("?")[1]);
  assert.deepEqual(Object.fromEntries(query), { ...range, by: "day", zone: "+05:30" });
  assert.equal(nowPath("UTC", "hq"), "/api/now?zone=UTC&site=hq");
});

test("a search has its filters, and days as the reader's midnights", () => {
  assert.equal(sessionsPath({}, null), "/api/sessions?");
  assert.equal(sessionsPath({ q: "Ann B", site: "" }, "next"), "/api/sessions?q=Ann+B&cursor=next");
  const path = sessionsPath({ from: "2026-01-05" }, null);
  assert.equal(new URLSearchParams(path.split("?")[1]).get("from"), midnight("2026-01-05"));
  assert.equal(new Date(midnight("2026-01-05")).getHours(), 0);
  // The page checks these itself.
  assert.equal(sessionsPath({ by: "begin", hour: "mon-09", find: "x" }, null), "/api/sessions?limit=200");
  // Also sessions that ended on this day and began on the one before it.
  const ended = new URLSearchParams(sessionsPath({ by: "end", from: "2026-01-05" }, null).split("?")[1]);
  assert.equal(Date.parse(ended.get("from")), Date.parse(midnight("2026-01-05")) - 86_400_000);
  assert.equal(sessionsPath({ by: "end", from: "tomorrow" }, null), "/api/sessions?from=tomorrow&limit=200");
  // What is not a day goes as it is: the API says what is wrong with it.
  assert.equal(sessionsPath({ from: "tomorrow" }, null), "/api/sessions?from=tomorrow");
});

test("the path of a session survives a browser", () => {
  assert.equal(sessionPath("hq", "a/b"), "/api/sessions/hq/a%2Fb");
  for (const lsid of [".", "..", "~."]) {
    const { pathname } = new URL(sessionPath("hq", lsid), "http://localhost");
    assert.equal(pathname, "/api/sessions/hq/~" + lsid);
  }
});

test("the reports of a session are asked for by its site and id", () => {
  assert.equal(reportsPath("hq", "a/b"), "/api/events?site=hq&lsid=a%2Fb&event=report");
});

test("a cursor and a replay are escaped", () => {
  assert.equal(withCursor("/x", null), "/x");
  assert.equal(withCursor("/x", "a&b"), "/x?cursor=a%26b");
  assert.equal(withCursor("/x?limit=1", "a"), "/x?limit=1&cursor=a");
  const query = new URLSearchParams(replayQuery("2026-01-05", "2026-01-06"));
  assert.equal(query.get("from"), midnight("2026-01-05"));
  assert.equal(query.get("to"), midnight("2026-01-06"));
});
