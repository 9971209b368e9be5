// Elements. All text is set as text: what an event holds is never read as HTML.
import { unreadableText } from "./format.js";

/** @typedef {Node | string | number | null | undefined} Child */
/** @typedef {Record<string, string | number | null | undefined | ((event: Event) => void)>} Properties */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @template {Element} E
 * @param {E} element
 * @param {Properties} properties
 * @param {(Child | Child[])[]} children
 */
function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} properties
 * @param {(Child | Child[])[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export const html = (tag, properties = {}, ...children) => fill(document.createElement(tag), properties, children);

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} properties
 * @param {(Child | Child[])[]} children
 * @returns {SVGElementTagNameMap[T]}
 */
export const svg = (tag, properties = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), properties, children);

/** @param {Node[]} children */
export const show = (...children) => byId("main").replaceChildren(...children);

/**
 * Text of an event can turn the text around it (U+202E): it is isolated.
 *
 * @param {string} words
 */
export const isolated = (words) => html("bdi", {}, words);

/** @param {Child[]} words */
export const message = (...words) => html("p", { class: "message" }, words);

/** @param {Child[]} words */
export const errorMessage = (...words) => html("p", { class: "message bad" }, words);

/**
 * A message for each record. Several pages of a list can name the same one.
 *
 * @param {Unreadable[]} records
 */
export const unreadableMessages = (records) =>
  [...new Set(records.map(unreadableText))].map((text) => errorMessage(text));

/**
 * @param {string} state
 * @param {string} look
 */
export const stateBadge = (state, look) => html("span", { class: "state " + look }, state);

/**
 * A description list of the facts that there are.
 *
 * @param {[string, Child][]} facts
 */
export function factList(facts) {
  const known = facts.filter(([, value]) => value instanceof Node ? value.textContent : value);
  return html("dl", {}, known.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))));
}

/**
 * Grey boxes in the place of what is read.
 *
 * @param {number} lines
 */
export const skeleton = (lines) => html("div", { class: "skeleton", role: "status" },
  html("span", { class: "hidden" }, "Loading…"), Array.from({ length: lines }, () => html("i")));

/**
 * A message for an empty list: the reason, and the next step.
 *
 * @param {string} title
 * @param {Child[]} words
 */
export const emptyState = (title, ...words) => html("div", { class: "empty" }, html("p", {}, title), html("p", {}, words));

/**
 * @param {string[]} heads
 * @param {Element} body
 * @param {Properties} properties
 */
export function table(heads, body, properties = {}) {
  const cells = heads.map((name) => html("th", { scope: "col" }, name));
  return html("table", properties, html("thead", {}, html("tr", {}, cells)), body);
}
