// How the page words values. These functions need no browser: `tests/format.test.js`.

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const parts = [
    [Math.floor(seconds / 3600), "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  return parts.filter(([count]) => count).map(([count, unit]) => count + " " + unit).join(" ") || "0 s";
}

/** @param {Time | null | undefined} time */
export const moment = (time) => time ? new Date(time).toLocaleString() : "";

/**
 * A time without its day, if that is the day of `now`.
 *
 * @param {Time} time
 */
export function nearMoment(time, now = new Date()) {
  const date = new Date(time);
  const isToday = date.toDateString() === now.toDateString();
  return isToday ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : date.toLocaleString();
}

/** @param {Time} time */
export const clock = (time) => new Date(time).toLocaleTimeString();

/**
 * @param {number} number
 * @param {string} noun
 */
export const count = (number, noun) => number + " " + noun + (number === 1 ? "" : "s");

/**
 * Cuts a text to a number of characters.
 *
 * @param {string} text
 * @param {number} fits
 */
export function shortened(text, fits) {
  // By code points: half of a surrogate pair is not a character.
  const characters = [...text];
  return characters.length > fits ? characters.slice(0, Math.max(fits - 1, 0)).join("") + "…" : text;
}

/**
 * The value of a variable. A variable that was sent with several values is an array.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function variableText(value) {
  if (Array.isArray(value)) return value.map(variableText).join(", ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** @param {string} event */
export const eventName = (event) => event.replace("support_conference_", "").replaceAll("_", " ");

/** @param {string} name */
export const nameOrNone = (name) => name || "(no name)";

/** What a session's table shows in other columns, or is the same for all of them. */
const SHOWN_ELSEWHERE = ["event", "version", "timestamp", "lsid"];

/**
 * What an event says besides its name and session, one line for each thing.
 *
 * @param {EventData} data
 */
export function eventDetails(data) {
  const { conference, member, variables, ...rest } = data;
  const further = Object.entries({ ...rest, ...variables }).filter(([name]) => !SHOWN_ELSEWHERE.includes(name));
  const lines = further.map(([name, value]) => name + " = " + variableText(value));
  if (member) {
    const username = member.username ? ", " + member.username : "";
    lines.unshift(nameOrNone(member.name) + " (" + member.type + username + ")");
  }
  if (conference) lines.unshift(conference.name + " (" + conference.kind + ":" + conference.id + ")");
  return lines.join("\n");
}

/** @param {Problem} problem */
export const problemText = (problem) => (problem.variable || "the body") + " " + problem.reason;

/** @param {Unreadable} record */
export const unreadableText = (record) => "Cannot be read: " + record.key + ": " + record.reason;

/**
 * @param {Stats} stats
 * @param {string} zone
 */
export function statsText(stats, zone) {
  const keys = stats.key_budget ? stats.keys + " of " + count(stats.key_budget, "key") : count(stats.keys, "key");
  return [count(stats.sessions, "session"), count(stats.events, "event"), keys].join(", ") + "; time zone " + zone;
}
