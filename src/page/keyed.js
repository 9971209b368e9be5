// Lists that keep their elements when they are read again, and with them the focus, open lists and what was typed.
import { byId } from "./dom.js";

/**
 * @template T
 * @typedef {{ element: Element, update: (item: T) => void }} Entry
 */

/**
 * A function that makes the children of `parent` one for each item, in order. An item that was there before keeps its
 * element.
 *
 * @template T
 * @param {Element} parent
 * @param {(item: T) => string} key
 * @param {(item: T) => Entry<T>} create
 */
export function keyedList(parent, key, create) {
  /** @type {Map<string, Entry<T> & { seen: string }>} */
  let entries = new Map();
  return (/** @type {T[]} */ items) => {
    const had = parent.contains(document.activeElement);
    const before = entries;
    entries = new Map(items.map((item) => [key(item), before.get(key(item)) ?? { ...create(item), seen: "" }]));
    for (const [name, { element }] of before) if (!entries.has(name)) element.remove();
    let next = parent.firstElementChild;
    for (const item of items) {
      const entry = /** @type {Entry<T> & { seen: string }} */ (entries.get(key(item)));
      const seen = JSON.stringify(item);
      if (entry.seen !== seen) entry.update(item);
      entry.seen = seen;
      // To move an element takes the focus from it: the ones that are in place stay.
      if (entry.element === next) next = next.nextElementSibling;
      else parent.insertBefore(entry.element, next);
    }
    if (had && !parent.contains(document.activeElement)) byId("main").focus();
  };
}
