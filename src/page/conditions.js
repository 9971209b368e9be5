// Conditions of the list that the page checks itself, and all conditions in words. Needs no browser:
// `tests/conditions.test.js`.
import { midnight } from "./query.js";
import { weekHour } from "./range.js";
import { WEEKDAYS } from "./statistics.js";

/** @param {string} text a day or a time */
const timeOf = (text) => Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? midnight(text) : text);

/**
 * Whether a session that the API found satisfies the conditions that the page checks. The API's `from` and `to` select
 * by the first event. Statistics leave out a session whose begin is not known.
 *
 * @param {SessionRow} session
 * @param {Filter} filter
 */
export function isMeant({ start, end, first_event }, { by, hour, from, to }) {
  if (hour && weekHour(start ?? first_event) !== hour) return false;
  if (by !== "begin" && by !== "end") return true;
  const time = by === "begin" ? start : end;
  if (!time) return false;
  return !(from && Date.parse(time) < timeOf(from)) && !(to && Date.parse(time) >= timeOf(to));
}

/** @param {string} hour such as `mon-09` */
function hourWords(hour) {
  const [day, number] = hour.split("-");
  const name = WEEKDAYS.find(([short]) => short === day)?.[1] ?? day;
  return "Began on a " + name + " from " + Number(number) + ":00 to " + (Number(number) + 1) + ":00";
}

/** @param {string | undefined} text */
const exactTime = (text) => text && text.length > 10 && !Number.isNaN(Date.parse(text))
  ? new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })
  : "";

/**
 * The conditions that no field of the form shows, by their names.
 *
 * @param {Filter} filter
 */
export function conditionWords(filter) {
  const { find, q, external_key, answered, representative, team, by, hour, from, to } = filter;
  /** @type {[string, string | undefined | false][]} */
  const all = [
    ["find", find && "Search: " + find],
    ["q", q && "Text: " + q],
    ["external_key", external_key && "External key: " + external_key],
    ["answered", answered === "false" ? "Without a representative" : answered && "With a representative"],
    ["representative", representative && "Representative: " + representative],
    ["team", team && "Team: " + team],
    ["hour", hour && hourWords(hour)],
    ["by", by === "begin" ? "Began in this time" : by === "end" && "Ended in this time"],
    ["from", exactTime(from) && "From " + exactTime(from)],
    ["to", exactTime(to) && "Before " + exactTime(to)],
  ];
  return all.flatMap(([name, words]) => words ? [{ name, words }] : []);
}
