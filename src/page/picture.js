// Draws a session's timeline as SVG.
import { byId, html, svg } from "./dom.js";
import { clock } from "./format.js";
import { layOut, legend } from "./timeline.js";

/** The width for a picture. One that is made smaller afterwards cannot be read. */
export const pictureWidth = () => Math.max(Math.min(byId("main").clientWidth, 1100), 280);

/** @param {import("./timeline.js").Lane} lane */
function drawBars({ y, bars }) {
  return bars.flatMap(({ x, width, label, span }) => {
    const until = span.since === span.until ? "" : " to " + clock(span.until);
    const title = svg("title", {}, span.title + ": " + clock(span.since) + until);
    const bar = svg("rect", { x, y, width, height: 16, rx: 3, class: span.kind }, title);
    return [bar, label ? svg("text", { x: x + 4, y: y + 12 }, label) : null];
  });
}

/** @param {SessionDetail} detail */
export function picture(detail) {
  const { width, height, left, right, start, end, lanes } = layOut(detail, pictureWidth());
  const keys = legend(detail).map(([kind, name]) => {
    const sample = svg("rect", { width: 24, height: 12, class: kind });
    return html("span", {}, svg("svg", { class: "key", "aria-hidden": "true" }, sample), name);
  });
  const words = "Timeline of session " + detail.lsid + ": " + lanes.map(({ name }) => name).join(", ");
  const drawn = lanes.flatMap((lane) => [
    svg("text", { x: 0, y: lane.y + 13 }, lane.label),
    svg("line", { x1: left, x2: width, y1: lane.y + 20, y2: lane.y + 20, class: "axis" }),
    ...drawBars(lane),
  ]);
  return html("div", { class: "picture" },
    html("p", { class: "legend" }, keys),
    svg("svg", { viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": words },
      svg("text", { x: left, y: 12 }, clock(start)),
      svg("text", { x: right, y: 12, "text-anchor": "end" }, clock(end)),
      drawn));
}
