// Draws the overview's pictures as SVG. What is seen is one image with its summary; over it lie the links.
import { groupTitle, layOutBars, layOutHeat, layOutLines } from "./chart_layout.js";
import { html, svg } from "./dom.js";
import { roveLinks } from "./roving.js";
import { groupWords, waitWords } from "./statistics.js";

/** @typedef {import("./chart_layout.js").Entry} Entry */
/** @typedef {{ x: number, y: number, width: number, height: number }} Box */
/** @typedef {{ at: number, words: string, hash: string | null, box: Box }} Hit */

const HEIGHT = 220;

/**
 * The parts of a picture that can be pointed at. Pointing, or the focus, says in the readout what is there.
 *
 * @param {Hit[]} hits
 * @param {HTMLElement} readout
 * @param {number} columns
 */
function hitLayer(hits, readout, columns) {
  const usual = readout.textContent;
  const say = (/** @type {string | null} */ words) => () => {
    readout.textContent = words;
  };
  const layer = svg("g", { class: "hits" }, hits.map(({ at, words, hash, box }) => {
    const events = { onpointerenter: say(words), onpointerleave: say(usual) };
    const rect = svg("rect", { ...box, ...events });
    if (!hash) return rect;
    return svg("a", { href: hash, "data-at": at, "aria-label": words, onfocus: say(words), onblur: say(usual) }, rect);
  }));
  roveLinks(layer, columns);
  return layer;
}

/**
 * @param {{ width: number, height: number, label: string }} size
 * @param {(Node | null)[]} drawn
 * @param {Node} hits
 */
const frame = ({ width, height, label }, drawn, hits) =>
  svg("svg", { viewBox: "0 0 " + width + " " + height, role: "group", "aria-label": label },
    svg("g", { role: "img", "aria-label": label }, drawn), hits);

/**
 * @param {{ area: { left: number, right: number, bottom: number }, ticks: { y: number, text: string }[],
 *   labels: { x: number, text: string }[] }} layout
 */
const axes = ({ area, ticks, labels }) => [
  ...ticks.flatMap(({ y, text }) => [
    svg("line", { x1: area.left, x2: area.right, y1: y, y2: y, class: "axis" }),
    svg("text", { x: area.left - 8, y: y + 4, "text-anchor": "end" }, text),
  ]),
  ...labels.map(({ x, text }) => svg("text", { x, y: area.bottom + 17, "text-anchor": "middle" }, text)),
];

/** @param {[string, string][]} entries look and name */
export const chartLegend = (entries) => html("p", { class: "legend" }, entries.map(([look, name]) =>
  html("span", {}, svg("svg", { class: "key", "aria-hidden": "true" },
    svg("rect", { width: 24, height: 12, rx: 2, class: look })), name)));

/** @typedef {{ width: number, label: string, readout: HTMLElement, link: (entry: Entry) => string | null }} Drawing */

/**
 * @param {Entry[]} entries
 * @param {Drawing} drawing
 */
export function drawBarChart(entries, { width, label, readout, link }) {
  const layout = layOutBars(entries, width, HEIGHT);
  const { area, columns } = layout;
  const bars = columns.flatMap(({ x, width, answered, missed }) => [
    answered.height ? svg("rect", { x, width, ...answered, rx: 1.5, class: "answered" }) : null,
    missed.height ? svg("rect", { x, width, ...missed, rx: 1.5, class: "unanswered" }) : null,
  ]);
  const hits = columns.map(({ entry, column }, at) => ({
    at,
    words: groupTitle(entry.name) + ": " + groupWords(entry.data),
    hash: link(entry),
    box: { ...column, y: area.top, height: area.bottom - area.top },
  }));
  return frame({ width, height: HEIGHT, label }, [...axes(layout), ...bars], hitLayer(hits, readout, 1));
}

/**
 * @param {Entry[]} entries
 * @param {Drawing} drawing
 */
export function drawLineChart(entries, { width, label, readout, link }) {
  const layout = layOutLines(entries, width, HEIGHT);
  const { area, columns } = layout;
  const single = columns.flatMap(({ x, points }, index) =>
    points && !columns[index - 1]?.points && !columns[index + 1]?.points
      ? [
          svg("circle", { cx: x, cy: points.p90, r: 3, class: "p90" }),
          svg("circle", { cx: x, cy: points.median, r: 3, class: "median" }),
        ]
      : []);
  const lines = [
    svg("path", { d: layout.p90, class: "line p90" }),
    svg("path", { d: layout.median, class: "line median" }),
  ];
  const hits = columns.map(({ entry, column }, at) => ({
    at,
    words: groupTitle(entry.name) + ": " + waitWords(entry.data),
    hash: link(entry),
    box: { ...column, y: area.top, height: area.bottom - area.top },
  }));
  return frame({ width, height: HEIGHT, label }, [...axes(layout), ...lines, ...single], hitLayer(hits, readout, 1));
}

/**
 * @param {StatisticsGroup[]} groups
 * @param {Drawing} drawing
 */
export function drawHeatMap(groups, { width, label, readout, link }) {
  const { cells, days, hours, step, rowHeight, height } = layOutHeat(groups, width);
  const size = { width: step - 2, height: rowHeight - 2 };
  const drawn = [
    ...hours.map(({ x, text }) => svg("text", { x, y: 11 }, text)),
    ...days.map(({ y, text }) => svg("text", { x: 0, y: y + 4 }, text)),
    ...cells.map(({ x, y, shade }) => svg("rect", { x, y, ...size, rx: 2, class: "heat heat-" + shade })),
  ];
  const hits = cells.map(({ name, data, title, x, y }, at) => ({
    at,
    words: title + ": " + groupWords(data),
    hash: data ? link({ name, data }) : null,
    box: { x, y, ...size },
  }));
  return frame({ width, height, label }, drawn, hitLayer(hits, readout, 24));
}
