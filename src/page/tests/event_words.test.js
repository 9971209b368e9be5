import assert from "node:assert/strict";
import { test } from "node:test";
import { eventLook, eventWords, sessionFields } from "../event_words.js";

const event = (name, more) => ({ event: "support_conference_" + name, version: "1", timestamp: 1, lsid: "one", ...more });

test("the events of the guide are sentences", () => {
  const member = { type: "customer", name: "Warren Heller" };
  const words = (name, more) => eventWords(event(name, more));
  assert.equal(words("begin"), "The session began");
  assert.equal(words("end"), "The session ended");
  assert.equal(words("member_added", { member }), "Warren Heller joined as customer");
  assert.equal(words("member_added", { member: { type: "representative", name: "Ann", username: "ann" } }),
    "Ann (ann) joined as representative");
  assert.equal(words("member_departed", { member: { type: "customer", name: "" } }), "(no name) left");
  const conference = { kind: "rep", id: "12", name: "Ann" };
  assert.equal(words("owner_changed", { conference }), "Ann became the owner");
  assert.equal(words("owner_changed", { conference: { ...conference, kind: "team", name: "Desk" } }),
    "The team Desk became the owner");
  assert.equal(words("owner_changed", { conference: { ...conference, kind: "queue" } }), "Ann (queue) became the owner");
  assert.equal(words("rep_exit_survey_completed"), "The representative completed the exit survey");
});

test("any other event has its name", () => {
  assert.equal(eventWords({ event: "vault_account_checked_out" }), "vault account checked out");
  assert.equal(eventLook({ event: "vault_account_checked_out" }), "plain");
});

test("marks tell members, owners and surveys apart", () => {
  const look = (name, more) => eventLook(event(name, more));
  assert.equal(look("member_added", { member: { type: "auditor", name: "" } }), "other");
  assert.equal(look("member_departed", { member: { type: "customer", name: "" } }), "customer");
  assert.equal(look("owner_changed", { conference: { kind: "team", id: "1", name: "" } }), "team");
  assert.equal(look("customer_exit_survey_completed"), "mark");
});

test("fields of the session stand once, and changes stand where they happened", () => {
  const fields = (key, variables) => ({ external_key: key, variables });
  const result = sessionFields([
    event("begin", fields("INC-1", { asset: "A-7", "tags[]": ["vip", "eu"] })),
    event("member_added", fields("INC-1", { asset: "A-7" })),
    event("end", fields("INC-2", { asset: "A-7", reason: "done" })),
  ]);
  assert.deepEqual(result.fields, [["external_key", "INC-2"], ["asset", "A-7"], ["tags[]", "vip, eu"]]);
  assert.deepEqual(result.lines, [[], [], ["external_key changed from INC-1 to INC-2", "reason = done"]]);
});

test("the fields of a single event stay with it", () => {
  const result = sessionFields([event("member_added", { variables: { "tags[]": ["vip", "eu"] } })]);
  assert.deepEqual(result, { fields: [], lines: [["tags[] = vip, eu"]] });
});
