import assert from "node:assert/strict";
import { test } from "node:test";
import { count, duration, eventDetails, eventName, nearMoment, problemText } from "../format.js";
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
  assert.equal(statsText(stats, "UTC"), "1 session, 5 events, 7 of 1024 keys; time zone UTC");
  assert.equal(statsText({ ...stats, key_budget: null }, "UTC"), "1 session, 5 events, 7 keys; time zone UTC");
});

test("a variable with several values shows them with commas", () => {
  assert.equal(variableText(["vip", "eu"]), "vip, eu");
  assert.equal(variableText("vip"), "vip");
  assert.equal(variableText({ id: 1 }), '{"id":1}');
  assert.equal(variableText(null), "null");
});

test("the details of an event have its member, its conference and its variables", () => {
  const common = { event: "support_conference_member_added", version: "1", timestamp: 1, lsid: "one" };
  const member = { type: "external_representative", name: "Ann", username: "ann" };
  const variables = { "session.custom.tags[]": ["vip", "eu"] };
  const added = { ...common, member, external_key: "INC-1", variables };
  assert.equal(
    eventDetails(added),
    "Ann (external_representative, ann)\nexternal_key = INC-1\nsession.custom.tags[] = vip, eu",
  );
  const conference = { kind: "team", id: "7", name: "Desk" };
  assert.equal(eventDetails({ ...common, conference }), "Desk (team:7)");
  assert.equal(eventDetails({ ...common, member: { type: "customer", name: "" } }), "(no name) (customer)");
  assert.equal(eventDetails(common), "");
});

test("events and problems are worded", () => {
  assert.equal(eventName("support_conference_member_added"), "member added");
  assert.equal(eventName("vault_account_checked_out"), "vault account checked out");
  assert.equal(problemText({ variable: "timestamp", reason: "is missing" }), "timestamp is missing");
  assert.equal(problemText({ reason: "is empty" }), "the body is empty");
});
