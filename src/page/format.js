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

/**
 * A duration by its two largest units: `2 h 5 min`, `45 s`.
 *
 * @param {number | null | undefined} seconds
 */
export function shortDuration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 86_400) return duration(whole < 3_600 ? whole : whole - whole % 60);
  const hours = Math.floor(whole / 3_600) % 24;
  return Math.floor(whole / 86_400) + " d" + (hours ? " " + hours + " h" : "");
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

/**
 * The exact time, for titles.
 *
 * @param {Time} time
 */
export const exactMoment = (time) => new Date(time).toLocaleString([], { dateStyle: "full", timeStyle: "long" });

/**
 * How long ago a time is, or its date if that is a day or more.
 *
 * @param {Time} time
 * @param {number} now milliseconds
 */
export function relativeMoment(time, now) {
  const date = new Date(time);
  const seconds = Math.round((now - date.getTime()) / 1000);
  const distance = Math.abs(seconds);
  const worded = (/** @type {string} */ words) => seconds < 0 ? "in " + words : words + " ago";
  // The clock of the appliance can be a little ahead.
  if (seconds < 5 && seconds > -5) return "just now";
  if (distance < 60) return worded(distance + " s");
  if (distance < 3_600) return worded(Math.floor(distance / 60) + " min");
  if (distance < 86_400) return worded(Math.floor(distance / 3_600) + " h");
  const isThisYear = date.getFullYear() === new Date(now).getFullYear();
  const day = date.toLocaleDateString([], { day: "numeric", month: "short", ...(isThisYear ? {} : { year: "numeric" }) });
  return day + ", " + date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** @param {number} number */
export const grouped = (number) => number.toLocaleString();

/** @param {Time} time */
export const clock = (time) => new Date(time).toLocaleTimeString();

/**
 * @param {number} number
 * @param {string} noun
 */
export const count = (number, noun) => grouped(number) + " " + noun + (number === 1 ? "" : "s");

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

/** @param {Problem} problem */
export const problemText = (problem) => (problem.variable || "the body") + " " + problem.reason;

/** @param {Unreadable} record */
export const unreadableText = (record) => "Cannot be read: " + record.key + ": " + record.reason;

/**
 * @param {Stats} stats
 * @param {string} zone
 */
export function statsText(stats, zone) {
  const keys = stats.key_budget ? grouped(stats.keys) + " of " + count(stats.key_budget, "key") : count(stats.keys, "key");
  return [count(stats.sessions, "session"), count(stats.events, "event"), keys].join(", ") + "; time zone " + zone;
}
