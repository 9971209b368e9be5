// The appliances whose sessions are reconciled: a note for each site, and the button that checks it.
import { ApiError } from "./answer.js";
import { ask } from "./api.js";
import { siteNote } from "./completeness.js";
import { html, isolated } from "./dom.js";
import { count } from "./format.js";
import { keyedList } from "./keyed.js";
import { filterHash } from "./query.js";

/** @typedef {{ appliance: ApplianceStatus, admin: boolean }} Item */

/** Reads the states. Where no appliance is configured, it asks once: to change that, the component is restarted. */
export function createApplianceReader() {
  /** @type {ApplianceStatus[]} */
  let last = [];
  let none = false;
  return async (/** @type {AbortSignal} */ signal) => {
    if (none) return last;
    try {
      /** @type {{ appliances: ApplianceStatus[] }} */
      const { appliances } = await ask("/api/appliances", { signal });
      last = appliances;
      none = !last.length;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ApiError && error.tokenRefused) throw error;
      // The sessions can be read without the states.
    }
    return last;
  };
}

/** @param {ViewHost} host */
const createNote = (host) => (/** @type {Item} */ { appliance: { site } }) => {
  const words = html("span");
  const missed = html("a", { href: filterHash({ announced: "false", site }) });
  const between = html("span", {}, "; ");
  const fault = html("bdi");
  const list = html("ul");
  const summary = html("summary");
  const details = html("details", {}, summary, list);
  const outcome = html("span", { role: "status" });
  let running = false;
  const check = async () => {
    if (running) return;
    running = true;
    outcome.textContent = " Checking…";
    try {
      /** @type {{ stored: number }} */
      const { stored } = await ask("/api/appliances/" + site + "/check", { method: "POST" });
      outcome.textContent = " Checked: " + count(stored, "report") + " stored.";
      await host.refresh();
    } catch (error) {
      outcome.textContent = "";
      host.report(error);
    } finally {
      running = false;
    }
  };
  const button = html("button", { onclick: check, "aria-label": "Check " + site + " now" }, "Check now");
  const element = html("div", { class: "message" },
    html("p", {}, words, between, missed, ". ", fault), details, html("p", {}, button, outcome));
  const update = (/** @type {Item} */ { appliance, admin }) => {
    const note = siteNote(appliance);
    words.textContent = note.words;
    missed.textContent = note.missed;
    missed.hidden = between.hidden = !note.missed;
    fault.textContent = note.fault;
    element.className = note.fault ? "message bad" : "message";
    const unreadable = Object.entries(appliance.unreadable);
    summary.textContent = count(unreadable.length, "report") + " could not be read yet";
    list.replaceChildren(...unreadable.map(([lsid, reason]) =>
      html("li", {}, html("span", { class: "mono" }, lsid), ": ", isolated(reason))));
    details.hidden = !unreadable.length;
    button.hidden = !admin;
  };
  return { element, update };
};

/**
 * The notes of all sites, and the function that updates them.
 *
 * @param {ViewHost} host
 */
export function applianceNotes(host) {
  const list = html("div", { class: "notes" });
  const element = html("section", { class: "card", hidden: "" }, html("h2", {}, "Appliances"), list);
  const rows = keyedList(list, (/** @type {Item} */ { appliance }) => appliance.site, createNote(host));
  const update = (/** @type {Item[]} */ items) => {
    rows(items);
    element.hidden = !items.length;
  };
  return { element, update };
}
