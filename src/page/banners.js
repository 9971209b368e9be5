// The parts of the page around the view: whether all is well, numbers, errors, and what needs an administrator.
import { byId, errorMessage, html } from "./dom.js";
import { count, problemText, statsText } from "./format.js";
import { healthChecks, healthSummary } from "./health.js";
import { presentTime } from "./ticker.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @type {Record<string, string>} */
const TITLES = { overview: "Overview", sessions: "Sessions", "set-aside": "Set aside", destinations: "Destinations" };

/** What the banner of destinations and clocks shows, as JSON. */
let shownUnwell = "";

/** The list of checks that is shown, as JSON. */
let shownChecks = "";

let title = "";

/** @param {unknown} error */
export function showTrouble(error) {
  const { message, problems = [] } = /** @type {import("./answer.js").ApiError} */ (error);
  const reasons = problems.map(problemText).join("; ");
  byId("trouble").replaceChildren(errorMessage(message + (reasons && ": " + reasons)));
}

export const hideTrouble = () => byId("trouble").replaceChildren();

/** Whether an error is shown. */
export const isTroubled = () => byId("trouble").childNodes.length > 0;

/**
 * @param {Stats["unwell"]} destinations
 * @param {Stats["clock_faults"]} clocks
 */
function showUnwell(destinations, clocks) {
  const now = JSON.stringify([destinations, clocks]);
  // A live region that is set again is read aloud again.
  if (shownUnwell === now) return;
  shownUnwell = now;
  byId("unwell").replaceChildren(
    ...destinations.map(({ name, state }) => {
      const link = html("a", { href: "#/destinations" }, "see why");
      return errorMessage("Destination " + name + " is " + state + ": ", link, ".");
    }),
    ...clocks.map(({ site, detail }) => errorMessage("Clock: " + (site ? "site " + site + ": " : "") + detail + ".")));
}

/** @param {Stats} stats */
function showHealth(stats) {
  const checks = healthChecks(stats, presentTime());
  const summary = healthSummary(checks, stats, presentTime());
  const now = JSON.stringify([checks, summary]);
  if (shownChecks === now) return;
  shownChecks = now;
  byId("health-words").replaceChildren(summary[0] ?? "", html("span", {}, summary[1]));
  byId("health").className = checks.every(({ good }) => good) ? "well" : "ill";
  byId("checks").replaceChildren(...checks.map(({ good, words, hash }) =>
    html("li", { class: good ? "well" : "ill" }, hash ? html("a", { href: hash }, words) : words)));
}

/** @param {Stats | null} stats */
export function showStats(stats) {
  byId("stats").textContent = stats ? statsText(stats, ZONE) : "";
  if (!stats) return;
  byId("count").textContent = stats.set_aside ? " (" + stats.set_aside + ")" : "";
  showHealth(stats);
  showUnwell(stats.unwell, stats.clock_faults);
}

/** @param {{ name: string, lsid: string }} place */
export const viewTitle = ({ name, lsid }) =>
  (name === "session" ? "Session " + lsid : TITLES[name]) + " – Outbound events";

/**
 * Names the page, and in its title how many customers wait.
 *
 * @param {Now | null} now
 * @param {string} view the title of the view; as before if it is not given
 */
export function showWaiting(now, view = title) {
  title = view;
  document.title = (now?.waiting_total ? "(" + count(now.waiting_total, "customer") + " waiting) " : "") + title;
}

/** Shows or hides what is for readers with a token. Nothing of the store stays on screen without one. */
export function showReader(/** @type {boolean} */ has) {
  for (const id of ["views", "find", "health", "forget"]) byId(id).hidden = !has;
  if (has) return;
  showStats(null);
  byId("count").textContent = "";
  byId("health-words").textContent = "Checking…";
  byId("health").className = "";
  byId("checks").replaceChildren();
  shownChecks = "";
  const find = byId("find").querySelector("input");
  if (find) find.value = "";
  showUnwell([], []);
}

/** @param {string} view */
export function markView(view) {
  /** @type {Record<string, string>} */
  const hashes = { overview: "#/", "set-aside": "#/set-aside", destinations: "#/destinations" };
  byId("health").removeAttribute("open");
  for (const link of byId("views").querySelectorAll("a")) {
    if (link.hash === (hashes[view] ?? "#/sessions")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
