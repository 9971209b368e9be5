// Draws a session's timeline as SVG, with buttons and keys that show a part of it.
import { html, svg } from "./dom.js";
import { clock } from "./format.js";
import { layOut, legend, sessionStretch, timelineWords, zoomed } from "./timeline.js";
import { presentTime } from "./ticker.js";

/** @typedef {Parameters<typeof zoomed>[2]} Step */
/** @typedef {import("./timeline.js").Stretch} Stretch */

/** Shorter sessions are seen at once. */
const ZOOMABLE_MS = 120_000;

/** The step of each key. @type {Record<string, Step>} */
const KEYS = { "+": "in", "=": "in", "-": "out", "0": "all", ArrowLeft: "left", ArrowRight: "right" };

/** The step, its sign and its name. @type {[Step, string, string][]} */
const BUTTONS = [
  ["in", "+", "Zoom in"], ["out", "−", "Zoom out"], ["left", "←", "Earlier"], ["right", "→", "Later"],
  ["all", "Whole session", "Show the whole session"],
];

/** @param {import("./timeline.js").Lane} lane */
function drawBars({ y, bars }) {
  return bars.flatMap(({ x, width, label, span }) => {
    const until = span.since === span.until ? "" : " to " + clock(span.until);
    const title = svg("title", {}, span.title + ": " + clock(span.since) + until);
    const bar = svg("rect", { x, y, width, height: 16, rx: 3, class: span.kind }, title);
    return [bar, label ? svg("text", { x: x + 5, y: y + 12, class: "on-bar" }, label) : null];
  });
}

/**
 * @param {SessionDetail} detail
 * @param {ReturnType<typeof layOut>} laidOut
 */
function drawTimeline(detail, laidOut) {
  const { width, height, left, lanes, ticks, transfers } = laidOut;
  return svg("svg", { viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": timelineWords(detail, laidOut) },
    ticks.flatMap(({ x, text }) => [
      svg("line", { x1: x, x2: x, y1: 18, y2: height - 8, class: "axis" }),
      svg("text", { x, y: 12, "text-anchor": "middle" }, text),
    ]),
    lanes.flatMap((lane) => [
      svg("text", { x: 0, y: lane.y + 13 }, lane.label),
      svg("line", { x1: left, x2: width, y1: lane.y + 20, y2: lane.y + 20, class: "axis" }),
      ...drawBars(lane),
    ]),
    transfers.map(({ x, since, name }) => svg("g", { class: "transfer" },
      svg("title", {}, "passed on to " + name + ": " + clock(since)),
      svg("line", { x1: x, x2: x, y1: 18, y2: height - 8 }),
      svg("path", { d: "M" + (x - 5) + " 16h10l-5 7z" }))));
}

/** @param {SessionDetail} detail */
const drawLegend = (detail) => legend(detail).map(([kind, name]) => html("span", {},
  svg("svg", { class: "key", "aria-hidden": "true" }, svg("rect", { width: 24, height: 12, rx: 2, class: kind })), name));

/** A picture that keeps the part that is shown when its session goes on. */
export function createPicture() {
  /** @type {SessionDetail | null} */
  let detail = null;
  /** @type {Stretch | null} */
  let shown = null;
  const keys = html("p", { class: "legend" });
  const times = html("p", { class: "note" });
  const box = html("div", { class: "timeline", tabindex: "0", role: "group",
    "aria-label": "Timeline. Plus and minus zoom, arrow keys move, 0 shows the whole session" });
  const draw = () => {
    if (!detail || !box.clientWidth) return;
    const width = Math.max(box.clientWidth, 280);
    const laidOut = layOut(detail, width, { now: presentTime(), shown });
    const { start, end } = laidOut;
    box.replaceChildren(drawTimeline(detail, laidOut));
    times.textContent = "Shown: " + clock(start) + " to " + clock(end);
    const { from, to } = sessionStretch(detail, presentTime());
    buttons.hidden = to - from < ZOOMABLE_MS;
  };
  const take = (/** @type {Step} */ step) => {
    if (!detail) return;
    shown = zoomed(sessionStretch(detail, presentTime()), shown, step);
    draw();
  };
  const buttons = html("div", { class: "buttons", hidden: "" }, BUTTONS.map(([step, sign, name]) =>
    html("button", { class: "quiet", "aria-label": name, title: name, onclick: () => take(step) }, sign)));
  box.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    take(step);
  });
  const element = html("section", { class: "card picture" },
    html("div", { class: "card-head" }, html("div", {}, html("h2", {}, "Timeline"), times), buttons), keys, box);
  const update = (/** @type {SessionDetail} */ now) => {
    detail = now;
    keys.replaceChildren(...drawLegend(now));
    draw();
  };
  return { element, update, draw };
}
