// Fragments of the page's URL, and paths of the API. These functions need no browser: `tests/query.test.js`.

/** The search fields, as the API and the page's URL name them. */
export const FILTERS = ["q", "external_key", "state", "announced", "site", "from", "to"];

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // A URL that was typed can have any escapes.
    return text;
  }
}

/**
 * The view that a fragment names.
 *
 * @param {string} hash
 */
export function parseHash(hash) {
  const [path, query] = hash.split("?", 2);
  const [, name, site, lsid] = (path ?? "").split("/");
  const parameters = [...new URLSearchParams(query ?? "")].filter(([name]) => FILTERS.includes(name));
  /** @type {Filter} */
  const filter = Object.fromEntries(parameters);
  if (name === "session" && site && lsid) return { name, site, lsid: decoded(lsid), filter };
  return { name: name === "set-aside" || name === "destinations" ? name : "sessions", site: "", lsid: "", filter };
}

/** @param {Filter} filter */
const parameters = (filter) => new URLSearchParams(Object.entries(filter).filter(([, value]) => value));

/** @param {Filter} filter */
export function filterHash(filter) {
  const query = parameters(filter).toString();
  return "#/" + (query && "?" + query);
}

/**
 * @param {string} site
 * @param {string} lsid
 */
export const sessionHash = (site, lsid) => "#/session/" + site + "/" + encodeURIComponent(lsid);

/**
 * The beginning of a day in the reader's own time zone.
 *
 * @param {string} day
 */
export const midnight = (day) => new Date(day + "T00:00").toISOString();

/**
 * @param {Filter} filter
 * @param {string | null} cursor
 */
export function sessionsPath(filter, cursor) {
  const query = parameters(filter);
  for (const name of ["from", "to"]) {
    const day = query.get(name);
    // What is not a day is for the API to refuse.
    if (day && !Number.isNaN(Date.parse(day + "T00:00"))) query.set(name, midnight(day));
  }
  if (cursor) query.set("cursor", cursor);
  return "/api/sessions?" + query;
}

/**
 * @param {string} site
 * @param {string} lsid
 */
export function sessionPath(site, lsid) {
  // Browsers resolve `.` and `..`: the API takes `~.` and `~..` for them.
  return "/api/sessions/" + site + "/" + (/^~*\.\.?$/.test(lsid) ? "~" : "") + encodeURIComponent(lsid);
}

/**
 * The reports of a session, as events.
 *
 * @param {string} site
 * @param {string} lsid
 */
export const reportsPath = (site, lsid) =>
  "/api/events?" + new URLSearchParams({ site, lsid, event: "report" }).toString();

/**
 * @param {string} path
 * @param {string | null} cursor
 */
export const withCursor = (path, cursor) =>
  cursor ? path + (path.includes("?") ? "&" : "?") + "cursor=" + encodeURIComponent(cursor) : path;

/**
 * @param {string} from
 * @param {string} to
 */
export const replayQuery = (from, to) => new URLSearchParams({ from: midnight(from), to: midnight(to) }).toString();
