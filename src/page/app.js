// Shows the view that the URL names, and reads it again every ten seconds.
import { ApiError } from "./answer.js";
import { ask, forgetToken, hasToken, keepToken } from "./api.js";
import { hideTrouble, markView, showReader, showStats, showTrouble } from "./banners.js";
import { destinationsView } from "./destinations.js";
import { byId } from "./dom.js";
import { LatestRun } from "./latest.js";
import { loginView } from "./login.js";
import { parseHash } from "./query.js";
import { sessionView } from "./session.js";
import { sessionsView } from "./sessions.js";
import { setAsideView } from "./set_aside.js";

const REFRESH_MS = 10_000;
const RESIZE_MS = 200;

/** @type {Record<string, string>} */
const TITLES = { sessions: "Sessions", "set-aside": "Set aside", destinations: "Destinations" };

const run = new LatestRun();

/** Counts the views: an answer for an earlier one is dropped. */
let view = 0;

/** @type {Update | null} */
let update = null;

/** Of the last statistics that could be read. */
let admin = false;

/** @param {unknown} error */
function report(error) {
  if (error instanceof ApiError && error.tokenRefused) leave("The token was not accepted.");
  else showTrouble(error);
}

/** @param {AbortSignal} signal */
async function readStats(signal) {
  try {
    /** @type {Stats} */
    const stats = await ask("/api/stats", { signal });
    admin = stats.admin;
    return stats;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ApiError && error.tokenRefused) throw error;
    // The view can be read without them, or says itself why not.
    return null;
  }
}

async function refresh(byTimer = false) {
  if (!update) return;
  await run.start(async (signal) => {
    try {
      const stats = await readStats(signal);
      showStats(stats);
      await update?.({ signal, stats, admin });
      hideTrouble();
    } catch (error) {
      if (!signal.aborted) report(error);
    }
  }, byTimer);
}

/** Forgets the token, and takes everything off the screen that was read with it. */
function leave(words = "") {
  forgetToken();
  view++;
  update = null;
  admin = false;
  run.stop();
  showReader(false);
  hideTrouble();
  document.title = "Outbound events";
  loginView((token) => {
    keepToken(token);
    hideTrouble();
    route();
  }, (words) => showTrouble(new Error(words)));
  if (words) showTrouble(new Error(words));
}

/** @returns {ViewHost} */
function viewHost() {
  const mine = ++view;
  const isShown = () => mine === view;
  return {
    isShown,
    refresh: async () => isShown() ? refresh() : undefined,
    report: (error) => isShown() && report(error),
  };
}

/** @param {ReturnType<typeof parseHash>} place */
function createView({ name, site, lsid, filter }) {
  const host = viewHost();
  if (name === "session") return sessionView(host, site, lsid);
  if (name === "set-aside") return setAsideView(host);
  return name === "destinations" ? destinationsView(host) : sessionsView(host, filter);
}

function route() {
  if (!hasToken()) return leave();
  const place = parseHash(location.hash);
  run.stop();
  showReader(true);
  hideTrouble();
  markView(place.name);
  document.title = (place.name === "session" ? "Session " + place.lsid : TITLES[place.name]) + " – Outbound events";
  update = createView(place);
  return refresh();
}

byId("forget").addEventListener("click", () => {
  // The URL can have a session's id or a customer's name.
  history.replaceState(null, "", location.pathname);
  leave();
});

addEventListener("hashchange", () => {
  const field = document.activeElement?.getAttribute("name");
  route();
  // A search makes the form anew: its reader stays in the same field.
  const same = field && byId("main").querySelector("[name='" + field + "']");
  if (same instanceof HTMLElement) same.focus();
  else if (hasToken()) byId("main").focus();
});

let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => refresh(true), RESIZE_MS);
});

setInterval(() => document.hidden || refresh(true), REFRESH_MS);

route();
