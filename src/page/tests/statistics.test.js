import assert from "node:assert/strict";
import { test } from "node:test";
import { groupWords, percent, sessionsSummary, sorted, unknownWords } from "../statistics.js";
import { waitLook, waitWords, withEmptyGroups } from "../statistics.js";

const unknown = { begin: 0, waiting: 0, length: 0, transfers: 0 };
const group = (name, sessions, never_answered, more) =>
  ({ group: name, sessions, never_answered, transfers: 0, waiting_seconds: null, unknown, ...more });

test("days without sessions are there", () => {
  const monday = group("2026-10-19", 3, 1);
  const entries = withEmptyGroups(["2026-10-18", "2026-10-19"], [monday]);
  assert.deepEqual(entries, [{ name: "2026-10-18", data: null }, { name: "2026-10-19", data: monday }]);
});

test("sums are worded", () => {
  assert.equal(sessionsSummary([]), "No sessions");
  assert.equal(sessionsSummary([group("a", 90, 3), group("b", 10, 1)]), "100 sessions, 4.0 % never answered");
  assert.equal(groupWords(group("a", 1, 0)), "1 session, 0 never answered");
  assert.equal(groupWords(null), "no sessions");
  assert.equal(waitWords(group("a", 1, 0, { waiting_seconds: { median: 40, p90: 125, max: 200 } })),
    "median 40 s, 90 % within 2 min 5 s");
  assert.equal(waitWords(null), "no waiting time known");
});

test("shares are percents", () => {
  assert.deepEqual([percent(0, 0), percent(0, 5), percent(1, 100), percent(1, 3), percent(3, 3)],
    ["0 %", "0 %", "1.0 %", "33 %", "100 %"]);
});

test("what is unknown is said, and only then", () => {
  assert.equal(unknownWords([group("a", 1, 0)]), "");
  const some = group("a", 9, 0, { unknown: { ...unknown, begin: 1, waiting: 2 } });
  assert.equal(unknownWords([some]), "1 session without a begin event, 2 sessions without a known waiting time");
});

test("a long wait is an alarm", () => {
  assert.deepEqual([null, 10, 60, 299, 300].map(waitLook), ["calm", "calm", "warn", "warn", "alarm"]);
});

test("rows sort in both directions, and unknown values stay last", () => {
  const rows = [2, null, 10, 1];
  assert.deepEqual(sorted(rows, (row) => row, false), [1, 2, 10, null]);
  assert.deepEqual(sorted(rows, (row) => row, true), [10, 2, 1, null]);
  assert.deepEqual(sorted(["b", "a"], (row) => row, false), ["a", "b"]);
});
