// The list of sessions, and how far a search has come.
import { ask } from "./api.js";
import { createApplianceReader } from "./appliances.js";
import { isMissed } from "./completeness.js";
import { emptyState, html, isolated, message, show, skeleton, table, unreadableMessages } from "./dom.js";
import { findSessions, meantFilter, nothingFound, textMeaning } from "./finder.js";
import { count, moment } from "./format.js";
import { keyedList } from "./keyed.js";
import { sessionHash } from "./query.js";
import { searchForm } from "./search_form.js";
import { createSessionRow, ROW_HEADS } from "./session_row.js";

/** The rows of one page of the list. */
const PAGE = 50;

/** A search of more requests is not done again by itself. */
const MANY_REQUESTS = 4;

/** @typedef {import("./finder.js").Found} Found */
/** @typedef {import("./session_row.js").Row} Row */

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
    emptyState("No events have been received yet.", "Send a first one (omit the token if ingest is open):"),
    html("pre", {}, command),
  ];
}

/** @param {Filter} filter */
const noMatches = (filter) => emptyState("No sessions match these filters.",
  filter.find ? "Check the spelling, or search for a part of it. " : "Remove a filter, or take a longer time. ",
  html("a", { href: "#/sessions" }, "Show all sessions"));

/** @param {Found} found */
const progressWords = ({ sessions, through }) =>
  count(sessions.length, "session") + " found" + (through ? ", searched back to " + moment(through) : "");

/** @param {Found} found */
const endWords = (found) => found.next ? progressWords(found) : count(found.sessions.length, "session") + " found in all";

/**
 * @param {ViewHost} host
 * @param {Filter} filter
 * @returns {Update}
 */
export function sessionsView(host, filter) {
  const body = html("tbody");
  const list = table(ROW_HEADS, body, { class: "list", hidden: "" });
  const words = html("div", {}, skeleton(8));
  const progress = html("p", { role: "status", class: "progress" });
  const stopButton = html("button", { hidden: "", onclick: () => stop.abort() }, "Stop");
  const again = html("button", { hidden: "" }, "Search again");
  const text = html("button", { hidden: "" }, "Search all texts");
  const unreadable = html("div");
  const more = html("button", { hidden: "" }, "Show more");
  const rows = keyedList(body, (/** @type {Row} */ { session: { site, lsid } }) => site + "/" + lsid, createSessionRow);
  const readAppliances = createApplianceReader();
  /** @type {ApplianceStatus[]} */
  let appliances = [];
  /** @type {Set<string>} */
  let waiting = new Set();
  let found = nothingFound();
  let stop = new AbortController();
  let stopped = false;
  let complete = false;
  let pages = 1;
  /** The meaning of the text in the search field, once it is known. @type {import("./finder.js").Meaning | null} */
  let meaning = filter.find ? null : "text";
  const onClick = (/** @type {HTMLElement} */ button, /** @type {() => void} */ change) =>
    button.addEventListener("click", () => {
      change();
      host.refresh();
    });
  onClick(more, () => pages++);
  onClick(again, () => {
    complete = false;
  });
  onClick(text, () => {
    meaning = "text";
    complete = false;
  });
  show(html("h2", { class: "title" }, "Sessions"), searchForm(filter),
    html("div", { class: "search-state" }, progress, stopButton, text, again),
    html("div", { class: "card flush" }, list, words), more, unreadable);

  const showRows = () => rows(found.sessions.map((session) => ({
    session,
    missed: isMissed(session, appliances),
    waiting: waiting.has(session.site + "/" + session.lsid),
  })));
  const showFound = (/** @type {Found} */ now, /** @type {Node[]} */ remarks) => {
    found = now;
    showRows();
    list.hidden = !found.sessions.length;
    words.replaceChildren(...remarks);
    unreadable.replaceChildren(...unreadableMessages(found.unreadable));
  };
  const showState = (/** @type {boolean} */ searching) => {
    const isLong = stopped || found.requests > MANY_REQUESTS;
    stopButton.hidden = !searching;
    again.hidden = searching || !isLong;
    again.textContent = stopped ? "Continue" : "Search again";
    text.hidden = searching || meaning !== "key";
    const keyWords = meaning === "key" ? ["Sessions with the external key ", isolated(filter.find ?? ""), ". "] : [];
    const said = searching ? "Searching… " + progressWords(found) : isLong || filter.find ? endWords(found) : "";
    progress.replaceChildren(...keyWords, (stopped ? "Stopped. " : "") + said);
  };
  const updateMarks = async (/** @type {Refresh} */ { signal, now }) => {
    waiting = new Set((now?.waiting ?? []).map(({ site, lsid }) => site + "/" + lsid));
    showRows();
    appliances = await readAppliances(signal);
    showRows();
  };
  const search = async (/** @type {Refresh} */ { stats }, /** @type {AbortSignal} */ signal) => {
    if (!meaning) {
      const sites = filter.site ? [filter.site] : (stats?.sites ?? []).map(({ site }) => site);
      const meant = await textMeaning(ask, { filter, sites, signal });
      if (meant.meaning === "id") return location.replace(sessionHash(meant.site, filter.find ?? ""));
      meaning = meant.meaning;
    }
    const options = { filter: meantFilter(filter, meaning), wanted: pages * PAGE, signal };
    const resumed = stopped ? { ...options, found } : options;
    stopped = false;
    const now = await findSessions(ask, resumed, (now) => {
      // A list that is complete does not become shorter while it is read again.
      if (complete) return;
      showFound(now, now.sessions.length ? [] : [skeleton(4)]);
      showState(true);
    });
    complete = true;
    more.hidden = !now.next;
    const none = Object.values(filter).some(Boolean) ? [noMatches(filter)] : emptyStore(stats);
    showFound(now, now.sessions.length ? [] : none);
    showState(false);
  };
  const updateList = async (/** @type {Refresh} */ refresh) => {
    if (refresh.byTimer && (stopped || complete && found.requests > MANY_REQUESTS)) return;
    stop = new AbortController();
    try {
      await search(refresh, AbortSignal.any([refresh.signal, stop.signal]));
    } catch (error) {
      if (refresh.signal.aborted || !stop.signal.aborted) throw error;
      stopped = true;
      showFound(found, []);
      showState(false);
    }
  };
  return async (refresh) => {
    await Promise.all([updateMarks(refresh), updateList(refresh)]);
  };
}
