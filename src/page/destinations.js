// The destinations that events are forwarded to.
import { ask } from "./api.js";
import { emptyState, html, show, skeleton } from "./dom.js";
import { createDestinationCard } from "./destination_card.js";
import { keyedList } from "./keyed.js";

/** @typedef {{ status: DestinationStatus, refused: RefusedEvent[], admin: boolean }} Item */

/**
 * @param {ViewHost} host
 * @returns {Update}
 */
export function destinationsView(host) {
  const box = html("div", { class: "stack" });
  const none = html("div", {}, skeleton(4));
  const words = html("p", { role: "status" });
  const cards = keyedList(box, (/** @type {Item} */ { status }) => status.name, createDestinationCard(host, words));
  const intro = "Events are forwarded to these destinations. An event is pending until its destination accepts it.";
  show(html("h2", { class: "title" }, "Destinations"), html("p", { class: "intro" }, intro), words, box, none);
  const isOpen = (/** @type {string} */ name) => box.querySelector("details[open][data-name='" + name + "']") !== null;
  return async ({ signal, admin }) => {
    /** @type {{ destinations: DestinationStatus[] }} */
    const { destinations } = await ask("/api/destinations", { signal });
    const items = await Promise.all(destinations.map(async (status) => {
      const wanted = status.refused > 0 && isOpen(status.name);
      /** @type {{ refused: RefusedEvent[] }} */
      const { refused } = wanted
        ? await ask("/api/destinations/" + status.name + "/refused", { signal })
        : { refused: [] };
      return { status, refused, admin };
    }));
    cards(items);
    none.replaceChildren(...(items.length
      ? []
      : [emptyState("No destinations are configured.", "List them in the setting destinations to forward events.")]));
  };
}
