// The header: its search field, and the list of checks.
import { byId } from "./dom.js";
import { filterHash } from "./query.js";

const field = () => /** @type {HTMLInputElement} */ (byId("find").querySelector("input"));

/** @param {string} text the search that is shown */
export function showFindText(text) {
  // Do not remove text that the reader is typing.
  if (document.activeElement !== field() || text) field().value = text;
}

/** The list of checks closes as menus do. */
function closeHealth() {
  byId("health").removeAttribute("open");
}

export function connectHeader() {
  addEventListener("click", (event) => {
    if (event.target instanceof Node && !byId("health").contains(event.target)) closeHealth();
  });
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field().value.trim();
    location.hash = filterHash({ find: text });
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && byId("health").hasAttribute("open")) {
      closeHealth();
      byId("health").querySelector("summary")?.focus();
    }
    const isTyping = document.activeElement?.matches("input, select, textarea");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field().focus();
  });
}
