// The form above the list. Its fields are kept in the URL, so that a search can be sent as a link.
import { html } from "./dom.js";
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
  return html("form", { onsubmit: (event) => event.preventDefault(), role: "search" },
    field("q", "Name, key or id", "search"),
    field("external_key", "External key", "text"),
    choice("state", "State", STATES),
    choice("announced", "Announced", ANNOUNCED),
    field("site", "Site", "text"),
    field("from", "From", "date"),
    field("to", "Before", "date"));
}
