// One session: its facts, its timeline and its events.
import { ask } from "./api.js";
import { createApplianceReader } from "./appliances.js";
import { missingReport } from "./completeness.js";
import { factList, html, isolated, message, show, skeleton, stateBadge, unreadableMessages } from "./dom.js";
import { eventList } from "./event_list.js";
import { shortDuration } from "./format.js";
import { createPicture } from "./picture.js";
import { reportsPath, sessionPath, withCursor } from "./query.js";
import { reportSection } from "./report.js";
import { isReport, latestReport } from "./report_text.js";
import { sinceElement, timeElement } from "./ticker.js";

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
    if (!perhaps.length) location.hash = "#/sessions";
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
function lengthOrSince({ state, start, duration_seconds }) {
  if (state === "open" && start) return sinceElement(start);
  return shortDuration(duration_seconds);
}

/** @param {SessionDetail} detail */
const sessionFacts = (detail) => factList([
  ["Site", detail.site],
  ["Start", detail.start ? timeElement(detail.start) : ""],
  ["End", detail.end ? timeElement(detail.end) : ""],
  ["Length", lengthOrSince(detail)],
  ["Waiting", shortDuration(detail.waiting_seconds)],
  ["Transfers", detail.transfers ? String(detail.transfers) : ""],
  ["Owner", isolated(detail.owners.at(-1)?.name ?? "")],
  ["External key", isolated(detail.external_keys.map((key) => key.external_key).join(" → "))],
  ["Announced", detail.announced ? "" : "no: its end is known from the appliance's report alone"],
]);

/** @param {SessionDetail} detail */
function customerNames({ participants }) {
  const names = participants.filter(({ type, name }) => type === "customer" && name).map(({ name }) => name);
  return [...new Set(names)].join(", ");
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
  const title = html("h2", { class: "title" }, "Session");
  const state = html("span");
  const facts = html("section", { class: "card facts" }, skeleton(4));
  const picture = createPicture();
  picture.element.hidden = true;
  const box = html("div", { class: "stack" });
  const shown = html("p", { role: "status" });
  const more = html("button", { hidden: "" }, "Show more events");
  let pages = 1;
  more.addEventListener("click", () => {
    pages++;
    host.refresh();
  });
  const back = html("p", { class: "back" }, html("a", { href: "#/sessions" }, "← Sessions"));
  const head = html("div", { class: "session-head" },
    html("div", {}, title, html("p", { class: "mono soft" }, lsid)), state, button);
  show(back, head, dialog, html("div", { class: "stack" }, facts, picture.element, box), shown, more);
  const readAppliances = createApplianceReader();
  let before = "";
  let isOpen = false;
  host.onPoll(() => isOpen && picture.draw());
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
    isOpen = detail.state === "open";
    picture.element.hidden = !detail.events.some((event) => !isReport(event));
    picture.update(detail);
    // What has not changed is left alone, and with it what the reader has selected.
    const now = JSON.stringify([detail, events.length, report, missing]);
    if (now === before) return;
    before = now;
    title.replaceChildren(isolated(customerNames(detail) || "Session"));
    state.replaceChildren(stateBadge(detail.state, detail.state));
    facts.replaceChildren(sessionFacts(detail));
    const { fields, list } = announced.length
      ? eventList(announced)
      : { fields: [], list: message("No event of this session was received.") };
    box.replaceChildren(
      ...fields,
      ...(report ? [reportSection(report.report, report.fetched)] : []),
      ...(missing ? [message(isolated(missing))] : []),
      list,
      ...unreadableMessages(detail.unreadable));
  };
}
