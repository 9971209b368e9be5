// The first view: the desk at a glance.
import { ask } from "./api.js";
import { applianceNotes, createApplianceReader } from "./appliances.js";
import { chartLegend, drawBarChart, drawHeatMap, drawLineChart } from "./chart.js";
import { createChartCard } from "./chart_card.js";
import { groupTitle } from "./chart_layout.js";
import { html, show } from "./dom.js";
import { passTokenFault } from "./finder.js";
import { grouped, shortDuration } from "./format.js";
import { filterHash, sessionsPath, statisticsPath } from "./query.js";
import { dayAfter, groupNames, groupTimes, timeRange } from "./range.js";
import { rangeBar } from "./range_bar.js";
import { representativeTableCard, teamTableCard } from "./people.js";
import { sessionsSummary, unknownWords, WEEKDAYS, withEmptyGroups } from "./statistics.js";
import { nowTiles, openFilter } from "./tiles.js";
import { zoneRule } from "./zone.js";

const NUMBER_HEADS = ["Time", "Sessions", "Never answered", "Transfers"];
const WAIT_HEADS = ["Time", "Median", "90 % within", "Longest", "Sessions"];

/** @typedef {import("./chart_layout.js").Entry} Entry */

/** @param {string} name a weekday and an hour */
function weekHourTitle(name) {
  const [day, hour] = name.split("-");
  return (WEEKDAYS.find(([short]) => short === day)?.[1] ?? day) + ", " + Number(hour) + ":00";
}

/**
 * A number that leads to its sessions.
 *
 * @param {number} number
 * @param {string} hash
 */
const figureLink = (number, hash) => number ? html("a", { href: hash }, grouped(number)) : "0";

/**
 * The rows of one group of days, hours or hours of the week.
 *
 * @param {Entry[]} entries
 * @param {(name: string) => string} title
 * @param {(name: string) => Filter} within
 */
const numberRows = (entries, title, within) => entries.map(({ name, data }) => ({
  cells: [
    title(name),
    figureLink(data?.sessions ?? 0, filterHash(within(name))),
    figureLink(data?.never_answered ?? 0, filterHash({ ...within(name), state: "ended", answered: "false" })),
    grouped(data?.transfers ?? 0),
  ],
}));

/**
 * The rows of the groups whose waiting time is known.
 *
 * @param {Entry[]} entries
 * @param {(name: string) => Filter} within
 */
const waitRows = (entries, within) => entries.filter(({ data }) => data?.waiting_seconds).map(({ name, data }) => ({
  cells: [
    groupTitle(name),
    shortDuration(data?.waiting_seconds?.median),
    shortDuration(data?.waiting_seconds?.p90),
    shortDuration(data?.waiting_seconds?.max),
    figureLink(data?.sessions ?? 0, filterHash(within(name))),
  ],
}));

/**
 * @param {ViewHost} host
 * @param {Filter} filter
 * @returns {Update}
 */
