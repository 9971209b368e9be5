// Reads the state of the present. `app.js` calls it every few seconds while the page is visible.
import { ask } from "./api.js";
import { nowPath } from "./query.js";
import { setClock } from "./ticker.js";
import { zoneRule } from "./zone.js";

/**
 * The answer, or null if the component gives none: an older one, or a store that is busy. Throws if the token is
 * refused or the signal is aborted.
 *
 * @param {string} site empty for all sites
 * @param {AbortSignal} signal
 */
export async function readNow(site, signal) {
  try {
    /** @type {Now} */
    const now = await ask(nowPath(zoneRule(Date.now()), site), { signal });
    if (typeof now.version !== "string") return null;
    setClock(now.now);
    return now;
  } catch (error) {
    signal.throwIfAborted();
    if (/** @type {import("./answer.js").ApiError} */ (error).tokenRefused) throw error;
    return null;
  }
}
