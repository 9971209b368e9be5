// The geometry of a session's timeline, in pixels. Needs no browser: `tests/timeline.test.js`.
import { nameOrNone, shortDuration, shortened } from "./format.js";
import { stretchTicks, tickText } from "./scale.js";

/** @typedef {{ kind: string, since: Time, until: Time, title: string, label: string }} Span */
/** @typedef {{ x: number, width: number, label: string, span: Span }} Bar */
/** @typedef {{ name: string, label: string, y: number, bars: Bar[] }} Lane */
/** @typedef {{ from: number, to: number }} Stretch times in milliseconds */

/** The room for the scale. */
const TOP = 28;
const LANE_HEIGHT = 26;
const RIGHT_MARGIN = 20;
/** About the width of a character of the labels. */
const CHARACTER = 7;
/** The room for a tick's label. */
const TICK_WIDTH = 60;
const MOST_TICKS = 10;
/** The shortest stretch that can be shown. */
const SHORTEST_MS = 10_000;

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
  const others = detail.participants.map(({ type }) => type).filter((type) => memberKind(type) === "other");
  return [
    ["customer", "customer"], ["representative", "representative"], ["team", "team"],
    ...(waitingSpan(detail, "") ? [["waiting", "waiting"]] : []),
    ...(transferTimes(detail).length ? [["transfer", "transfer"]] : []),
    ...(detail.surveys.length ? [["mark", "survey"]] : []),
    ...(others.length ? [["other", [...new Set(others)].join(", ")]] : []),
  ];
}

/**
 * The times at which the session was passed on: each change of the owner after the first representative.
 *
 * @param {SessionDetail} detail
 */
export function transferTimes({ owners }) {
  const first = owners.findIndex(({ kind }) => kind !== "team");
  return first < 0 ? [] : owners.slice(first + 1);
}

/**
 * The time in which the customer waited: from the start to the first representative, or to the end.
 *
 * @param {SessionDetail} detail
 * @param {Time} end of what is shown
 * @returns {Span | null}
 */
function waitingSpan({ start, end: ended, participants }, end) {
  if (!start) return null;
  const representatives = participants.filter(({ type }) => type === "representative");
  // A representative can have joined before the first event that is stored.
  if (representatives.some(({ joined }) => !joined)) return null;
  const joins = representatives.map(({ joined }) => joined ?? "");
  const [answered] = joins.sort((one, other) => Date.parse(one) - Date.parse(other));
  const until = answered ?? ended ?? end;
  if (until && Date.parse(until) <= Date.parse(start)) return null;
  const title = answered ? "waiting for a representative" : ended ? "never answered" : "still waiting";
  return { kind: "waiting", since: start, until, title, label: answered ? "waiting" : title };
}

/**
 * The time that a session takes, in milliseconds: at least a second, so that it can be divided by.
 *
 * @param {SessionDetail} detail
 * @param {number} now the end of a session that is open, or 0
 * @returns {Stretch}
 */
export function sessionStretch(detail, now = 0) {
  const times = detail.events.map((event) => Date.parse(event.time));
  const from = Math.min(...times);
  return { from, to: Math.max(...times, from + 1000, detail.state === "open" ? now : 0) };
}

/**
 * The part of a session that is shown after a step of the reader. `null` is all of it.
 *
 * @param {Stretch} all
 * @param {Stretch | null} shown
 * @param {"in" | "out" | "left" | "right" | "all"} step
 */
export function zoomed(all, shown, step) {
  if (step === "all") return null;
  const { from, to } = shown ?? all;
  const length = to - from;
  const wanted = step === "in" ? Math.max(length / 2, SHORTEST_MS) : step === "out" ? length * 2 : length;
  if (wanted >= all.to - all.from) return null;
  const move = step === "left" ? -length / 4 : step === "right" ? length / 4 : (length - wanted) / 2;
  const begin = Math.min(Math.max(from + move, all.from), all.to - wanted);
  return { from: begin, to: begin + wanted };
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
  const waiting = waitingSpan(detail, end);
  if (waiting) all.push({ lane: "waiting", name: "waiting", span: waiting });
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
 * Where everything is in a picture of a width: one lane for the wait, one for the owners, one for each member, one for
 * the surveys.
 *
 * @param {SessionDetail} detail with at least one event
 * @param {number} width
 * @param {{ now?: number, shown?: Stretch | null }} view the time of an open session, and the part that is shown
 */
export function layOut(detail, width, { now = 0, shown = null } = {}) {
  const all = sessionStretch(detail, now);
  const { from, to } = shown ?? all;
  const left = Math.min(150, width * 0.3);
  const right = width - RIGHT_MARGIN;
  const scale = (right - left) / (to - from);
  const within = (/** @type {number} */ time) => left + (Math.min(Math.max(time, from), to) - from) * scale;
  const start = new Date(all.from).toISOString();
  const end = new Date(all.to).toISOString();
  /** @type {Map<string, Lane>} */
  const lanes = new Map();
  for (const { lane, name, span } of spans(detail, start, end)) {
    const label = shortened(name, Math.floor(left / (CHARACTER + 0.5)));
    const known = lanes.get(lane) ?? { name, label, y: TOP + lanes.size * LANE_HEIGHT, bars: [] };
    lanes.set(lane, known);
    const [since, until] = [Date.parse(span.since), Date.parse(span.until)];
    if (since > to || until < from) continue;
    // A moment is shown as well.
    const wide = Math.max(within(until) - within(since), 4);
    const fits = wide > span.label.length * CHARACTER + 8;
    known.bars.push({ x: within(since), width: wide, label: fits ? span.label : "", span });
  }
  const wanted = Math.min((right - left) / TICK_WIDTH, MOST_TICKS);
  const ticks = stretchTicks((from - all.from) / 1000, (to - all.from) / 1000, wanted)
    .map((tick) => ({ x: within(all.from + tick * 1000), text: tickText(tick) }));
  const transfers = transferTimes(detail)
    .filter(({ since }) => Date.parse(since) >= from && Date.parse(since) <= to)
    .map(({ name, since }) => ({ x: within(Date.parse(since)), since, name: nameOrNone(name) }));
  const height = TOP + 10 + lanes.size * LANE_HEIGHT;
  const stretch = { start: new Date(from).toISOString(), end: new Date(to).toISOString() };
  return { width, height, left, right, ...stretch, lanes: [...lanes.values()], ticks, transfers };
}

/**
 * The picture in words, for readers who do not see it.
 *
 * @param {SessionDetail} detail
 * @param {{ start: Time, end: Time, lanes: Lane[] }} laidOut
 */
export function timelineWords(detail, { start, end, lanes }) {
  const seconds = (Date.parse(end) - Date.parse(start)) / 1000;
  const transfers = transferTimes(detail).length;
  return "Timeline of session " + detail.lsid + ", " + shortDuration(seconds) + ": " +
    lanes.map(({ name }) => name).join(", ") + "; " + transfers + (transfers === 1 ? " transfer" : " transfers");
}
