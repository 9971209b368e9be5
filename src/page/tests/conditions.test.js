import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionWords, isMeant } from "../conditions.js";

const local = (...parts) => new Date(...parts).toISOString();
const session = (start, end) => ({ start, end, first_event: local(2026, 9, 19, 10) });

test("a session counts on the day of its begin, or of its end", () => {
  const late = session(local(2026, 9, 18, 23, 50), local(2026, 9, 19, 0, 20));
  const day = { from: "2026-10-19", to: "2026-10-20" };
  assert.equal(isMeant(late, day), true);
  assert.equal(isMeant(late, { ...day, by: "begin" }), false);
  assert.equal(isMeant(late, { ...day, by: "end" }), true);
  assert.equal(isMeant(session(null, null), day), true);
  assert.equal(isMeant(session(null, null), { ...day, by: "begin" }), false);
  assert.equal(isMeant(session(null, null), { ...day, by: "end" }), false);
  assert.equal(isMeant(late, { by: "begin", from: local(2026, 9, 18, 23), to: local(2026, 9, 19) }), true);
});

test("a session counts in the hour of the week of its begin", () => {
  assert.equal(isMeant(session(local(2026, 9, 19, 9, 59), null), { hour: "mon-09" }), true);
  assert.equal(isMeant(session(local(2026, 9, 19, 10), null), { hour: "mon-09" }), false);
});

test("conditions without a field are worded", () => {
  const words = (filter) => conditionWords(filter).map(({ name, words }) => name + ": " + words);
  assert.deepEqual(words({ state: "open", site: "hq", from: "2026-10-19" }), []);
  assert.deepEqual(words({ answered: "false", team: "Desk", by: "begin" }),
    ["answered: Without a representative", "team: Team: Desk", "by: Began in this time"]);
  assert.deepEqual(words({ hour: "sun-09" }), ["hour: Began on a Sunday from 9:00 to 10:00"]);
  assert.match(words({ from: local(2026, 9, 19, 14) })[0], /^from: From .*2026/);
});
