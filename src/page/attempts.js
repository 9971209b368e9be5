// The last requests to a destination, newest first.
import { html } from "./dom.js";
import { grouped } from "./format.js";
import { timeElement } from "./ticker.js";

/** @param {number} milliseconds */
const tookText = (milliseconds) => milliseconds < 1000 ? milliseconds + " ms" : (milliseconds / 1000).toFixed(1) + " s";

/** @param {DeliveryAttempt} attempt */
function row({ time, event, events, answer, milliseconds }) {
  const sent = events === 1 ? "event " : grouped(events) + " events from ";
  return html("tr", {},
    html("td", { "data-name": "Time" }, timeElement(time)),
    html("td", { "data-name": "Sent" }, html("span", {}, sent, html("span", { class: "mono" }, event))),
    html("td", { "data-name": "Answer" }, html("span", {}, answer)),
    html("td", { "data-name": "Took", class: "number" }, html("span", {}, tookText(milliseconds))));
}

/** @param {string} name the destination's */
export function attemptList(name) {
  const body = html("tbody");
  const heads = ["Time", "Sent", "Answer", "Took"].map((head) => html("th", { scope: "col" }, head));
  const table = html("table", { "aria-label": "The last requests to " + name }, html("thead", {}, html("tr", {}, heads)),
    body);
  const element = html("details", { "data-name": name + " requests" }, html("summary", {}, "Last requests"), table);
  const update = (/** @type {DeliveryAttempt[]} */ attempts) => {
    element.hidden = !attempts.length;
    body.replaceChildren(...attempts.map(row));
  };
  return { element, update };
}
