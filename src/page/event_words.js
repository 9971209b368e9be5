// Words for the events of a session. Needs no browser: `tests/event_words.test.js`.
import { eventName, nameOrNone, variableText } from "./format.js";

/** Fields that the session's view shows in other places, or that are the same for all events. */
const SHOWN_ELSEWHERE = ["event", "version", "timestamp", "lsid", "conference", "member", "variables"];

const PREFIX = "support_conference_";

/** @param {Conference | undefined} conference */
function ownerWords(conference) {
  if (!conference) return "The owner changed";
  const name = nameOrNone(conference.name);
  if (conference.kind === "team") return "The team " + name + " became the owner";
  return name + (conference.kind === "rep" ? "" : " (" + conference.kind + ")") + " became the owner";
}

/** @param {Member | undefined} member */
function memberName(member) {
  if (!member) return "A member";
  return nameOrNone(member.name) + (member.username ? " (" + member.username + ")" : "");
}

/**
 * The event as a sentence without a full stop.
 *
 * @param {EventData} data
 */
export function eventWords({ event, member, conference }) {
  switch (event.startsWith(PREFIX) ? event.slice(PREFIX.length) : "") {
    case "begin": return "The session began";
    case "end": return "The session ended";
    case "owner_changed": return ownerWords(conference);
    case "member_added": return memberName(member) + " joined" + (member ? " as " + member.type : "");
    case "member_departed": return memberName(member) + " left";
    case "customer_exit_survey_completed": return "The customer completed the exit survey";
    case "rep_exit_survey_completed": return "The representative completed the exit survey";
    default: return eventName(event) + (member ? ": " + memberName(member) : "");
  }
}

/**
 * The look of an event's mark in the list.
 *
 * @param {EventData} data
 */
export function eventLook({ event, member, conference }) {
  if (event.endsWith("survey_completed")) return "mark";
  if (member) return member.type === "customer" || member.type === "representative" ? member.type : "other";
  if (conference) return conference.kind === "team" ? "team" : "representative";
  return "plain";
}

/** @param {EventData} data */
function eventFields({ ...data }) {
  const own = Object.entries(data).filter(([name]) => !SHOWN_ELSEWHERE.includes(name));
  return [...own, ...Object.entries(data.variables ?? {})]
    .map(([name, value]) => /** @type {[string, string]} */ ([name, variableText(value)]));
}

/**
 * Takes the fields that belong to the session out of its events. A field belongs to the session if the first event or
 * more than one event has it. `fields` has the last value of each; `lines` has for each event its own fields, and the
 * session's fields that it changed.
 *
 * @param {EventData[]} events in the order of their times
 */
export function sessionFields(events) {
  const all = events.map(eventFields);
  /** @type {Map<string, number>} */
  const seen = new Map();
  for (const [name] of all.flat()) seen.set(name, (seen.get(name) ?? 0) + 1);
  for (const [name] of events.length > 1 ? all[0] ?? [] : []) seen.set(name, 2);
  /** @type {Map<string, string>} */
  const last = new Map();
  const lines = all.map((fields) => fields.flatMap(([name, value]) => {
    if ((seen.get(name) ?? 0) < 2) return [name + " = " + value];
    const before = last.get(name);
    last.set(name, value);
    return before === undefined || before === value ? [] : [name + " changed from " + before + " to " + value];
  }));
  return { fields: [...last], lines };
}
