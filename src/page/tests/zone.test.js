import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneRule } from "../zone.js";

/** Minutes east of UTC, by the zone data of Node. */
function offsets(timeZone) {
  const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" });
  return (time) => {
    const name = format.formatToParts(time).find(({ type }) => type === "timeZoneName").value;
    const [, sign, hours, minutes] = /^GMT(?:([+-])(\d+):(\d+))?$/.exec(name);
    return sign ? (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) : 0;
  };
}

const rule = (zone, year = 2026) => zoneRule(Date.UTC(year, 9, 19), offsets(zone));

test("zones without changes are offsets", () => {
  assert.equal(rule("UTC"), "UTC");
  assert.equal(rule("Asia/Kolkata"), "+05:30");
  assert.equal(rule("Asia/Kathmandu"), "+05:45");
  assert.equal(rule("America/Phoenix"), "-07:00");
  assert.equal(rule("Pacific/Marquesas"), "-09:30");
});

test("zones with daylight time are POSIX rules", () => {
  for (const year of [2024, 2025, 2026, 2027, 2028]) {
    assert.equal(rule("Europe/Berlin", year), "STD-1DST,M3.5.0,M10.5.0/3", year);
    assert.equal(rule("Europe/London", year), "STD0DST,M3.5.0/1,M10.5.0", year);
    assert.equal(rule("America/New_York", year), "STD5DST,M3.2.0,M11.1.0", year);
    assert.equal(rule("America/St_Johns", year), "STD3:30DST,M3.2.0,M11.1.0", year);
  }
});

test("daylight time can begin in autumn, and be half an hour", () => {
  assert.equal(rule("Australia/Sydney"), "STD-10DST,M10.1.0,M4.1.0/3");
  assert.equal(rule("Australia/Lord_Howe"), "STD-10:30DST-11,M10.1.0,M4.1.0");
  assert.equal(rule("America/Santiago"), "STD4DST,M9.1.0/0,M4.1.0/0");
});

test("a zone that no rule fits has its offset of now", () => {
  const often = (time) => new Date(time).getUTCMonth() % 2 * 60;
  assert.equal(zoneRule(Date.UTC(2026, 0, 5), often), "UTC");
  assert.equal(zoneRule(Date.UTC(2026, 1, 5), often), "+01:00");
});
