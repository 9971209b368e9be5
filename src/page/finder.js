// Reads pages of sessions until there are enough, and finds the meaning of a text. Needs no browser: `tests/finder.test.js`.
import { isMeant } from "./conditions.js";
import { sessionPath, sessionsPath } from "./query.js";

/**
 * @typedef {{ sessions: SessionRow[], unreadable: Unreadable[], next: string | null, through: Time | null,
 *   requests: number }} Found
 * @typedef {(path: string, options: { signal: AbortSignal }) => Promise<any>} Asks
 * @typedef {"key" | "id" | "text"} Meaning
 */

/** @returns {Found} */
export const nothingFound = () => ({ sessions: [], unreadable: [], next: null, through: null, requests: 0 });

/**
 * Reads sessions until there are as many as wanted. A page of the API can be short, or empty, and have a next one.
 *
 * @param {Asks} asks
 * @param {{ filter: Filter, wanted: number, signal: AbortSignal, found?: Found }} search goes on from `found`
 * @param {(found: Found) => void} progress called after each page but the last
 */
export async function findSessions(asks, { filter, wanted, signal, found = nothingFound() }, progress) {
  for (;;) {
    /** @type {SessionList} */
    const page = await asks(sessionsPath(filter, found.next), { signal });
    found.sessions.push(...page.sessions.filter((session) => isMeant(session, filter)));
    found.unreadable.push(...page.unreadable);
    found.next = page.next;
    found.through = page.searched_through ?? page.sessions.at(-1)?.last_event ?? found.through;
    found.requests++;
    if (!found.next || found.sessions.length >= wanted) return found;
    progress(found);
  }
}

/**
 * The filter that a text of the search field stands for, by its meaning.
 *
 * @param {Filter} filter
 * @param {Meaning} meaning
 * @returns {Filter}
 */
export function meantFilter({ find = "", ...filter }, meaning) {
  if (!find) return filter;
  return meaning === "key" ? { ...filter, external_key: find } : { ...filter, q: find };
}

/**
 * Takes an error as no answer, unless nothing else could be read either.
 *
 * @param {unknown} error
 */
export function passTokenFault(error) {
  const { name, tokenRefused } = /** @type {import("./answer.js").ApiError} */ (error);
  if (tokenRefused || name === "AbortError") throw error;
  return null;
}

/**
 * The meaning of a text: an external key, a session's id, or a part of any text. An answer that is an error counts as
 * nothing found: not every text is a valid key or id.
 *
 * @param {Asks} asks
 * @param {{ filter: Filter, sites: string[], signal: AbortSignal }} search
 * @returns {Promise<{ meaning: Meaning, site: string }>}
 */
export async function textMeaning(asks, { filter, sites, signal }) {
  const text = filter.find ?? "";
  /** @type {SessionList | null} */
  const keyed = await asks(sessionsPath({ external_key: text, limit: "1" }, null), { signal }).catch(passTokenFault);
  if (keyed?.sessions.length) return { meaning: "key", site: "" };
  // An id is unique within a site.
  const answers = await Promise.all(sites.map((site) =>
    asks(sessionPath(site, text), { signal }).then(() => site, passTokenFault)));
  const site = answers.find(Boolean);
  return site ? { meaning: "id", site } : { meaning: "text", site: "" };
}
