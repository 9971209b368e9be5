import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut, legend, memberKind } from "../timeline.js";

const at = (seconds) => new Date(Date.UTC(2026, 0, 5) + seconds * 1000).toISOString();

/** A session of 100 seconds. In a picture 420 wide, 126 to 400 is the time: 2.74 a second. */
const session = (more) => ({
  lsid: "one",
  end: null,
  owners: [],
  participants: [],
  surveys: [],
  events: [{ time: at(0) }, { time: at(100) }],
  ...more,
});

const WIDTH = 420;
const near = (value, expected) => assert.ok(Math.abs(value - expected) < 0.01, value + " is not " + expected);

test("owners share a lane, and each owns until the next", () => {
  const owners = [
    { kind: "team", name: "Desk", since: at(0) },
    { kind: "rep", name: "Ann", since: at(25) },
  ];
  const { lanes, left, right, start, end } = layOut(session({ owners, end: at(75) }), WIDTH);
  assert.deepEqual([left, right, start, end], [126, 400, at(0), at(100)]);
  assert.equal(lanes.length, 1);
  const [desk, ann] = lanes[0].bars;
  near(desk.x, 126);
  near(desk.width, 68.5);
  near(ann.x, 194.5);
  near(ann.width, 137);
  assert.deepEqual([desk.span.kind, ann.span.kind], ["team", "representative"]);
  assert.deepEqual([desk.label, ann.label], ["Desk", "Ann"]);
});

test("a member who comes again keeps the lane", () => {
  const ann = { type: "customer", name: "Ann" };
  const participants = [
    { ...ann, joined: null, left: at(10) },
    { ...ann, joined: at(50), left: null },
    { ...ann, type: "representative", joined: at(50), left: null },
  ];
  const { lanes, height } = layOut(session({ participants }), WIDTH);
  assert.deepEqual(lanes.map(({ name, bars }) => [name, bars.length]), [["Ann", 2], ["Ann", 1]]);
  assert.deepEqual(lanes.map(({ y }) => y), [24, 50]);
  assert.equal(height, 86);
  const [first, second] = lanes[0].bars;
  near(first.x, 126);
  near(second.x + second.width, 400);
});

test("a survey is a moment, and is wide enough to be seen", () => {
  const surveys = [{ by: "customer", completed: at(100) }];
  const { lanes } = layOut(session({ surveys }), WIDTH);
  const [bar] = lanes[0].bars;
  near(bar.x, 400);
  assert.equal(bar.width, 4);
  assert.equal(bar.label, "");
});

test("a session of one event has a picture", () => {
  const participants = [{ type: "customer", name: "", joined: at(0), left: null }];
  const { lanes } = layOut(session({ participants, events: [{ time: at(0) }] }), WIDTH);
  assert.equal(lanes[0].name, "(no name)");
  const [bar] = lanes[0].bars;
  assert.ok(Number.isFinite(bar.x) && Number.isFinite(bar.width));
});

test("a long name is cut to the room for it", () => {
  const participants = [{ type: "customer", name: "x".repeat(100), joined: at(0), left: null }];
  const { lanes } = layOut(session({ participants }), WIDTH);
  assert.equal(lanes[0].label, "x".repeat(15) + "…");
});

test("members of any type have a look, and the legend names their types", () => {
  assert.equal(memberKind("customer"), "customer");
  assert.equal(memberKind("external_representative"), "other");
  const member = (type) => ({ type, name: "Ann", joined: at(0), left: null });
  const participants = ["customer", "auditor", "guest", "auditor"].map(member);
  assert.deepEqual(legend(session({ participants })).at(-1), ["other", "auditor, guest"]);
  assert.equal(legend(session({})).length, 4);
});
