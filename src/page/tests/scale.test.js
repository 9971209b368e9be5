import assert from "node:assert/strict";
import { test } from "node:test";
import { countTicks, durationTicks, stretchTicks, tickText } from "../scale.js";

test("counts have whole steps of 1, 2 or 5", () => {
  assert.deepEqual(countTicks(0), [0, 1]);
  assert.deepEqual(countTicks(3), [0, 1, 2, 3]);
  assert.deepEqual(countTicks(37), [0, 10, 20, 30, 40]);
  assert.deepEqual(countTicks(1234), [0, 500, 1000, 1500]);
});

test("durations have steps of a clock", () => {
  assert.deepEqual(durationTicks(0), [0, 1]);
  assert.deepEqual(durationTicks(200), [0, 60, 120, 180, 240]);
  assert.deepEqual(durationTicks(7000), [0, 1800, 3600, 5400, 7200]);
});

test("a stretch has the ticks within it", () => {
  assert.deepEqual(stretchTicks(0, 300, 5), [0, 60, 120, 180, 240, 300]);
  assert.deepEqual(stretchTicks(65, 130, 3), [90, 120]);
  assert.deepEqual(stretchTicks(10, 10, 3), [10]);
});

test("ticks are worded shortly", () => {
  const texts = [0, 45, 60, 90, 900, 3600, 5400, 86_400].map(tickText);
  assert.deepEqual(texts, ["0", "45 s", "1 min", "1:30 min", "15 min", "1 h", "1:30 h", "1 d"]);
});
