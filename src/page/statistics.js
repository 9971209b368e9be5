// Sums, rows and words for groups of sessions. Needs no browser: `tests/statistics.test.js`.
import { count, shortDuration } from "./format.js";

export const WEEKDAYS = /** @type {const} */ ([
  ["mon", "Monday"], ["tue", "Tuesday"], ["wed", "Wednesday"], ["thu", "Thursday"], ["fri", "Friday"],
  ["sat", "Saturday"], ["sun", "Sunday"],
]);

/**
 * One entry for each name, with its group or null.
 *
 * @param {string[]} names
 * @param {StatisticsGroup[]} groups
 */
export function withEmptyGroups(names, groups) {
  const known = new Map(groups.map((entry) => [entry.group, entry]));
  return names.map((name) => ({ name, data: known.get(name) ?? null }));
}

/** @param {StatisticsGroup[]} groups */
export function totals(groups) {
  const sum = (/** @type {(group: StatisticsGroup) => number} */ value) =>
    groups.reduce((all, group) => all + value(group), 0);
  return {
    sessions: sum(({ sessions }) => sessions),
    neverAnswered: sum(({ never_answered }) => never_answered),
    transfers: sum(({ transfers }) => transfers),
    unknownBegin: sum(({ unknown }) => unknown.begin),
    unknownWaiting: sum(({ unknown }) => unknown.waiting),
  };
}

/**
 * A share in percent: one digit after the point below 10.
 *
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  if (!whole) return "0 %";
  const share = 100 * part / whole;
  return (share > 0 && share < 10 ? share.toFixed(1) : Math.round(share)) + " %";
}

/** @param {StatisticsGroup[]} groups */
export function sessionsSummary(groups) {
  const { sessions, neverAnswered } = totals(groups);
  if (!sessions) return "No sessions";
  return count(sessions, "session") + ", " + percent(neverAnswered, sessions) + " never answered";
}

/** @param {StatisticsGroup | null} data */
export const groupWords = (data) => data
  ? count(data.sessions, "session") + ", " + data.never_answered + " never answered"
  : "no sessions";

/** @param {StatisticsGroup | null} data */
export const waitWords = (data) => data?.waiting_seconds
  ? "median " + shortDuration(data.waiting_seconds.median) + ", 90 % within " + shortDuration(data.waiting_seconds.p90)
  : "no waiting time known";

/**
 * The number of sessions that the statistics cannot count, in words. Empty if there are none.
 *
 * @param {StatisticsGroup[]} groups
 */
export function unknownWords(groups) {
  const { unknownBegin, unknownWaiting } = totals(groups);
  const parts = [];
  if (unknownBegin) parts.push(count(unknownBegin, "session") + " without a begin event");
  if (unknownWaiting) parts.push(count(unknownWaiting, "session") + " without a known waiting time");
  return parts.join(", ");
}

/**
 * How bad a wait is, by the longest one.
 *
 * @param {number | null} seconds
 */
export function waitLook(seconds) {
  if (seconds === null || seconds < 60) return "calm";
  return seconds < 300 ? "warn" : "alarm";
}

/**
 * Sorts by a column; groups without a value come last.
 *
 * @template T
 * @param {T[]} rows
 * @param {(row: T) => string | number | null} value
 * @param {boolean} descending
 */
export function sorted(rows, value, descending) {
  const direction = descending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [left, right] = [value(one), value(other)];
    if (left === null || right === null) return (left === null ? 1 : 0) - (right === null ? 1 : 0);
    if (typeof left === "string") return direction * left.localeCompare(String(right));
    return direction * (left - Number(right));
  });
}
