// A card with a picture, what it shows in words, and its numbers as a table.
import { html, skeleton, table } from "./dom.js";
import { csvButton } from "./download.js";

/** @typedef {import("./chart.js").Drawing} Drawing */
/** @typedef {{ cells: (Node | string | number)[] }[]} TableRows */

/**
 * @param {{ host: ViewHost, title: string, note?: string, heads: string[], legend?: Node | null,
 *   csv: () => { path: string, name: string } }} options
 */
export function createChartCard({ host, title, note = "", heads, legend = null, csv }) {
  const heading = html("h2", {}, title);
  const readout = html("p", { class: "readout" });
  const box = html("div", { class: "chart" }, skeleton(1));
  const body = html("tbody");
  const numbers = html("details", { class: "numbers" },
    html("summary", {}, "Show the numbers"), table(heads, body, { "aria-label": title }));
  const remark = html("p", { class: "note" });
  const element = html("section", { class: "card chart-card" },
    html("div", { class: "card-head" }, html("div", {}, heading, readout), csvButton(host, title, csv)),
    note ? html("p", { class: "note" }, note) : null, legend, box, numbers, remark);
  let before = "";

  /**
   * Draws the picture, unless its data and its width are those that are drawn.
   *
   * @param {{ title: string, summary: string, remark: string, data: unknown, link: Drawing["link"],
   *   draw: (drawing: Drawing) => Element, rows: () => TableRows }} shown
   */
  const update = ({ title, summary, remark: words, data, link, draw, rows }) => {
    const width = Math.max(Math.floor(box.clientWidth), 260);
    const now = JSON.stringify([title, summary, words, data, width]);
    if (now === before) return;
    before = now;
    heading.textContent = title;
    readout.textContent = summary;
    const at = box.contains(document.activeElement) ? document.activeElement?.getAttribute("data-at") : null;
    box.replaceChildren(draw({ width, label: title + ": " + summary, readout, link }));
    const focused = at && box.querySelector("[data-at='" + at + "']");
    if (focused instanceof SVGElement) focused.focus();
    body.replaceChildren(...rows().map(({ cells }) => html("tr", {}, cells.map((cell, index) =>
      html(index ? "td" : "th", { "data-name": heads[index], scope: index ? null : "row" }, cell)))));
    remark.textContent = words;
    remark.hidden = !words;
  };
  return { element, update };
}
