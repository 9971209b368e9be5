// The geometry of the overview's pictures, in pixels. Needs no browser: `tests/chart_layout.test.js`.
import { countTicks, durationTicks, tickText } from "./scale.js";
import { WEEKDAYS } from "./statistics.js";

/** @typedef {{ name: string, data: StatisticsGroup | null }} Entry */
/** @typedef {{ y: number, text: string }} Tick */

const PLOT_TOP = 12;
const BOTTOM = 22;
/** The room for the labels of an axis. */
const LEFT = 44;
/** About the width of a label below the picture. */
const LABEL_WIDTH = 64;

/**
 * @param {number} width
 * @param {number} height
 * @param {number} entries
 */
function plotArea(width, height, entries) {
  return { left: LEFT, right: width, top: PLOT_TOP, bottom: height - BOTTOM, step: (width - LEFT) / Math.max(entries, 1) };
}

/**
 * The label of a day or an hour below a picture.
 *
 * @param {string} name `2026-10-19` or `2026-10-19T14`
 */
export function groupLabel(name) {
  const [day = "", hour] = name.split("T");
  if (hour !== undefined) return hour + ":00";
  return new Date(day + "T12:00").toLocaleDateString([], { day: "numeric", month: "short" });
}

/**
 * A group in full, for readers of one bar.
 *
 * @param {string} name
 */
export function groupTitle(name) {
  const [day = "", hour] = name.split("T");
  const date = new Date(day + "T12:00")
    .toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });
  return hour === undefined ? date : date + ", " + hour + ":00";
}

/**
 * The labels below a picture: as many as fit.
 *
 * @param {string[]} names
 * @param {{ left: number, right: number, step: number }} area
 */
function axisLabels(names, { left, right, step }) {
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / step));
  const x = (/** @type {number} */ index) => Math.min(left + (index + 0.5) * step, right - LABEL_WIDTH / 3);
  return names.flatMap((name, index) => index % every === 0 ? { x: x(index), text: groupLabel(name) } : []);
}

/**
 * @param {number[]} ticks
 * @param {(value: number) => number} y
 * @param {(value: number) => string} text
 * @returns {Tick[]}
 */
const axisTicks = (ticks, y, text) => ticks.map((tick) => ({ y: y(tick), text: text(tick) }));

/**
 * A column for each group, with a bar of two parts: the sessions that were never answered below, the others above.
 *
 * @param {Entry[]} entries
 * @param {number} width
 * @param {number} height
 */
export function layOutBars(entries, width, height) {
  const area = plotArea(width, height, entries.length);
  const ticks = countTicks(Math.max(0, ...entries.map(({ data }) => data?.sessions ?? 0)));
  const scale = (area.bottom - area.top) / /** @type {number} */ (ticks.at(-1));
  const y = (/** @type {number} */ value) => area.bottom - value * scale;
  const gap = Math.min(8, area.step * 0.28);
  const columns = entries.map((entry, index) => {
    const { sessions = 0, never_answered: missed = 0 } = entry.data ?? {};
    return {
      entry,
      column: { x: area.left + index * area.step, width: area.step },
      x: area.left + index * area.step + gap / 2,
      width: area.step - gap,
      missed: { y: y(missed), height: missed * scale },
      answered: { y: y(sessions), height: (sessions - missed) * scale },
    };
  });
  const labels = axisLabels(entries.map(({ name }) => name), area);
  return { area, columns, labels, ticks: axisTicks(ticks, y, (tick) => tick.toLocaleString()) };
}

/**
 * Lines of the median and of the 90th percentile. A group without a value interrupts them.
 *
 * @param {Entry[]} entries
 * @param {number} width
 * @param {number} height
 */
export function layOutLines(entries, width, height) {
  const area = plotArea(width, height, entries.length);
  const ticks = durationTicks(Math.max(0, ...entries.map(({ data }) => data?.waiting_seconds?.p90 ?? 0)));
  const scale = (area.bottom - area.top) / /** @type {number} */ (ticks.at(-1));
  const y = (/** @type {number} */ value) => area.bottom - value * scale;
  const x = (/** @type {number} */ index) => area.left + (index + 0.5) * area.step;
  const columns = entries.map((entry, index) => {
    const spread = entry.data?.waiting_seconds;
    const points = spread ? { median: y(spread.median), p90: y(spread.p90) } : null;
    return { entry, x: x(index), column: { x: area.left + index * area.step, width: area.step }, points };
  });
  const path = (/** @type {"median" | "p90"} */ which) => columns.map(({ x, points }, index) =>
    points ? (columns[index - 1]?.points ? "L" : "M") + x.toFixed(1) + " " + points[which].toFixed(1) : "").join("");
  const labels = axisLabels(entries.map(({ name }) => name), area);
  return { area, columns, labels, ticks: axisTicks(ticks, y, tickText), median: path("median"), p90: path("p90") };
}

/** The room for the names of weekdays. */
const DAYS_WIDTH = 40;
const HEAT_TOP = 18;
/** The room for the name of an hour. */
const HOUR_WIDTH = 44;

/** Looks of cells, from few sessions to many: 1 to this. */
const SHADES = 5;

/**
 * A cell for each weekday and hour.
 *
 * @param {StatisticsGroup[]} groups
 * @param {number} width
 */
export function layOutHeat(groups, width) {
  const known = new Map(groups.map((group) => [group.group, group]));
  const most = Math.max(1, ...groups.map(({ sessions }) => sessions));
  const step = (width - DAYS_WIDTH) / 24;
  const rowHeight = Math.max(16, Math.min(26, step));
  const cells = WEEKDAYS.flatMap(([day, title], row) => Array.from({ length: 24 }, (_, hour) => {
    const name = day + "-" + String(hour).padStart(2, "0");
    const data = known.get(name) ?? null;
    const shade = data?.sessions ? Math.max(1, Math.ceil(data.sessions / most * SHADES)) : 0;
    const [x, y] = [DAYS_WIDTH + hour * step, HEAT_TOP + row * rowHeight];
    return { name, data, shade, title: title + ", " + hour + ":00 to " + (hour + 1) + ":00", x, y };
  }));
  const days = WEEKDAYS.map(([, title], row) => ({ text: title.slice(0, 3), y: HEAT_TOP + (row + 0.5) * rowHeight }));
  const every = [2, 3].find((hours) => hours * step >= HOUR_WIDTH) ?? 6;
  const hours = Array.from({ length: 24 / every }, (_, index) =>
    ({ text: index * every + ":00", x: DAYS_WIDTH + index * every * step }));
  return { cells, days, hours, step, rowHeight, height: HEAT_TOP + 7 * rowHeight, most };
}
