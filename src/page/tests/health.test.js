import assert from "node:assert/strict";
import { test } from "node:test";
import { healthChecks, healthSummary } from "../health.js";

const now = new Date(2026, 9, 19, 12).getTime();
const well = { set_aside: 0, unwell: [], clock_faults: [], sites: [], unreadable: [] };
const site = (minutes, missed = 0) =>
  ({ site: "hq", complete_through: new Date(now - minutes * 60_000).toISOString(), missed });
const summary = (stats) => healthSummary(healthChecks(stats, now), stats, now).join("");
const problems = (stats) => healthChecks(stats, now).filter(({ good }) => !good).map(({ words }) => words);

test("without faults all is well", () => {
  assert.equal(summary(well), "All is well");
  assert.match(summary({ ...well, sites: [site(3)] }), /^All is well, complete through 11:57/);
  assert.deepEqual(problems({ ...well, sites: [{ site: "hq", complete_through: null, missed: null }] }), []);
});

test("each fault is a problem, and the problems come first", () => {
  const stats = {
    ...well,
    set_aside: 2,
    unwell: [{ name: "desk", state: "failing" }],
    clock_faults: [{ site: "hq", detail: "an hour ahead" }],
    sites: [site(125)],
    unreadable: [{ key: "k", reason: "r" }],
  };
  assert.equal(summary(stats), "5 problems");
  assert.ok(problems(stats).includes("Destination desk is failing"));
  assert.ok(problems(stats).includes("2 invalid bodies set aside"));
  assert.ok(problems(stats).some((words) => words.endsWith("2 h 5 min behind")));
  assert.equal(problems({ ...well, set_aside: 1 })[0], "1 invalid body set aside");
});

test("sessions that were never announced are named, and are no fault", () => {
  assert.deepEqual(problems({ ...well, sites: [site(3, 2)] }), []);
  assert.ok(healthChecks({ ...well, sites: [site(3, 2)] }, now).some(({ words }) => words.includes("2 sessions never")));
});
