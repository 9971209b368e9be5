// The state of the whole system, for the header. Needs no browser: `tests/health.test.js`.
import { count, duration, nearMoment } from "./format.js";

/** From this many seconds on, a site that is behind is a problem: reports of ended sessions take minutes. */
const SITE_BEHIND = 3_600;

/** @typedef {{ good: boolean, words: string, hash: string }} HealthCheck */

/**
 * @param {Stats["sites"][0]} site
 * @param {number} now milliseconds
 * @returns {HealthCheck}
 */
function siteCheck({ site, complete_through, missed }, now) {
  const behind = complete_through ? Math.round((now - Date.parse(complete_through)) / 1000) : 0;
  const missedWords = missed ? ", " + count(missed, "session") + " never announced" : "";
  const late = behind > SITE_BEHIND ? ", " + duration(behind - behind % 60) + " behind" : "";
  const words = "Site " + site + " is complete through " + nearMoment(complete_through ?? "", new Date(now));
  return { good: !late, words: words + late + missedWords, hash: "#/sessions?site=" + site };
}

/** @param {Stats} stats */
const setAsideCheck = ({ set_aside }) => ({
  good: !set_aside,
  words: set_aside ? (set_aside === 1 ? "1 invalid body" : set_aside + " invalid bodies") + " set aside" : "No body is set aside",
  hash: "#/set-aside",
});

/**
 * Every check, the failed ones first.
 *
 * @param {Stats} stats
 * @param {number} now milliseconds
 * @returns {HealthCheck[]}
 */
export function healthChecks(stats, now) {
  const checks = [
    ...stats.unwell.map(({ name, state }) =>
      ({ good: false, words: "Destination " + name + " is " + state, hash: "#/destinations" })),
    ...(stats.unwell.length ? [] : [{ good: true, words: "No destination is failing or paused", hash: "#/destinations" }]),
    ...stats.clock_faults.map(({ site, detail }) =>
      ({ good: false, words: "Clock" + (site ? " of site " + site : "") + ": " + detail, hash: "" })),
    setAsideCheck(stats),
    ...(stats.sites ?? []).filter(({ complete_through }) => complete_through).map((site) => siteCheck(site, now)),
    ...(stats.unreadable?.length
      ? [{ good: false, words: count(stats.unreadable.length, "record") + " cannot be read", hash: "#/sessions" }]
      : []),
  ];
  return [...checks.filter(({ good }) => !good), ...checks.filter(({ good }) => good)];
}

/**
 * The line of the header: the most important words, and further words for wide windows.
 *
 * @param {HealthCheck[]} checks
 * @param {Stats} stats
 * @param {number} now milliseconds
 */
export function healthSummary(checks, stats, now) {
  const problems = checks.filter(({ good }) => !good).length;
  if (problems) return [count(problems, "problem"), ""];
  const times = (stats.sites ?? []).flatMap(({ complete_through }) => complete_through ?? []).sort();
  return ["All is well", times[0] ? ", complete through " + nearMoment(times[0], new Date(now)) : ""];
}
