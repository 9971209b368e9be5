// Times on the screen that go on by themselves: `<time>` elements say which kind they are.
import { html } from "./dom.js";
import { exactMoment, relativeMoment, shortDuration } from "./format.js";

const TICK_MS = 1_000;

/** How much the component's clock is ahead of this one, in milliseconds. */
let ahead = 0;

/** @param {Time} now of the component */
export const setClock = (now) => {
  ahead = Date.parse(now) - Date.now();
};

/** The component's time, in milliseconds. */
export const presentTime = () => Date.now() + ahead;

/**
 * @param {Time} time
 * @param {string} kind
 */
function liveText(time, kind) {
  if (kind === "since") return shortDuration((presentTime() - Date.parse(time)) / 1000);
  return relativeMoment(time, presentTime());
}

/**
 * @param {Time} time
 * @param {string} kind
 */
const liveElement = (time, kind) =>
  html("time", { datetime: time, title: exactMoment(time), "data-live": kind }, liveText(time, kind));

/**
 * How long ago a time is. Its title has the exact time.
 *
 * @param {Time} time
 */
export const timeElement = (time) => liveElement(time, "ago");

/**
 * The time since then, which grows.
 *
 * @param {Time} time
 */
export const sinceElement = (time) => liveElement(time, "since");

function updateTimes() {
  for (const element of document.querySelectorAll("time[data-live]")) {
    const text = liveText(element.getAttribute("datetime") ?? "", element.getAttribute("data-live") ?? "");
    // Text that is set again loses the reader's selection.
    if (element.textContent !== text) element.textContent = text;
  }
}

/** Keeps the times on the screen up to date. */
export const startTicker = () => setInterval(() => document.hidden || updateTimes(), TICK_MS);
