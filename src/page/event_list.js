// The events of a session in words, and the fields that belong to the session.
import { factList, html, isolated } from "./dom.js";
import { eventLook, eventWords, sessionFields } from "./event_words.js";
import { clock, exactMoment, shortDuration } from "./format.js";

/** @typedef {{ time: Time, data: EventData }} StoredEvent */

/**
 * @param {StoredEvent} event
 * @param {string[]} lines
 * @param {number} origin milliseconds
 */
function eventItem({ time, data }, lines, origin) {
  const after = (Date.parse(time) - origin) / 1000;
  return html("li", { class: "event " + eventLook(data) },
    html("time", { datetime: time, title: exactMoment(time) }, clock(time)),
    html("span", { class: "after" }, after > 0 ? "+" + shortDuration(after) : ""),
    html("div", {}, html("span", {}, isolated(eventWords(data))),
      lines.length ? html("span", { class: "details" }, isolated(lines.join("\n"))) : null));
}

/** @param {StoredEvent[]} events at least one */
export function eventList(events) {
  const { fields, lines } = sessionFields(events.map(({ data }) => data));
  const origin = Math.min(...events.map(({ time }) => Date.parse(time)));
  const items = events.map((event, index) => eventItem(event, lines[index] ?? [], origin));
  const list = html("ol", { class: "events" }, items);
  // The key is among the facts.
  const facts = fields.filter(([name]) => name !== "external_key")
    .map(([name, value]) => /** @type {[string, Node]} */ ([name, isolated(value)]));
  return {
    fields: facts.length ? [html("section", { class: "card" }, html("h2", {}, "Fields"), factList(facts))] : [],
    list: html("section", { class: "card" }, html("h2", {}, "Events"), list),
  };
}
