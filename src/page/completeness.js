// What reconciliation knows of a site: through when it is complete, what was never announced, and when a report is asked
// for. These functions need no browser: `tests/completeness.test.js`.
import { count, duration, nearMoment } from "./format.js";

/** An end that was announced can arrive this much later, in seconds. */
const LATE = 3_600;

/** From this many seconds on, a site that is behind is a warning. */
const BEHIND = 3_600;

/** @param {ApplianceStatus} appliance */
const isFaulty = ({ state }) => state !== "working" && state !== "not-checked";

/** @param {ApplianceStatus} appliance */
const faultText = ({ detail, state, failing_since }) =>
  "Checks have failed" + (failing_since ? " since " + nearMoment(failing_since) : "") + ": " + (detail ?? state) + ".";

/**
 * What the first view says of a site: how far it is complete, the link to what was missed, and what is wrong.
 *
 * @param {ApplianceStatus} appliance
 */
export function siteNote(appliance) {
  const { site, complete_through, behind_seconds = 0, polled, missed } = appliance;
  const complete = complete_through ? "complete through " + nearMoment(complete_through) : "not checked yet";
  const faults = [];
  if (behind_seconds > BEHIND) faults.push("That is " + duration(behind_seconds) + " behind the appliance's clock.");
  if (isFaulty(appliance)) faults.push(faultText(appliance));
  return {
    words: site + ": " + complete + (polled ? "; it sends no events, so its sessions come from reports alone" : ""),
    missed: missed ? count(missed, "session") + (missed === 1 ? " was" : " were") + " never announced" : "",
    fault: faults.join(" "),
  };
}

/**
 * Whether a session counts as missed: the appliance reports its end, and the event would have come by now.
 *
 * @param {{ site: string, announced: boolean, last_event: Time }} session
 * @param {ApplianceStatus[]} appliances
 */
export function isMissed({ site, announced, last_event }, appliances) {
  const appliance = appliances.find((other) => other.site === site);
  if (announced || !appliance?.complete_through || appliance.polled) return false;
  return Date.parse(last_event) < Date.parse(appliance.complete_through) - LATE * 1000;
}

/**
 * Why there is no report of a session, or when it is asked for. Empty if no appliance is configured for its site.
 *
 * @param {{ lsid: string, state: string, end: Time | null }} session
 * @param {ApplianceStatus | undefined} appliance
 */
export function missingReport({ lsid, state, end }, appliance) {
  if (!appliance) return "";
  const { complete_through, next_check, unreadable } = appliance;
  const next = next_check ? "by " + nearMoment(next_check) : "with the next check";
  const reason = unreadable[lsid];
  // Lists begin an hour before what is complete. A day after the end there is one more.
  const passed = end && complete_through && Date.parse(end) < Date.parse(complete_through) - LATE * 1000;
  if (reason) {
    const again = passed ? "once more a day after the session's end" : "again " + next;
    return "There is no report yet: " + reason + ". It will be asked for " + again + ".";
  }
  if (passed) return "There is no report: the appliance has not listed the session, or it ended before the first check.";
  const fault = isFaulty(appliance) ? " " + faultText(appliance) : "";
  if (state === "open") return "The report is fetched once the session has ended." + fault;
  return "There is no report yet: it will be asked for " + next + "." + fault;
}
