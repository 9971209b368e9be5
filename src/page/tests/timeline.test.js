import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut, legend, memberKind, sessionStretch, timelineWords, transferTimes, zoomed } from "../timeline.js";

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
  assert.deepEqual(lanes.map(({ y }) => y), [28, 54]);
  assert.equal(height, 90);
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
  assert.equal(legend(session({})).length, 3);
});

test("the customer waits until the first representative joins, or the session ends", () => {
  const joins = (seconds) => ({ type: "representative", name: "Ann", joined: at(seconds), left: null });
  const wait = (more, view) =>
    layOut(session({ start: at(0), ...more }), WIDTH, view).lanes.find(({ name }) => name === "waiting")?.bars[0];
  near(wait({ participants: [joins(50), joins(25)] }).width, 68.5);
  assert.equal(wait({ participants: [joins(0)] }), undefined);
  assert.equal(wait({ end: at(100) }).span.title, "never answered");
  const open = wait({ state: "open" }, { now: Date.parse(at(200)) });
  assert.deepEqual([open.span.title, open.span.until], ["still waiting", at(200)]);
  assert.equal(wait({ participants: [{ ...joins(0), joined: null }] }), undefined);
});

test("owners after the first representative are transfers", () => {
  const owner = (kind, seconds) => ({ kind, id: "1", name: kind + seconds, since: at(seconds) });
  const owners = [owner("team", 0), owner("rep", 10), owner("team", 50), owner("rep", 60)];
  assert.deepEqual(transferTimes(session({ owners })).map(({ since }) => since), [at(50), at(60)]);
  assert.deepEqual(transferTimes(session({ owners: [owner("team", 0)] })), []);
  const { transfers } = layOut(session({ owners }), WIDTH);
  near(transfers[0].x, 126 + 137);
  assert.ok(legend(session({ owners })).some(([kind]) => kind === "transfer"));
  assert.match(timelineWords(session({ owners }), layOut(session({ owners }), WIDTH)), /^Timeline of session one, 1 min 40 s: owner; 2 transfers$/);
});

test("the scale counts from the start, also in a part", () => {
  const whole = layOut(session({}), WIDTH);
  assert.deepEqual(whole.ticks.map(({ text }) => text), ["0", "30 s", "1 min", "1:30 min"]);
  near(whole.ticks[1].x, 126 + 30 * 2.74);
  const shown = { from: Date.parse(at(50)), to: Date.parse(at(75)) };
  const participants = [{ type: "customer", name: "Ann", joined: at(0), left: at(60) }, { type: "customer", name: "Bob", joined: at(0), left: at(9) }];
  const part = layOut(session({ participants }), WIDTH, { shown });
  assert.deepEqual(part.ticks.map(({ text }) => text), ["50 s", "1 min", "1:10 min"]);
  const [ann, bob] = part.lanes;
  near(ann.bars[0].x, 126);
  near(ann.bars[0].width, 274 * 0.4);
  assert.deepEqual(bob.bars, []);
});

test("steps of the reader stay within the session", () => {
  const all = { from: 0, to: 80_000 };
  const inner = zoomed(all, null, "in");
  assert.deepEqual(inner, { from: 20_000, to: 60_000 });
  assert.deepEqual(zoomed(all, inner, "left"), { from: 10_000, to: 50_000 });
  assert.deepEqual(zoomed(all, { from: 60_000, to: 80_000 }, "right"), { from: 60_000, to: 80_000 });
  assert.equal(zoomed(all, inner, "out"), null);
  assert.equal(zoomed(all, inner, "all"), null);
  assert.equal(zoomed({ from: 0, to: 9_000 }, null, "in"), null);
  assert.deepEqual(sessionStretch(session({ state: "open" }), Date.parse(at(500))).to, Date.parse(at(500)));
});
