// The parts of the page around the view: numbers, errors, and what needs an administrator.
import { byId, errorMessage, html } from "./dom.js";
import { problemText, statsText } from "./format.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** What the banner of destinations and clocks shows, as JSON. */
let shownUnwell = "";

/** @param {unknown} error */
export function showTrouble(error) {
  const { message, problems = [] } = /** @type {import("./answer.js").ApiError} */ (error);
  const reasons = problems.map(problemText).join("; ");
  byId("trouble").replaceChildren(errorMessage(message + (reasons && ": " + reasons)));
}

export const hideTrouble = () => byId("trouble").replaceChildren();

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

/** @param {Stats | null} stats */
export function showStats(stats) {
  byId("stats").textContent = stats ? statsText(stats, ZONE) : "";
  if (!stats) return;
  byId("count").textContent = stats.set_aside ? " (" + stats.set_aside + ")" : "";
  showUnwell(stats.unwell, stats.clock_faults);
}

/** Shows or hides what is for readers with a token. Nothing of the store stays on screen without one. */
export function showReader(/** @type {boolean} */ has) {
  for (const id of ["views", "forget"]) byId(id).hidden = !has;
  if (has) return;
  showStats(null);
  byId("count").textContent = "";
  showUnwell([], []);
}

/** @param {string} view */
export function markView(view) {
  const hash = "#/" + (view === "set-aside" || view === "destinations" ? view : "");
  for (const link of byId("views").querySelectorAll("a")) {
    if (link.hash === hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
