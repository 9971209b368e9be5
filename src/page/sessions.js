// The list of sessions.
import { ask } from "./api.js";
import { applianceNotes, createApplianceReader } from "./appliances.js";
import { isMissed } from "./completeness.js";
import { html, isolated, message, show, stateBadge, table, timeElement, unreadableMessages } from "./dom.js";
import { count, duration } from "./format.js";
import { keyedList } from "./keyed.js";
import { sessionHash, sessionsPath } from "./query.js";
import { searchForm } from "./search_form.js";

const HEADS = ["State", "Start", "Session", "Site", "Customer", "Owner", "External key", "Length", "Events"];

/** The rows of one page of the API. */
const PAGE = 50;

/** @typedef {{ sessions: SessionRow[], unreadable: Unreadable[], next: string | null }} Found */

/** @typedef {{ session: SessionRow, missed: boolean }} Row */

/** @param {Row} row */
function createRow({ session: { site, lsid } }) {
  const link = html("a", { href: sessionHash(site, lsid), title: lsid, class: "clip" }, lsid);
  const linkCell = html("td", { "data-name": "Session", class: "mono" }, link);
  const element = html("tr", {}, linkCell);
  const update = (/** @type {Row} */ { session, missed }) => {
    const cell = (/** @type {string} */ name, /** @type {Node | string | number} */ child, title = "") =>
      html("td", { "data-name": name, title: title || null }, html("span", { class: "clip" }, child));
    const customers = session.customers.join(", ");
    const owner = session.owner?.name ?? "";
    // The cell with the link stays: the link can have the focus.
    while (element.firstChild !== linkCell) element.firstChild?.remove();
    while (element.lastChild !== linkCell) element.lastChild?.remove();
    linkCell.before(
      html("td", { "data-name": "State" }, html("div", {},
        stateBadge(session.state, session.state),
        missed ? [" ", stateBadge("never announced", "missed")] : null)),
      cell("Start", timeElement(session.start ?? session.first_event)));
    linkCell.after(
      cell("Site", session.site),
      cell("Customer", isolated(customers), customers),
      cell("Owner", isolated(owner), owner),
      cell("External key", isolated(session.external_keys.at(-1) ?? ""), session.external_keys.join(", ")),
      cell("Length", duration(session.duration_seconds)),
      cell("Events", session.events));
  };
  return { element, update };
}

/**
 * Reads sessions until there are as many as wanted. A page of the API can be short, or empty, and have a next one.
 *
 * @param {Filter} filter
 * @param {number} wanted
 * @param {AbortSignal} signal
 * @param {(found: Found) => void} progress called after each page but the last
 */
async function findSessions(filter, wanted, signal, progress) {
  /** @type {Found} */
  const found = { sessions: [], unreadable: [], next: null };
  for (;;) {
    /** @type {SessionList} */
    const page = await ask(sessionsPath(filter, found.next), { signal });
    found.sessions.push(...page.sessions);
    found.unreadable.push(...page.unreadable);
    found.next = page.next;
    if (!found.next || found.sessions.length >= wanted) return found;
    progress(found);
  }
}

/** @param {Stats | null} stats */
function emptyStore(stats) {
  if (stats && stats.events + stats.set_aside > 0) {
    const words = count(stats.events, "event") + ", and " + stats.set_aside + " set aside";
    return [message("There are no sessions yet, but ", html("a", { href: "#/set-aside" }, words), ".")];
  }
  const form = "event=support_conference_begin&version=1&timestamp=" + Math.floor(Date.now() / 1000) +
    "&lsid=c69a8e10bea9428f816cfababe9815fe";
  const command = "curl -d '" + form + "' '" + location.origin + "/events?outbound_event_token=YOUR-TOKEN'";
  return [
    message("No events have been received yet. Send a first one (omit the token if ingest is open):"),
    html("pre", {}, command),
  ];
}

/**
 * @param {ViewHost} host
 * @param {Filter} filter
 * @returns {Update}
 */
export function sessionsView(host, filter) {
  const body = html("tbody");
  const list = table(HEADS, body, { class: "list", hidden: "" });
  const words = html("div", { role: "status" }, html("p", {}, "Loading…"));
  const unreadable = html("div");
  const more = html("button", { hidden: "" }, "Show more");
  const rows = keyedList(body, (/** @type {Row} */ { session: { site, lsid } }) => site + "/" + lsid, createRow);
  const notes = applianceNotes(host);
  const readAppliances = createApplianceReader();
  /** @type {ApplianceStatus[]} */
  let appliances = [];
  /** @type {SessionRow[]} */
  let shown = [];
  let pages = 1;
  more.addEventListener("click", () => {
    pages++;
    host.refresh();
  });
  show(notes.element, searchForm(filter), list, words, more, unreadable);
  const showRows = () => rows(shown.map((session) => ({ session, missed: isMissed(session, appliances) })));
  const showFound = (/** @type {Found} */ found, /** @type {Node[]} */ remarks) => {
    shown = found.sessions;
    showRows();
    list.hidden = !found.sessions.length;
    words.replaceChildren(...remarks);
    unreadable.replaceChildren(...unreadableMessages(found.unreadable));
  };
  let complete = false;
  const updateNotes = async (/** @type {Refresh} */ { signal, admin }) => {
    appliances = await readAppliances(signal);
    notes.update(appliances.map((appliance) => ({ appliance, admin })));
    showRows();
  };
  const updateList = async (/** @type {Refresh} */ { signal, stats }) => {
    const found = await findSessions(filter, pages * PAGE, signal, (found) => {
      // A list that is complete does not become shorter while it is read again.
      if (!complete) showFound(found, [html("p", {}, "Searching…")]);
    });
    complete = true;
    more.hidden = !found.next;
    const filtered = Object.values(filter).some(Boolean);
    const none = filtered ? [message("No sessions match these filters.")] : emptyStore(stats);
    showFound(found, found.sessions.length ? [] : none);
  };
  return async (refresh) => {
    await Promise.all([updateNotes(refresh), updateList(refresh)]);
  };
}
