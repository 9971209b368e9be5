// The time range and the site of the overview. Both are kept in the URL.
import { html } from "./dom.js";
import { overviewHash } from "./query.js";
import { RANGES } from "./range.js";

/**
 * @param {Filter} filter
 * @param {import("./range.js").TimeRange} range
 */
export function rangeBar(filter, range) {
  const go = (/** @type {Filter} */ changed) => {
    location.hash = overviewHash({ ...filter, ...changed });
  };
  const links = RANGES.map(([name, words]) => {
    const days = name === "custom"
      ? { from: range.days[0] ?? "", through: range.days.at(-1) ?? "" }
      : { from: "", through: "" };
    return html("a", {
      href: overviewHash({ ...filter, range: name, ...days }),
      id: "range-" + name,
      "aria-current": name === range.name ? "true" : null,
    }, words);
  });
  const day = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string | undefined} */ value) =>
    html("label", {}, label, html("input", {
      type: "date", name, value,
      onchange: (event) => go({ [name]: /** @type {HTMLInputElement} */ (event.target).value }),
    }));
  const site = html("select", { name: "site", onchange: () => go({ site: site.value }) });
  const choice = html("label", { hidden: "" }, "Site", site);
  const custom = range.name === "custom"
    ? [day("from", "From", range.days[0]), day("through", "Through", range.days.at(-1))]
    : [];
  const element = html("form", { class: "range-bar", onsubmit: (event) => event.preventDefault() },
    html("nav", { class: "segments", "aria-label": "Time range" }, links), custom, choice);
  let before = "";
  const update = (/** @type {Stats | null} */ stats) => {
    const chosen = filter.site ?? "";
    const sites = [...new Set([...(stats?.sites ?? []).map(({ site }) => site), chosen])].filter(Boolean).sort();
    const now = sites.join();
    if (now === before) return;
    before = now;
    site.replaceChildren(...["", ...sites].map((value) =>
      html("option", { value, selected: value === chosen ? "" : null }, value || "all sites")));
    choice.hidden = sites.length < 2 && !chosen;
  };
  return { element, update };
}
