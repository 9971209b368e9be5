import assert from "node:assert/strict";
import { test } from "node:test";
import { findSessions, meantFilter, textMeaning } from "../finder.js";

const { signal } = new AbortController();
const row = (lsid, more) => ({ site: "hq", lsid, start: null, end: null, first_event: "2026-10-19T10:00:00Z", ...more });
const page = (sessions, next, searched_through) => ({ sessions, next, unreadable: [], searched_through });

/** Answers by path; any other path is an error. */
function answers(known) {
  const asked = [];
  const asks = async (path) => {
    asked.push(path);
    if (known[path]) return known[path];
    throw new Error("404");
  };
  return { asked, asks };
}

test("pages are read until there are enough", async () => {
  const { asks, asked } = answers({
    "/api/sessions?q=x": page([], "a", "2026-10-18T00:00:00Z"),
    "/api/sessions?q=x&cursor=a": page([row("one"), row("two")], "b", "2026-10-17T00:00:00Z"),
  });
  const seen = [];
  const found = await findSessions(asks, { filter: { q: "x" }, wanted: 2, signal }, ({ through }) => seen.push(through));
  assert.deepEqual(found.sessions.map(({ lsid }) => lsid), ["one", "two"]);
  assert.deepEqual([found.next, found.requests, found.through], ["b", 2, "2026-10-17T00:00:00Z"]);
  assert.deepEqual(seen, ["2026-10-18T00:00:00Z"]);
  assert.equal(asked.length, 2);
});

test("a search goes on where it was stopped", async () => {
  const { asks } = answers({ "/api/sessions?cursor=b": page([row("three")], null) });
  const found = { sessions: [row("one")], unreadable: [], next: "b", through: null, requests: 1 };
  const { sessions, next } = await findSessions(asks, { filter: {}, wanted: 50, signal, found }, () => undefined);
  assert.deepEqual([sessions.length, next], [2, null]);
});

test("sessions that the page leaves out are not counted", async () => {
  const { asks } = answers({ "/api/sessions?limit=200": page([row("one"), row("two", { end: "2026-10-19T11:00:00Z" })], null) });
  const { sessions } = await findSessions(asks, { filter: { by: "end" }, wanted: 50, signal }, () => undefined);
  assert.deepEqual(sessions.map(({ lsid }) => lsid), ["two"]);
});

test("a text is a key, then an id, then any text", async () => {
  const meaning = (known) =>
    textMeaning(answers(known).asks, { filter: { find: "INC-1" }, sites: ["hq", "branch"], signal });
  const key = "/api/sessions?external_key=INC-1&limit=1";
  assert.deepEqual(await meaning({ [key]: page([row("one")], null) }), { meaning: "key", site: "" });
  assert.deepEqual(await meaning({ [key]: page([], null), "/api/sessions/branch/INC-1": {} }), { meaning: "id", site: "branch" });
  assert.deepEqual(await meaning({}), { meaning: "text", site: "" });
});

test("a token that is refused is no answer", async () => {
  const asks = async () => { throw Object.assign(new Error("no"), { tokenRefused: true }); };
  await assert.rejects(textMeaning(asks, { filter: { find: "x" }, sites: [], signal }));
});

test("a meaning is a filter", () => {
  assert.deepEqual(meantFilter({ find: "x", site: "hq" }, "key"), { site: "hq", external_key: "x" });
  assert.deepEqual(meantFilter({ find: "x" }, "text"), { q: "x" });
  assert.deepEqual(meantFilter({ q: "y" }, "text"), { q: "y" });
});
