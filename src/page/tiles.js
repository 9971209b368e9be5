// The tiles of the overview: four figures of the present, and the sessions that wait.
import { emptyState, html, isolated } from "./dom.js";
import { grouped } from "./format.js";
import { keyedList } from "./keyed.js";
import { filterHash, sessionHash } from "./query.js";
import { dayName } from "./range.js";
import { percent, waitLook } from "./statistics.js";
import { sinceElement } from "./ticker.js";

/** The waiting sessions that are named; the list has all of them. */
const NAMED = 5;

/** A session that began earlier is not open to `/api/now`: its end was lost. */
const OPEN_MS = 86_400_000;

/** @typedef {Now["waiting"][0] & { name: string }} NamedSession */

/**
 * The sessions that `/api/now` counts as open. Others without an end are left out.
 *
 * @param {Now} now
 * @param {string} site empty for all sites
 */
export const openFilter = (now, site) =>
  ({ site, state: "open", by: "begin", from: new Date(Date.parse(now.now) - OPEN_MS).toISOString() });

/** @param {string} label */
function createTile(label) {
  const figure = html("span", { class: "figure" }, "–");
  const words = html("span", { class: "tile-words" }, "\u00a0");
  const element = html("a", { class: "tile", href: "#/sessions" },
    html("span", { class: "tile-label" }, label), figure, words);
  const update = (/** @type {number} */ number, /** @type {(Node | string)[]} */ said, /** @type {string} */ hash) => {
    const text = grouped(number);
    if (figure.textContent !== text) figure.textContent = text;
    words.replaceChildren(...said);
    element.setAttribute("href", hash);
  };
  return { element, update };
}

/** @param {NamedSession} waiting */
function createWaiting({ site, lsid, since }) {
  const link = html("a", { href: sessionHash(site, lsid) });
  const element = html("li", {},
    link, " ", html("span", { class: "soft" }, site), html("strong", {}, sinceElement(since)));
  const update = (/** @type {NamedSession} */ { name }) => link.replaceChildren(isolated(name || lsid));
  return { element, update };
}

/**
 * The figures, and the function that updates them.
 *
 * @param {string} site empty for all sites
 */
export function nowTiles(site) {
  const openTile = createTile("Open now");
  const waiting = createTile("Waiting now");
  const ended = createTile("Ended today");
  const missed = createTile("Never answered today");
  const all = [openTile, waiting, ended, missed];
  const list = html("ul", { class: "waiting-list" });
  const box = html("section", { class: "card waiting-card", "aria-label": "Waiting now", hidden: "" },
    html("h2", {}, "Waiting for a representative"), list);
  const first = html("div", { hidden: "" });
  const rows = keyedList(list, (/** @type {NamedSession} */ { site, lsid }) => site + "/" + lsid, createWaiting);
  /** The customers by site and session. @type {Map<string, string>} */
  let names = new Map();
  /** @type {Now["waiting"]} */
  let shown = [];
  const showRows = () =>
    rows(shown.map((waiting) => ({ ...waiting, name: names.get(waiting.site + "/" + waiting.lsid) ?? "" })));
  const setNames = (/** @type {SessionRow[]} */ sessions) => {
    names = new Map(sessions.map(({ site, lsid, customers }) => [site + "/" + lsid, customers.join(", ")]));
    showRows();
  };
  const element = html("div", {},
    html("div", { class: "tiles pending" }, all.map((tile) => tile.element)), box, first);
  const update = (/** @type {Now} */ now) => {
    const { waiting: named, waiting_total: total, longest_wait_seconds: longest } = now;
    const today = { site, from: dayName(new Date(now.midnight)), by: "end" };
    const open = openFilter(now, site);
    const oldest = named[0];
    element.querySelector(".pending")?.classList.remove("pending");
    openTile.update(now.open, [grouped(now.open - total) + " with a representative"], filterHash(open));
    waiting.update(total, oldest ? ["longest ", sinceElement(oldest.since)] : ["no customer waits"],
      filterHash({ ...open, answered: "false" }));
    waiting.element.className = "tile " + waitLook(total ? longest : null);
    ended.update(now.ended, ["since midnight"], filterHash(today));
    missed.update(now.never_answered, [percent(now.never_answered, now.ended) + " of those that ended"],
      filterHash({ ...today, state: "ended", answered: "false" }));
    shown = named.slice(0, NAMED);
    showRows();
    box.hidden = !total;
  };
  const setEmpty = (/** @type {Stats | null} */ stats) => {
    first.hidden = !stats || stats.events > 0;
    if (!first.hidden && !first.childNodes.length) {
      first.append(emptyState("No events have been received yet.", "The list of ",
        html("a", { href: "#/sessions" }, "sessions"), " shows how to send a first one."));
    }
  };
  return { element, update, setEmpty, setNames };
}
