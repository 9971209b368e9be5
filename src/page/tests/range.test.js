import assert from "node:assert/strict";
import { test } from "node:test";
import { dayAfter, groupNames, groupTimes, timeRange, weekHour } from "../range.js";

const now = new Date(2026, 9, 19, 15, 30);
const local = (...parts) => new Date(...parts).toISOString();

test("a range has its days, and ends with today", () => {
  const week = timeRange({ range: "7" }, now);
  assert.equal(week.days.length, 7);
  assert.deepEqual([week.days[0], week.days.at(-1), week.by], ["2026-10-13", "2026-10-19", "day"]);
  assert.deepEqual([week.from, week.to], [local(2026, 9, 13), local(2026, 9, 20)]);
  assert.equal(timeRange({}, now).days.length, 30);
  assert.equal(timeRange({ range: "nonsense" }, now).name, "30");
});

test("one day is shown by its hours", () => {
  const today = timeRange({ range: "today" }, now);
  assert.deepEqual([today.days, today.by], [["2026-10-19"], "hour"]);
  const hours = groupNames(today);
  assert.deepEqual([hours.length, hours[0], hours[23]], [24, "2026-10-19T00", "2026-10-19T23"]);
});

test("a custom range holds its last day, and days that make no sense are replaced", () => {
  const custom = (from, through) => timeRange({ range: "custom", from, through }, now).days;
  assert.deepEqual(custom("2026-02-27", "2026-03-01"), ["2026-02-27", "2026-02-28", "2026-03-01"]);
  assert.equal(custom("2026-03-02", "2026-03-01").length, 7);
  assert.equal(custom("x", "y").at(-1), "2026-10-19");
  assert.equal(custom("1990-01-01", "2026-01-01").length, 366);
});

test("days follow the calendar, also where the clock changes", () => {
  assert.equal(dayAfter("2026-10-25"), "2026-10-26");
  assert.equal(dayAfter("2026-03-01", -1), "2026-02-28");
});

test("a group has its times", () => {
  assert.deepEqual(groupTimes("2026-10-19"), { from: local(2026, 9, 19), to: local(2026, 9, 20) });
  assert.deepEqual(groupTimes("2026-10-19T14"), { from: local(2026, 9, 19, 14), to: local(2026, 9, 19, 15) });
  assert.equal(weekHour(local(2026, 9, 19, 9, 59)), "mon-09");
});
