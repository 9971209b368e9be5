import assert from "node:assert/strict";
import { test } from "node:test";
import { isMissed, missingReport, siteNote } from "../completeness.js";
import { nearMoment } from "../format.js";

const at = (seconds) => new Date(Date.UTC(2026, 0, 5, 12) + seconds * 1000).toISOString();

const working = {
  site: "hq",
  state: "working",
  complete_through: at(0),
  behind_seconds: 120,
  polled: false,
  missed: 0,
  next_check: at(300),
  unreadable: {},
};

const failing = { ...working, state: "unreachable", detail: "it cannot be reached: refused", failing_since: at(60) };

test("a site says through when it is complete", () => {
  const complete = "hq: complete through " + nearMoment(at(0));
  assert.deepEqual(siteNote(working), { words: complete, missed: "", fault: "" });
  assert.equal(siteNote({ ...working, missed: 3 }).missed, "3 sessions were never announced");
  assert.equal(siteNote({ ...working, missed: 1 }).missed, "1 session was never announced");
  assert.equal(siteNote({ ...working, state: "not-checked", complete_through: null }).words, "hq: not checked yet");
  assert.match(siteNote({ ...working, polled: true }).words, /; it sends no events, so/);
});

test("a fault and an hour behind are warnings", () => {
  assert.equal(siteNote(failing).fault,
    "Checks have failed since " + nearMoment(at(60)) + ": it cannot be reached: refused.");
  assert.equal(siteNote({ ...working, behind_seconds: 3600 }).fault, "");
  assert.equal(siteNote({ ...working, behind_seconds: 3660 }).fault, "That is 1 h 1 min behind the appliance's clock.");
});

test("a session is missed once its event would have come", () => {
  const session = { site: "hq", announced: false, last_event: at(-3601) };
  assert.equal(isMissed(session, [working]), true);
  assert.equal(isMissed({ ...session, announced: true }, [working]), false);
  assert.equal(isMissed({ ...session, last_event: at(-3600) }, [working]), false);
  assert.equal(isMissed({ ...session, site: "other" }, [working]), false);
  assert.equal(isMissed(session, [{ ...working, polled: true }]), false);
  assert.equal(isMissed(session, [{ ...working, complete_through: null }]), false);
  assert.equal(isMissed(session, []), false);
});

test("without a report the page says when it is asked for, and why there is none", () => {
  const session = { lsid: "one", state: "ended", end: at(0) };
  const next = nearMoment(at(300));
  assert.equal(missingReport(session, undefined), "");
  assert.equal(missingReport(session, working), "There is no report yet: it will be asked for by " + next + ".");
  assert.equal(missingReport(session, { ...working, next_check: null }),
    "There is no report yet: it will be asked for with the next check.");
  assert.match(missingReport(session, failing), /will be asked for by .*\. Checks have failed since .*: it cannot be/);
  assert.equal(missingReport({ ...session, state: "open", end: null }, working),
    "The report is fetched once the session has ended.");
  const unreadable = { ...working, unreadable: { one: "its report is not ready yet" } };
  assert.equal(missingReport(session, unreadable),
    "There is no report yet: its report is not ready yet. It will be asked for again by " + next + ".");
  assert.match(missingReport({ ...session, end: at(-7200) }, unreadable), /once more a day after the session's end\.$/);
  assert.match(missingReport({ ...session, end: at(-7200) }, working), /^There is no report: the appliance has not listed/);
});
