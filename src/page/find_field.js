// The search field of the header.
import { byId } from "./dom.js";
import { filterHash } from "./query.js";

const field = () => /** @type {HTMLInputElement} */ (byId("find").querySelector("input"));

/** @param {string} text the search that is shown */
export function showFindText(text) {
  // What is being typed stays.
  if (document.activeElement !== field() || text) field().value = text;
}

export function connectFindField() {
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field().value.trim();
    location.hash = filterHash({ find: text });
  });
  addEventListener("keydown", (event) => {
    const isTyping = document.activeElement?.matches("input, select, textarea");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field().focus();
  });
}
