// Fragments of the page's URL, and paths of the API. These functions need no browser: `tests/query.test.js`.

/**
 * The search fields of the list, as the page's URL names them. `find` is the field of the header; `by` and `hour` are
 * conditions that the page checks itself.
 */
export const FILTERS = [
  "find", "q", "external_key", "state", "announced", "answered", "representative", "team", "site", "from", "to", "by",
  "hour",
];

/** Longer sessions are not looked for by their end: every day before it takes more requests. */
const LONGEST_MS = 86_400_000;

/** The fields that the API does not know. */
const OF_PAGE = ["find", "by", "hour"];

/** The fields of the overview, as the page's URL names them. */
const OVERVIEW = ["range", "from", "through", "site"];

/** Each view of one name, and its fields. */
const VIEWS = ["sessions", "set-aside", "destinations"];

/** Fields that only the list has. Links of earlier versions have them without the name of the view. */
const OF_LIST = ["q", "external_key", "state", "announced"];

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
  const [, first = "", site, lsid] = (path ?? "").split("/");
  const given = new URLSearchParams(query ?? "");
  const isList = first === "sessions" || OF_LIST.some((field) => given.has(field));
  const known = isList ? "sessions" : VIEWS.includes(first) ? first : "overview";
  const fields = known === "overview" ? OVERVIEW : FILTERS;
  /** @type {Filter} */
  const filter = Object.fromEntries([...given].filter(([field]) => fields.includes(field)));
  if (first === "session" && site && lsid) return { name: "session", site, lsid: decoded(lsid), filter: {} };
  return { name: known, site: "", lsid: "", filter };
}

/** @param {Filter} filter */
const parameters = (filter) => new URLSearchParams(Object.entries(filter).filter(([, value]) => value));

/**
 * @param {string} path
 * @param {Filter} filter
 */
function hashOf(path, filter) {
  const query = parameters(filter).toString();
  return path + (query && "?" + query);
}

/** @param {Filter} filter */
export const filterHash = (filter) => hashOf("#/sessions", filter);

/** @param {Filter} filter */
export const overviewHash = (filter) => hashOf("#/", filter);

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
  // A page of few matches is larger: the rest is left out here.
  if (filter.by || filter.hour) query.set("limit", "200");
  for (const name of OF_PAGE) query.delete(name);
  for (const name of ["from", "to"]) {
    const day = query.get(name);
    // What is not a day is for the API to refuse.
    if (day && !Number.isNaN(Date.parse(day + "T00:00"))) query.set(name, midnight(day));
  }
  const from = Date.parse(query.get("from") ?? "");
  // The API selects by the begin: a session that ended in this time can have begun before it.
  if (filter.by === "end" && !Number.isNaN(from)) query.set("from", new Date(from - LONGEST_MS).toISOString());
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

/**
 * @param {{ from: string, to: string }} range
 * @param {string} by
 * @param {string} zone
 * @param {string} site empty for all sites
 */
export const statisticsPath = ({ from, to }, by, zone, site) =>
  "/api/statistics?" + parameters({ from, to, by, zone, site }).toString();

/**
 * @param {string} zone
 * @param {string} site empty for all sites
 */
export const nowPath = (zone, site) => "/api/now?" + parameters({ zone, site }).toString();
