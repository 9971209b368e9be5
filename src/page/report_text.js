// What the appliance's report of a session says, worded. These functions need no browser: `tests/report_text.test.js`.
import { count, duration, moment } from "./format.js";

/** @typedef {{ time: Time, data: EventData }} StoredEvent */

/** @param {StoredEvent} event */
export const isReport = ({ data }) => data.event === "session.report";

/**
 * The report that counts: the one that was fetched last, of equal ones the last.
 *
 * @param {StoredEvent[]} events
 */
export function latestReport(events) {
  let latest = null;
  for (const { data } of events) {
    const { report, fetched } = data;
    if (!report || !fetched) continue;
    if (!latest || Date.parse(latest.fetched) <= Date.parse(fetched)) {
      latest = { report, fetched };
    }
  }
  return latest;
}

/**
 * The address of a link, if it is one of the web. Any other text, such as `javascript:`, is none.
 *
 * @param {string | undefined} text
 */
export function webAddress(text) {
  if (!text || !/^https?:\/\//i.test(text)) return null;
  try {
    return new URL(text).href;
  } catch {
    return null;
  }
}

/**
 * The links to the appliance, each with its words and its address.
 *
 * @param {Report} report
 */
export function reportLinks({ links = {} }) {
  const all = [
    { words: "Watch the recording", address: webAddress(links.recording) },
    { words: "Download the recording", address: webAddress(links.recording_download) },
    { words: "Read the chat", address: webAddress(links.chat) },
    { words: "Download the chat", address: webAddress(links.chat_download) },
  ];
  return all.filter(({ address }) => address);
}

/** @param {Report} report */
export function fileCounts({ files_transferred, files_moved, files_deleted }) {
  /** @type {[number | undefined, string][]} */
  const counts = [[files_transferred, "transferred"], [files_moved, "moved"], [files_deleted, "deleted"]];
  return counts.filter(([number]) => number !== undefined).map(([number, word]) => number + " " + word).join(", ");
}

/** @param {(string | undefined)[]} parts */
const joined = (...parts) => parts.filter(Boolean).join("\n");

/** @param {Report} report */
export const reportFacts = (report) => /** @type {[string, string | undefined][]} */ ([
  ["Start", moment(report.start)],
  ["End", moment(report.end)],
  ["Length", duration(report.duration_seconds)],
  ["Type", report.session_type],
  ["Number", report.sequence_number],
  ["Team", report.team],
  ["Public site", report.public_site],
  ["Main customer", report.primary_customer],
  ["Main representative", report.primary_representative],
  ["Files", fileCounts(report)],
  ...Object.entries(report.custom_attributes ?? {}),
]);

/**
 * A table without the columns that have no value in any row. `null` if nothing is left.
 *
 * @param {string[]} heads
 * @param {(string | undefined)[][]} rows
 */
export function filledColumns(heads, rows) {
  const filled = heads.map((_, column) => rows.some((row) => row[column]));
  const kept = (/** @type {(string | undefined)[]} */ cells) =>
    cells.filter((_, column) => filled[column]).map((cell) => cell ?? "");
  return filled.some(Boolean) ? { heads: kept(heads), rows: rows.map(kept) } : null;
}

/** @param {Report} report */
export const customerTable = ({ customers = [] }) => filledColumns(
  ["Name", "Addresses", "Computer", "System", "Company", "Issue", "Details"],
  customers.map((person) => [
    person.name,
    joined(person.public_address, person.private_address),
    person.hostname,
    person.os,
    person.company,
    person.issue,
    person.details,
  ]));

/** @param {Report} report */
export const representativeTable = ({ representatives = [] }) => filledColumns(
  ["Name", "Username", "Time", "Owner", "Addresses", "Computer", "System"],
  representatives.map((person) => [
    person.name,
    person.username,
    duration(person.seconds_involved),
    person.owner ? "owner" : "",
    joined(person.public_address, person.private_address),
    person.hostname,
    person.os,
  ]));

/** @param {Report} report */
export const fileTable = ({ files = [] }) => filledColumns(
  ["Time", "Action", "By", "File", "Size"],
  files.map(({ time, action, by, name, bytes }) =>
    [moment(time), action, by, name, bytes === undefined ? "" : count(bytes, "byte")]));

/**
 * Notes, chat messages, or what was found out about systems.
 *
 * @param {ReportText[] | undefined} texts
 */
export const textTable = (texts = []) =>
  filledColumns(["Time", "By", "Text"], texts.map(({ time, by, text }) => [moment(time), by, text]));