export function overviewView(host, filter) {
  const { site = "" } = filter;
  let range = timeRange(filter);
  const bar = rangeBar(filter, range);
  const tiles = nowTiles(site);
  const path = (/** @type {string} */ by) => statisticsPath(range, by, zoneRule(Date.now()), site);
  const csv = (/** @type {string} */ by) => () =>
    ({ path: path(by), name: "sessions-by-" + by + "-" + range.days[0] + "-" + range.days.at(-1) + ".csv" });
  /** @returns {Filter} */
  const whole = () => ({ by: "begin", site, from: range.days[0] ?? "", to: dayAfter(range.days.at(-1) ?? "") });
  /** @returns {Filter} */
  const withinGroup = (/** @type {string} */ name) => range.by === "hour"
    ? { ...whole(), ...groupTimes(name) }
    : { ...whole(), from: name, to: dayAfter(name) };
  const link = (/** @type {Entry} */ { name, data }) => data?.sessions ? filterHash(withinGroup(name)) : null;
  const sessions = createChartCard({
    host, title: "Sessions", heads: NUMBER_HEADS, csv: () => csv(range.by)(),
    legend: chartLegend([["answered", "answered, or still open"], ["unanswered", "never answered"]]),
  });
  const waiting = createChartCard({
    host, title: "Waiting time", heads: WAIT_HEADS, csv: () => csv(range.by)(),
    legend: chartLegend([["median-key", "median"], ["p90-key", "90 % wait at most"]]),
  });
  const heat = createChartCard({
    host, title: "When sessions begin", heads: NUMBER_HEADS, csv: csv("weekday-hour"),
    legend: html("div", { class: "legend" },
      "fewer", chartLegend([1, 2, 3, 4, 5].map((shade) => ["heat-" + shade, ""])), "more"),
  });
  const representatives = representativeTableCard(host, whole, csv("representative"));
  const teams = teamTableCard(host, whole, csv("team"));
  const notes = applianceNotes(host);
  const readAppliances = createApplianceReader();
  show(html("h2", { class: "hidden" }, "Overview"), bar.element, tiles.element,
    html("div", { class: "cards" }, sessions.element, waiting.element, heat.element, representatives.element,
      teams.element, notes.element));

  const showDays = (/** @type {StatisticsGroup[]} */ groups) => {
    const entries = withEmptyGroups(groupNames(range), groups);
    const each = range.by === "hour" ? "hour" : "day";
    const common = { data: groups, link, remark: unknownWords(groups) };
    sessions.update({
      ...common,
      title: "Sessions by " + each,
      summary: sessionsSummary(groups),
      draw: (drawing) => drawBarChart(entries, drawing),
      rows: () => numberRows(entries, groupTitle, withinGroup),
    });
    const known = entries.filter(({ data }) => data?.waiting_seconds);
    const worst = known.reduce((/** @type {Entry | null} */ worst, entry) =>
      (entry.data?.waiting_seconds?.p90 ?? 0) > (worst?.data?.waiting_seconds?.p90 ?? -1) ? entry : worst, null);
    waiting.update({
      ...common,
      title: "Waiting time by " + each,
      summary: worst
        ? "Longest on " + groupTitle(worst.name) + ": 90 % within " + shortDuration(worst.data?.waiting_seconds?.p90)
        : "No waiting time is known",
      remark: "",
      draw: (drawing) => drawLineChart(entries, drawing),
      rows: () => waitRows(entries, withinGroup),
    });
  };
  const showHeat = (/** @type {StatisticsGroup[]} */ groups) => {
    const busiest = groups.reduce((/** @type {StatisticsGroup | null} */ most, group) =>
      group.sessions > (most?.sessions ?? 0) ? group : most, null);
    const within = (/** @type {string} */ name) => ({ ...whole(), hour: name });
    heat.update({
      title: "When sessions begin",
      summary: busiest?.group ? "Busiest: " + weekHourTitle(busiest.group) : "No sessions",
      remark: "",
      data: groups,
      link: ({ name }) => filterHash(within(name)),
      draw: (drawing) => drawHeatMap(groups, drawing),
      rows: () => numberRows(groups.map((data) => ({ name: data.group ?? "", data })), weekHourTitle, within),
    });
  };
  const showNow = (/** @type {Now | null} */ now) => now && tiles.update(now);
  host.onPoll(showNow);
  return async ({ signal, stats, admin, now }) => {
    // Midnight can have passed.
    range = timeRange(filter);
    showNow(now);
    bar.update(stats);
    tiles.setEmpty(stats);
    const read = async (/** @type {string} */ by, /** @type {(groups: StatisticsGroup[]) => void} */ showGroups) => {
      /** @type {Statistics} */
      const { groups } = await ask(path(by), { signal });
      showGroups(groups);
    };
    // The customers who wait have names only in the list.
    const readNames = async () => {
      if (!now?.waiting_total) return;
      /** @type {SessionList | null} */
      const list = await ask(sessionsPath({ ...openFilter(now, site), answered: "false" }, null), { signal })
        .catch(passTokenFault);
      tiles.setNames(list?.sessions ?? []);
    };
    const readNotes = async () => notes.update((await readAppliances(signal)).map((appliance) => ({ appliance, admin })));
    await Promise.all([
      readNotes(),
      readNames(),
      read(range.by, showDays),
      read("weekday-hour", showHeat),
      read("representative", representatives.update),
      read("team", teams.update),
    ]);
  };
}
