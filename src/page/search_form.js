// The filters above the list. They are kept in the URL, so that a search can be sent as a link.
import { conditionWords } from "./conditions.js";
import { html, isolated } from "./dom.js";
import { filterHash } from "./query.js";

/** @type {[string, string][]} */
const STATES = [["", "all"], ["open", "open"], ["ended", "ended"], ["incomplete", "incomplete"]];

/** @type {[string, string][]} */
const ANNOUNCED = [["", "all"], ["false", "never announced"]];

/** @param {Filter} filter */
export function searchForm(filter) {
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) => {
    const value = /** @type {HTMLInputElement} */ (event.target).value.trim();
    location.hash = filterHash({ ...filter, [name]: value });
  };
  const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ type) =>
    html("label", {}, label, html("input", { type, name, value: filter[name] ?? "", onchange: change(name) }));
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {[string, string][]} */ choices) => {
    const options = choices.map(([value, words]) =>
      html("option", { value, selected: (filter[name] ?? "") === value ? "" : null }, words));
    return html("label", {}, label, html("select", { name, onchange: change(name) }, options));
  };
  const chips = conditionWords(filter).map(({ name, words }) => html("li", {}, isolated(words), html("a", {
    href: filterHash({ ...filter, [name]: "" }), "aria-label": "Remove the filter " + words,
  }, "×")));
  const clear = Object.values(filter).some(Boolean) ? html("a", { href: "#/sessions", class: "clear" }, "Clear all") : null;
  return html("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    choice("state", "State", STATES),
    choice("announced", "Announced", ANNOUNCED),
    field("site", "Site", "text"),
    field("from", "From", "date"),
    field("to", "Before", "date"),
    clear,
    chips.length ? html("ul", { class: "chips", "aria-label": "Further filters" }, chips) : null);
}
