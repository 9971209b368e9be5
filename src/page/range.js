// The stretch of time that the overview shows, in the reader's days. Needs no browser: `tests/range.test.js`.

/** The ranges by the names that they have in the URL. */
export const RANGES = /** @type {const} */ ([
  ["today", "Today"], ["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["custom", "Custom"],
]);

const USUAL = "30";

/** The most days of a picture: a bar for each has to be seen. */
const MOST_DAYS = 366;

/** @typedef {{ name: string, days: string[], from: string, to: string, by: "day" | "hour" }} TimeRange */

/** @param {Date} date */
export function dayName(date) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return date.getFullYear() + "-" + two(date.getMonth() + 1) + "-" + two(date.getDate());
}

/**
 * The day that is `days` after a day, by the calendar.
 *
 * @param {string} day
 * @param {number} days
 */
export function dayAfter(day, days = 1) {
  const date = new Date(day + "T12:00");
  date.setDate(date.getDate() + days);
  return dayName(date);
}

/** @param {string | undefined} day */
const isDay = (day) => /^\d{4}-\d\d-\d\d$/.test(day ?? "") && !Number.isNaN(Date.parse(day + "T12:00"));

/**
 * The first and the last day that a filter names.
 *
 * @param {Filter} filter
 * @param {string} today
 */
function firstAndLast({ range = USUAL, from = "", through = "" }, today) {
  if (range === "custom") {
    const last = isDay(through) ? through : today;
    const first = isDay(from) && from <= last ? from : dayAfter(last, -6);
    return { name: range, first, last };
  }
  const known = RANGES.some(([name]) => name === range) ? range : USUAL;
  return { name: known, first: known === "today" ? today : dayAfter(today, 1 - Number(known)), last: today };
}

/**
 * The range that a filter names, its days, and its times as the API takes them: `to` is the midnight after the last day.
 *
 * @param {Filter} filter
 * @returns {TimeRange}
 */
export function timeRange(filter, now = new Date()) {
  const { name, first, last } = firstAndLast(filter, dayName(now));
  const days = [last];
  while (days[0] !== first && days.length < MOST_DAYS) days.unshift(dayAfter(/** @type {string} */ (days[0]), -1));
  return { name, days, ...dayTimes(/** @type {string} */ (days[0]), dayAfter(last)), by: days.length === 1 ? "hour" : "day" };
}

/**
 * @param {string} first
 * @param {string} after
 */
const dayTimes = (first, after) =>
  ({ from: new Date(first + "T00:00").toISOString(), to: new Date(after + "T00:00").toISOString() });

/**
 * The groups of a range, also those without sessions: days, or the hours of the day.
 *
 * @param {TimeRange} range
 */
export function groupNames({ days, by }) {
  if (by === "day") return days;
  return Array.from({ length: 24 }, (_, hour) => days[0] + "T" + String(hour).padStart(2, "0"));
}

/**
 * The times of a group of days or hours.
 *
 * @param {string} group such as `2026-10-19` or `2026-10-19T14`
 */
export function groupTimes(group) {
  const [day = "", hour] = group.split("T");
  if (hour === undefined) return dayTimes(day, dayAfter(day));
  const from = new Date(day + "T" + hour + ":00");
  return { from: from.toISOString(), to: new Date(from.getTime() + 3_600_000).toISOString() };
}

/**
 * The weekday and hour of a time, as the API names such groups: `mon-09`.
 *
 * @param {Time} time
 */
export function weekHour(time) {
  const date = new Date(time);
  const weekday = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][date.getDay()];
  return weekday + "-" + String(date.getHours()).padStart(2, "0");
}
