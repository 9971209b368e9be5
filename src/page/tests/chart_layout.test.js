import assert from "node:assert/strict";
import { test } from "node:test";
import { groupLabel, layOutBars, layOutHeat, layOutLines } from "../chart_layout.js";

const group = (name, sessions, never_answered = 0, waiting_seconds = null) =>
  ({ group: name, sessions, never_answered, waiting_seconds });
const entry = (name, data) => ({ name, data });
const near = (value, expected) => assert.ok(Math.abs(value - expected) < 0.01, value + " is not " + expected);

// The picture is 444 wide and 134 high: bars stand from 44 to 444, and from 12 to 112.
test("bars have a part for each kind of session, and stand on each other", () => {
  const days = [entry("2026-10-18", null), entry("2026-10-19", group("2026-10-19", 10, 4))];
  const { columns, ticks, area } = layOutBars(days, 444, 134);
  assert.deepEqual([area.left, area.right, area.top, area.bottom], [44, 444, 12, 112]);
  assert.deepEqual(ticks.map(({ text }) => text), ["0", "5", "10"]);
  near(ticks[2].y, 12);
  const [none, bar] = columns;
  assert.deepEqual([none.answered.height, none.missed.height], [0, 0]);
  near(bar.missed.height, 40);
  near(bar.answered.height, 60);
  near(bar.answered.y + bar.answered.height, bar.missed.y);
  near(bar.missed.y + bar.missed.height, 112);
  assert.deepEqual([bar.column.x, bar.column.width], [244, 200]);
});

test("as many labels as fit stand below", () => {
  const days = Array.from({ length: 28 }, (_, index) => entry("2026-02-" + String(index + 1).padStart(2, "0"), null));
  const { labels } = layOutBars(days, 444, 134);
  assert.equal(labels.length, 6);
  assert.equal(labels[0].text, groupLabel("2026-02-01"));
  assert.equal(groupLabel("2026-02-01T09"), "09:00");
});

test("lines are interrupted where nothing is known", () => {
  const spread = (median, p90) => ({ median, p90, max: p90 });
  const days = [spread(60, 120), null, spread(30, 60), spread(60, 60)]
    .map((wait, index) => entry("2026-10-1" + index, wait && group("", 1, 0, wait)));
  const { median, p90, columns } = layOutLines(days, 444, 134);
  assert.equal(median, "M94.0 62.0M294.0 87.0L394.0 62.0");
  assert.equal(p90, "M94.0 12.0M294.0 62.0L394.0 62.0");
  assert.equal(columns[1].points, null);
});

test("the heat map has all hours of the week, and the shades of how much there is", () => {
  const { cells, hours, height, rowHeight } = layOutHeat([group("mon-09", 10), group("sun-23", 1)], 640);
  assert.equal(cells.length, 168);
  assert.deepEqual(cells.filter(({ shade }) => shade).map(({ name, shade }) => [name, shade]), [["mon-09", 5], ["sun-23", 1]]);
  assert.equal(cells[9].title, "Monday, 9:00 to 10:00");
  near(cells[9].x, 40 + 9 * 25);
  assert.equal(hours.length, 12);
  near(height, 18 + 7 * rowHeight);
  assert.equal(layOutHeat([], 340).hours.length, 4);
});
