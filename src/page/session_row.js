// A row of the list of sessions.
import { html, isolated, stateBadge } from "./dom.js";
import { shortDuration } from "./format.js";
import { sessionHash } from "./query.js";
import { sinceElement, timeElement } from "./ticker.js";

export const ROW_HEADS = ["State", "Session", "Started", "Length", "Owner", "External key", "Site", "Events"];

/** @typedef {{ session: SessionRow, missed: boolean, waiting: boolean }} Row */

/** @param {SessionRow} session */
function lengthOf({ state, start, duration_seconds }) {
  if (state === "open" && start) return sinceElement(start);
  return shortDuration(duration_seconds);
}

/** @param {Row} row */
export function createSessionRow({ session: { site, lsid } }) {
  const names = html("span", { class: "clip names" });
  const link = html("a", { href: sessionHash(site, lsid), title: lsid }, names, html("span", { class: "clip mono" }, lsid));
  const linkCell = html("td", { "data-name": "Session" }, link);
  const element = html("tr", {}, linkCell);
  const update = (/** @type {Row} */ { session, missed, waiting }) => {
    const cell = (/** @type {string} */ name, /** @type {Node | string | number} */ child, title = "") =>
      html("td", { "data-name": name, title: title || null }, html("span", { class: "clip" }, child));
    const owner = session.owner?.name ?? "";
    // The cell with the link stays: the link can have the focus.
    while (element.firstChild !== linkCell) element.firstChild?.remove();
    while (element.lastChild !== linkCell) element.lastChild?.remove();
    linkCell.before(html("td", { "data-name": "State" }, html("div", {},
      waiting ? stateBadge("waiting", "waits") : stateBadge(session.state, session.state),
      missed ? [" ", stateBadge("never announced", "missed")] : null)));
    names.replaceChildren(isolated(session.customers.join(", ") || "no customer known"));
    names.classList.toggle("soft", !session.customers.length);
    linkCell.after(
      cell("Started", timeElement(session.start ?? session.first_event)),
      cell("Length", lengthOf(session)),
      cell("Owner", isolated(owner), owner),
      cell("External key", isolated(session.external_keys.at(-1) ?? ""), session.external_keys.join(", ")),
      cell("Site", session.site),
      cell("Events", session.events));
  };
  return { element, update };
}
