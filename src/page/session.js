// One session: its facts, its timeline and its events.
import { ask } from "./api.js";
import { createApplianceReader } from "./appliances.js";
import { missingReport } from "./completeness.js";
import { factList, html, isolated, message, show, stateBadge, table, timeElement, unreadableMessages } from "./dom.js";
import { duration, eventDetails, eventName, moment } from "./format.js";
import { picture, pictureWidth } from "./picture.js";
import { reportsPath, sessionPath, withCursor } from "./query.js";
import { reportSection } from "./report.js";
import { isReport, latestReport } from "./report_text.js";

/**
 * The button that erases the session, and the dialog that asks first.
 *
 * @param {ViewHost} host
 * @param {string} path
 * @param {string} lsid
 */
function erasing(host, path, lsid) {
  const words = html("p", { role: "status" });
  const erase = async () => {
    /** @type {string[]} */
    let perhaps = [];
    for (let remaining = true; remaining;) {
      words.textContent = "Erasing…";
      ({ remaining, perhaps } = await ask(path, { method: "DELETE" }));
    }
    if (!host.isShown()) return;
    if (!perhaps.length) location.hash = "#/";
    const link = html("a", { href: "#/set-aside" }, "bodies that were set aside");
    words.replaceChildren("The session is erased. Check these ", link, ", which contain its id: " + perhaps.join(", "));
  };
  const confirm = html("button", {}, "Erase");
  const cancel = html("button", { onclick: () => dialog.close() }, "Cancel");
  const dialog = html("dialog", { "aria-label": "Erase session " + lsid },
    html("p", {}, "Erase everything recorded of session ", html("span", { class: "mono" }, lsid),
      " up to now? This cannot be undone."),
    words, html("div", { class: "buttons" }, confirm, cancel));
  confirm.addEventListener("click", () => erase().catch((error) => {
    dialog.close();
    host.report(error);
  }));
  const button = html("button", { id: "erase", hidden: "", onclick: () => dialog.showModal() }, "Erase this session");
  return { button, dialog };
}

/**
 * @param {string} path
 * @param {number} pages
 * @param {AbortSignal} signal
 */
async function readSession(path, pages, signal) {
  /** @type {SessionDetail} */
  const detail = await ask(path, { signal });
  const events = [...detail.events];
  let next = detail.next;
  for (let page = 1; page < pages && next; page++) {
    /** @type {SessionDetail} */
    const further = await ask(withCursor(path, next), { signal });
    events.push(...further.events);
    next = further.next;
  }
  // The report is among the last events of a session.
  const reports = next ? await ask(reportsPath(detail.site, detail.lsid), { signal }) : [];
  return { detail, events, next, report: latestReport([...events, ...reports]) };
}

/** @param {SessionDetail} detail */
const sessionFacts = (detail) => factList([
  ["State", stateBadge(detail.state, detail.state)],
  ["Site", detail.site],
  ["Start", moment(detail.start)],
  ["End", moment(detail.end)],
  ["Length", duration(detail.duration_seconds)],
  ["Announced", detail.announced ? "" : "no: its end is known from the appliance's report alone"],
  ["Owner", detail.owners.at(-1)?.name],
  ["External key", detail.external_keys.map((key) => key.external_key).join(" → ")],
]);

/** @param {SessionDetail["events"]} events */
function eventTable(events) {
  const lines = events.map(({ time, data }) => html("tr", {},
    html("td", { "data-name": "Time" }, timeElement(time)),
    html("td", { "data-name": "Event" }, eventName(data.event)),
    html("td", { "data-name": "Details" }, html("span", { class: "details" }, isolated(eventDetails(data))))));
  return table(["Time", "Event", "Details"], html("tbody", {}, lines));
}

/**
 * @param {ViewHost} host
 * @param {string} site
 * @param {string} lsid
 * @returns {Update}
 */
export function sessionView(host, site, lsid) {
  const path = sessionPath(site, lsid);
  const { button, dialog } = erasing(host, path, lsid);
  const box = html("div", {}, html("p", {}, "Loading…"));
  const shown = html("p", { role: "status" });
  const more = html("button", { hidden: "" }, "Show more events");
  let pages = 1;
  more.addEventListener("click", () => {
    pages++;
    host.refresh();
  });
  const back = html("p", {}, html("a", { href: "#/" }, "← Sessions"));
  show(back, html("h2", { class: "mono" }, lsid), button, dialog, box, shown, more);
  const readAppliances = createApplianceReader();
  let before = "";
  return async ({ signal, admin }) => {
    const { detail, events, next, report } = await readSession(path, pages, signal);
    const appliances = report ? [] : await readAppliances(signal);
    const missing = missingReport(detail, appliances.find((appliance) => appliance.site === detail.site));
    const announced = events.filter((event) => !isReport(event));
    button.hidden = !admin;
    more.hidden = !next;
    shown.textContent = detail.next
      ? "Showing " + events.length + " of " + detail.events_total + " events. The timeline covers the first " +
        detail.events.length + "."
      : "";
    // What has not changed is left alone, and with it what the reader has selected.
    const now = JSON.stringify([detail, events.length, report, missing, pictureWidth()]);
    if (now === before) return;
    before = now;
    box.replaceChildren(
      sessionFacts(detail),
      ...(detail.events.some((event) => !isReport(event)) ? [picture(detail)] : []),
      ...(report ? [reportSection(report.report, report.fetched)] : []),
      ...(missing ? [message(isolated(missing))] : []),
      html("h2", {}, "Events"),
      announced.length ? eventTable(announced) : message("No event of this session was received."),
      ...unreadableMessages(detail.unreadable));
  };
}
