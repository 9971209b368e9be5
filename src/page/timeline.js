// The geometry of a session's timeline, in pixels. Needs no browser: `tests/timeline.test.js`.
import { nameOrNone, shortened } from "./format.js";

/** @typedef {{ kind: string, since: Time, until: Time, title: string, label: string }} Span */
/** @typedef {{ x: number, width: number, label: string, span: Span }} Bar */
/** @typedef {{ name: string, label: string, y: number, bars: Bar[] }} Lane */

const TOP = 24;
const LANE_HEIGHT = 26;
const RIGHT_MARGIN = 20;
/** About the width of a character of the labels. */
const CHARACTER = 7;

/**
 * The look of a member: one for each type of the guide, and one for all others.
 *
 * @param {string} type
 */
export const memberKind = (type) => type === "customer" || type === "representative" ? type : "other";

/**
 * The looks and what they stand for. The types of other members are those that the session has.
 *
 * @param {SessionDetail} detail
 */
export function legend(detail) {
  const kinds = [["customer", "customer"], ["representative", "representative"], ["team", "team"], ["mark", "survey"]];
  const others = detail.participants.map(({ type }) => type).filter((type) => memberKind(type) === "other");
  return others.length ? [...kinds, ["other", [...new Set(others)].join(", ")]] : kinds;
}

/**
 * The time that the events of a session take, in milliseconds: at least a second, so that it can be divided by.
 *
 * @param {SessionDetail} detail
 */
function extent(detail) {
  const times = detail.events.map((event) => Date.parse(event.time));
  const from = Math.min(...times);
  return { from, to: Math.max(...times, from + 1000) };
}

/**
 * @param {SessionDetail} detail
 * @param {Time} start
 * @param {Time} end
 */
function spans(detail, start, end) {
  /** @type {{ lane: string, name: string, span: Span }[]} */
  const all = [];
  const until = detail.end ?? end;
  detail.owners.forEach(({ kind, name, since }, index) => {
    const look = kind === "team" ? "team" : "representative";
    const next = detail.owners[index + 1]?.since ?? until;
    const span = { kind: look, since, until: next, title: "owned by " + name, label: name };
    all.push({ lane: "owner", name: "owner", span });
  });
  for (const { type, name, joined, left } of detail.participants) {
    const title = nameOrNone(name) + ", " + type;
    const span = { kind: memberKind(type), since: joined ?? start, until: left ?? until, title, label: "" };
    all.push({ lane: type + " " + name, name: nameOrNone(name), span });
  }
  for (const { by, completed } of detail.surveys) {
    const span = { kind: "mark", since: completed, until: completed, title: "survey by the " + by, label: by };
    all.push({ lane: "surveys", name: "surveys", span });
  }
  return all;
}

/**
 * Where everything is in a picture of a width: one lane for the owners, one for each member, one for the surveys.
 *
 * @param {SessionDetail} detail with at least one event
 * @param {number} width
 */
export function layOut(detail, width) {
  const { from, to } = extent(detail);
  const left = Math.min(150, width * 0.3);
  const right = width - RIGHT_MARGIN;
  const scale = (right - left) / (to - from);
  const x = (/** @type {Time} */ time) => left + (Date.parse(time) - from) * scale;
  const start = new Date(from).toISOString();
  const end = new Date(to).toISOString();
  /** @type {Map<string, Lane>} */
  const lanes = new Map();
  for (const { lane, name, span } of spans(detail, start, end)) {
    const label = shortened(name, Math.floor(left / (CHARACTER + 0.5)));
    const known = lanes.get(lane) ?? { name, label, y: TOP + lanes.size * LANE_HEIGHT, bars: [] };
    // A moment is shown as well.
    const wide = Math.max(x(span.until) - x(span.since), 4);
    const fits = wide > span.label.length * CHARACTER;
    known.bars.push({ x: x(span.since), width: wide, label: fits ? span.label : "", span });
    lanes.set(lane, known);
  }
  return { width, height: TOP + 10 + lanes.size * LANE_HEIGHT, left, right, start, end, lanes: [...lanes.values()] };
}
