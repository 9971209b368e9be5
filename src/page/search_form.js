// The form above the list. Its fields are kept in the URL, so that a search can be sent as a link.
import { html } from "./dom.js";
import { filterHash } from "./query.js";

const STATES = ["", "open", "ended", "incomplete"];

/** @param {Filter} filter */
export function searchForm(filter) {
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) => {
    const value = /** @type {HTMLInputElement} */ (event.target).value.trim();
    location.hash = filterHash({ ...filter, [name]: value });
  };
  const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ type) =>
    html("label", {}, label, html("input", { type, name, value: filter[name] ?? "", onchange: change(name) }));
  const states = STATES.map((state) =>
    html("option", { value: state, selected: (filter.state ?? "") === state ? "" : null }, state || "all"));
  return html("form", { onsubmit: (event) => event.preventDefault(), role: "search" },
    field("q", "Name, key or id", "search"),
    field("external_key", "External key", "text"),
    html("label", {}, "State", html("select", { name: "state", onchange: change("state") }, states)),
    field("site", "Site", "text"),
    field("from", "From", "date"),
    field("to", "Before", "date"));
}
