// The reader's time zone in a form that the API can read without zone data. Needs no browser: `tests/zone.test.js`.

const MINUTE = 60_000;
const DAY = 86_400_000;

/** @typedef {(time: number) => number} OffsetAt minutes east of UTC at a time in milliseconds */
/** @typedef {{ at: number, before: number, after: number }} Transition */

/** @type {OffsetAt} */
const localOffset = (time) => -new Date(time).getTimezoneOffset();

const padded = (/** @type {number} */ number) => String(number).padStart(2, "0");

/** @param {number} minutes east of UTC */
function fixedZone(minutes) {
  const whole = Math.abs(Math.round(minutes));
  return whole === 0 ? "UTC" : (minutes < 0 ? "-" : "+") + padded(Math.floor(whole / 60)) + ":" + padded(whole % 60);
}

/**
 * `2`, `5:30` or `-1`, as POSIX writes hours.
 *
 * @param {number} minutes
 */
function posixHours(minutes) {
  const whole = Math.abs(minutes);
  return (minutes < 0 ? "-" : "") + Math.floor(whole / 60) + (whole % 60 ? ":" + padded(whole % 60) : "");
}

/**
 * The changes of the offset in a year.
 *
 * @param {number} year
 * @param {OffsetAt} offsetAt
 */
function transitions(year, offsetAt) {
  /** @type {Transition[]} */
  const found = [];
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += DAY) {
    let [low, high] = [day, day + DAY];
    const [before, after] = [offsetAt(low), offsetAt(high)];
    if (before === after) continue;
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE) * MINUTE;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    found.push({ at: high, before, after });
  }
  return found;
}

/**
 * The time of a week's day in a year, in milliseconds by the local clock. Week 5 is the last.
 *
 * @param {number} year
 * @param {{ month: number, week: number, weekday: number, minutes: number }} rule
 */
function ruleTime(year, { month, week, weekday, minutes }) {
  const first = new Date(Date.UTC(year, month, 1)).getUTCDay();
  const days = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  let date = 1 + (weekday - first + 7) % 7 + (week - 1) * 7;
  if (date > days) date -= 7;
  return Date.UTC(year, month, date) + minutes * MINUTE;
}

/**
 * A change as a rule for every year, such as `M3.5.0`. A day that is both the fourth and the last of its name is the one
 * that the years around have.
 *
 * @param {Transition} transition
 * @param {OffsetAt} offsetAt
 */
function transitionRule({ at, before, after }, offsetAt) {
  const wall = new Date(at + before * MINUTE);
  const [year, month, date] = [wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate()];
  const minutes = wall.getUTCHours() * 60 + wall.getUTCMinutes();
  const isLast = date + 7 > new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const rules = [...(isLast ? [5] : []), ...(date <= 28 ? [Math.ceil(date / 7)] : [])]
    .map((week) => ({ month, week, weekday: wall.getUTCDay(), minutes }));
  const holds = (/** @type {typeof rules[0]} */ rule) => [year - 1, year + 1].filter((other) => {
    const time = ruleTime(other, rule) - before * MINUTE;
    return offsetAt(time - MINUTE) === before && offsetAt(time) === after;
  }).length;
  const { week, weekday } = rules.reduce((best, rule) => holds(rule) > holds(best) ? rule : best);
  return "M" + (month + 1) + "." + week + "." + weekday + (minutes === 120 ? "" : "/" + posixHours(minutes));
}

/**
 * The zone in the form of the API: `UTC`, `+05:30`, or a POSIX rule if the offset changes twice in the year. A zone with
 * any other number of changes has the offset of `time`.
 *
 * @param {number} time milliseconds
 * @param {OffsetAt} offsetAt
 */
export function zoneRule(time, offsetAt = localOffset) {
  const year = new Date(time).getUTCFullYear();
  const changes = transitions(year, offsetAt);
  const begin = changes.find(({ before, after }) => after > before);
  const end = changes.find(({ before, after }) => after < before);
  const isDaylight = changes.length === 2 && begin && end && begin.before === end.after && begin.after === end.before;
  if (!isDaylight) return fixedZone(offsetAt(time));
  // POSIX counts offsets to the west. The names mean nothing to the API.
  const daylight = begin.after - begin.before === 60 ? "" : posixHours(-begin.after);
  const rules = [begin, end].map((change) => transitionRule(change, offsetAt));
  return "STD" + posixHours(-begin.before) + "DST" + daylight + "," + rules.join(",");
}
