import assert from "node:assert/strict";
import { test } from "node:test";
import { LatestRun } from "../latest.js";

/** Work that ends when it is let go. */
function pending() {
  let end = () => {};
  const ended = new Promise((resolve) => end = resolve);
  const signals = [];
  const work = async (signal) => {
    signals.push(signal);
    await ended;
  };
  return { work, end, signals };
}

test("a timer does not restart what is under way", async () => {
  const run = new LatestRun();
  const search = pending();
  const searching = run.start(search.work);
  const other = pending();
  await run.start(other.work, true);
  assert.equal(other.signals.length, 0);
  assert.equal(search.signals[0].aborted, false);
  search.end();
  await searching;
  other.end();
  await run.start(other.work, true);
  assert.equal(other.signals.length, 1);
});

test("what a reader asks for aborts what is under way", async () => {
  const run = new LatestRun();
  const older = pending();
  const newer = pending();
  const first = run.start(older.work);
  const second = run.start(newer.work);
  assert.equal(older.signals[0].aborted, true);
  assert.equal(newer.signals[0].aborted, false);
  // An older one that ends late leaves the newer one under way.
  older.end();
  await first;
  await run.start(() => assert.fail("the newer one is under way"), true);
  newer.end();
  await second;
});

test("a failure is passed on, and the next one starts", async () => {
  const run = new LatestRun();
  await assert.rejects(run.start(() => Promise.reject(new Error("no"))), /no/);
  let started = false;
  await run.start(async () => {
    started = true;
  }, true);
  assert.ok(started);
});

test("what is stopped is aborted", async () => {
  const run = new LatestRun();
  const work = pending();
  const running = run.start(work.work);
  run.stop();
  assert.equal(work.signals[0].aborted, true);
  work.end();
  await running;
});

test("a timer starts nothing for a while after long work", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  const run = new LatestRun();
  let started = 0;
  const lasting = (milliseconds) => async () => {
    started++;
    context.mock.timers.tick(milliseconds);
  };
  await run.start(lasting(400));
  await run.start(lasting(2_000), true);
  assert.equal(started, 2);
  context.mock.timers.tick(7_900);
  await run.start(lasting(0), true);
  assert.equal(started, 2);
  // The reader does not wait.
  await run.start(lasting(0));
  assert.equal(started, 3);
  context.mock.timers.tick(200);
  await run.start(lasting(0), true);
  assert.equal(started, 4);
});
