// Shows the view that the URL names, and reads it again once anything has changed.
import { ApiError } from "./answer.js";
import { ask, forgetToken, hasToken, keepToken } from "./api.js";
import { hideTrouble, isTroubled, markView, showReader, showStats, showTrouble, showWaiting, viewTitle } from "./banners.js";
import { destinationsView } from "./destinations.js";
import { byId } from "./dom.js";
import { connectHeader, showFindText } from "./header.js";
import { LatestRun } from "./latest.js";
import { readNow } from "./live.js";
import { loginView } from "./login.js";
import { overviewView } from "./overview.js";
import { parseHash } from "./query.js";
import { sessionView } from "./session.js";
import { sessionsView } from "./sessions.js";
import { setAsideView } from "./set_aside.js";
import { startTicker } from "./ticker.js";

/** How often the page asks whether anything has changed. */
const POLL_MS = 3_000;

/** How often it reads what no version tells of: destinations, clocks, checks of appliances. */
const STATS_MS = 10_000;

const run = new LatestRun();
const polls = new LatestRun();

/** Counts the views: an answer for an earlier one is dropped. */
let view = 0;

/** @type {Update | null} */
let update = null;

/** @type {ReturnType<typeof parseHash> | null} */
let place = null;

/** Called with each answer of a poll, by the view that is shown. @type {((now: Now | null) => void)[]} */
let listeners = [];

/** @type {Now | null} */
let latest = null;

/** The version of what is shown, or null if none is known. @type {string | null} */
let shownVersion = null;

/** When the statistics were read last, in milliseconds. */
let statsRead = 0;

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
    statsRead = Date.now();
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
    const version = latest?.version ?? null;
    try {
      const stats = await readStats(signal);
      showStats(stats);
      await update?.({ signal, stats, admin, now: latest, byTimer });
      shownVersion = version;
      hideTrouble();
    } catch (error) {
      if (!signal.aborted) report(error);
    }
  }, byTimer);
}

/** Reads again what has changed, or what no version tells of. */
async function refreshChanged() {
  const isDue = Date.now() - statsRead >= STATS_MS;
  const hasChanged = latest ? latest.version !== shownVersion || isTroubled() : isDue;
  if (hasChanged || isDue && place?.name === "destinations") return refresh(true);
  if (isDue) await run.start(async (signal) => showStats(await readStats(signal)), true);
}

/** @param {boolean} isFirst the view reads itself */
async function poll(isFirst = false) {
  const mine = view;
  await polls.start(async (signal) => {
    try {
      const now = await readNow(place?.name === "overview" ? place.filter.site ?? "" : "", signal);
      if (mine !== view) return;
      latest = now;
      showWaiting(latest);
      for (const listener of listeners) listener(latest);
      if (!isFirst) await refreshChanged();
    } catch (error) {
      if (!signal.aborted && mine === view) report(error);
    }
  }, !isFirst);
}

/** Forgets the token, and takes everything off the screen that was read with it. */
function leave(words = "") {
  forgetToken();
  view++;
  update = place = latest = shownVersion = null;
  listeners = [];
  admin = false;
  run.stop();
  polls.stop();
  showReader(false);
  hideTrouble();
  showWaiting(null, "Outbound events");
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
    onPoll: (callback) => void listeners.push(callback),
  };
}

/** @param {ReturnType<typeof parseHash>} place */
function createView({ name, site, lsid, filter }) {
  const host = viewHost();
  if (name === "session") return sessionView(host, site, lsid);
  if (name === "sessions") return sessionsView(host, filter);
  if (name === "set-aside") return setAsideView(host);
  return name === "destinations" ? destinationsView(host) : overviewView(host, filter);
}

async function route() {
  if (!hasToken()) return leave();
  run.stop();
  place = parseHash(location.hash);
  listeners = [];
  showReader(true);
  hideTrouble();
  markView(place.name);
  showFindText(place.filter.find ?? "");
  update = createView(place);
  showWaiting(latest, viewTitle(place));
  const mine = view;
  // A version that is read after the view would hide what came between.
  const first = poll(true);
  if (!latest) await first;
  if (mine === view) await refresh();
}

byId("forget").addEventListener("click", () => {
  // The URL can have a session's id or a customer's name.
  history.replaceState(null, "", location.pathname);
  leave();
});

addEventListener("hashchange", () => {
  const focused = document.activeElement;
  const selector = focused?.id ? "#" + focused.id : "[name='" + focused?.getAttribute("name") + "']";
  route();
  // A search makes the form anew: its reader stays in the same field.
  const same = document.querySelector(selector);
  if (same instanceof HTMLElement) same.focus();
  else if (hasToken()) byId("main").focus();
});

let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(refresh, 200, true);
});

connectHeader();
startTicker();
setInterval(() => document.hidden || !update || poll(), POLL_MS);
document.addEventListener("visibilitychange", () => document.hidden || !update || poll());

route();
