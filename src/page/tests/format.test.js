import assert from "node:assert/strict";
import { test } from "node:test";
import { count, duration, eventName, nearMoment, problemText, relativeMoment, shortDuration } from "../format.js";
import { shortened, statsText, variableText } from "../format.js";

test("a duration has hours, minutes and seconds, without those that are zero", () => {
  const short = [[0, "0 s"], [59, "59 s"], [60, "1 min"]];
  const cases = [...short, [3_661, "1 h 1 min 1 s"], [7_205, "2 h 5 s"], [360_000, "100 h"]];
  for (const [seconds, text] of cases) assert.equal(duration(seconds), text);
  assert.equal(duration(null), "");
});

test("a time of today has no day", () => {
  const now = new Date(2026, 0, 5, 12);
  const noon = new Date(2026, 0, 5, 9, 30).toISOString();
  assert.ok(!nearMoment(noon, now).includes("2026"), nearMoment(noon, now));
  assert.ok(nearMoment(noon, new Date(2026, 0, 6)).includes("2026"));
});

test("a short duration has at most two units", () => {
  const cases = [[59.6, "1 min"], [125, "2 min 5 s"], [7_265, "2 h 1 min"], [90_000, "1 d 1 h"], [172_800, "2 d"]];
  for (const [seconds, text] of cases) assert.equal(shortDuration(seconds), text);
  assert.equal(shortDuration(undefined), "");
});

test("a time is told by its distance, and from a day on by its date", () => {
  const now = Date.UTC(2026, 9, 19, 12);
  const ago = (seconds) => relativeMoment(new Date(now - seconds * 1000).toISOString(), now);
  assert.deepEqual([0, -3, 30, 61, 7_300].map(ago), ["just now", "just now", "30 s ago", "1 min ago", "2 h ago"]);
  assert.equal(ago(-120), "in 2 min");
  assert.ok(!ago(2 * 86_400).includes("2026"), ago(2 * 86_400));
  assert.ok(ago(400 * 86_400).includes("2025"), ago(400 * 86_400));
});

test("a text is cut by characters", () => {
  assert.equal(shortened("Ann", 3), "Ann");
  assert.equal(shortened("Anna", 3), "An…");
  assert.equal(shortened("👩👩👩", 3), "👩👩👩");
  assert.equal(shortened("👩👩👩👩", 3), "👩👩…");
  assert.equal(shortened("Ann", 0), "…");
});

test("numbers have their noun", () => {
  assert.equal(count(1, "session"), "1 session");
  assert.equal(count(0, "session"), "0 sessions");
  const stats = { sessions: 1, events: 5, keys: 7, key_budget: 1024 };
  assert.equal(statsText(stats, "UTC"), "1 session, 5 events, 7 of 1,024 keys; time zone UTC");
  assert.equal(statsText({ ...stats, key_budget: null }, "UTC"), "1 session, 5 events, 7 keys; time zone UTC");
});

test("a variable with several values shows them with commas", () => {
  assert.equal(variableText(["vip", "eu"]), "vip, eu");
  assert.equal(variableText("vip"), "vip");
  assert.equal(variableText({ id: 1 }), '{"id":1}');
  assert.equal(variableText(null), "null");
});

test("events and problems are worded", () => {
  assert.equal(eventName("support_conference_member_added"), "member added");
  assert.equal(eventName("vault_account_checked_out"), "vault account checked out");
  assert.equal(problemText({ variable: "timestamp", reason: "is missing" }), "timestamp is missing");
  assert.equal(problemText({ reason: "is empty" }), "the body is empty");
});
