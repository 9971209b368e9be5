// Tables of representatives and teams.
import { html, isolated } from "./dom.js";
import { grouped, shortDuration } from "./format.js";
import { filterHash } from "./query.js";
import { createSortTable } from "./sort_table.js";

/** @typedef {import("./sort_table.js").Column<StatisticsGroup>} GroupColumn */

/** @param {StatisticsGroup} group */
const groupKey = ({ group }) => group === null ? "none" : "=" + group;

/**
 * @param {number | undefined} seconds
 */
const known = (seconds) => seconds === undefined ? "–" : shortDuration(seconds);

/** @type {GroupColumn} */
const SESSIONS = { head: "Sessions", value: ({ sessions }) => sessions, share: true };

/** @type {GroupColumn} */
const TRANSFERS = { head: "Transfers", value: ({ transfers }) => transfers };

/** @type {GroupColumn} */
const LENGTH = {
  head: "Median length",
  value: ({ length_seconds }) => length_seconds?.median ?? null,
  show: ({ length_seconds }) => known(length_seconds?.median),
};

/**
 * @param {string} head
 * @param {"median" | "p90"} which
 * @returns {GroupColumn}
 */
const waitColumn = (head, which) => ({
  head,
  value: ({ waiting_seconds }) => waiting_seconds?.[which] ?? null,
  show: ({ waiting_seconds }) => known(waiting_seconds?.[which]),
});

/**
 * @param {() => Filter} within
 * @returns {GroupColumn}
 */
const missedColumn = (within) => ({
  head: "Never answered",
  value: ({ never_answered }) => never_answered,
  show: ({ group, never_answered }) => never_answered && group !== null
    ? html("a", {
        href: filterHash({ ...within(), team: group, state: "ended", answered: "false" }),
      }, grouped(never_answered))
    : grouped(never_answered),
});

/**
 * @param {ViewHost} host
 * @param {() => Filter} within the sessions of the whole range
 * @param {() => { path: string, name: string }} csv
 */
export const representativeTableCard = (host, within, csv) => createSortTable({
  host, csv, title: "Representatives", key: groupKey,
  columns: [{
    head: "Representative",
    value: ({ group }) => group,
    // The API has no filter for sessions that nobody owned.
    show: ({ group }) => group === null
      ? html("span", { class: "soft" }, "no representative")
      : html("a", { href: filterHash({ ...within(), representative: group }) }, isolated(group)),
  }, SESSIONS, LENGTH, TRANSFERS],
});

/**
 * @param {ViewHost} host
 * @param {() => Filter} within the sessions of the whole range
 * @param {() => { path: string, name: string }} csv
 */
export const teamTableCard = (host, within, csv) => createSortTable({
  host, csv, title: "Teams", key: groupKey,
  columns: [{
    head: "Team",
    value: ({ group }) => group,
    // The API has no filter for sessions without a team.
    show: ({ group }) => group === null
      ? html("span", { class: "soft" }, "no team")
      : html("a", { href: filterHash({ ...within(), team: group }) }, isolated(group)),
  }, SESSIONS, missedColumn(within), waitColumn("Median wait", "median"), waitColumn("90 % within", "p90")],
});
