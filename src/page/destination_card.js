// One destination. Its elements stay when its numbers change, so that lists stay open and buttons keep the focus.
import { ask } from "./api.js";
import { attemptList } from "./attempts.js";
import { factList, html, stateBadge } from "./dom.js";
import { grouped, moment } from "./format.js";
import { keyedList } from "./keyed.js";
import { replayQuery } from "./query.js";
import { timeElement } from "./ticker.js";

/** @typedef {{ status: DestinationStatus, refused: RefusedEvent[], admin: boolean }} Item */
/** @typedef {{ event: RefusedEvent, admin: boolean }} RefusedItem */
/** @typedef {(what: string, done: (answer: any) => string) => void} Act sends a command, and says how it ended */

/** @param {Time | undefined} time */
const timeOrNone = (time) => time ? timeElement(time) : null;

/** @param {DestinationStatus} status */
const destinationFacts = (status) => factList([
  ["State", stateBadge(status.state, status.state === "working" ? "working" : "unwell")],
  ["Address", status.origin ?? "none: the destination collects its events"],
  ["Format", status.format],
  ["Pending", html("span", {}, grouped(status.pending),
    status.oldest_pending ? [", the oldest from ", timeElement(status.oldest_pending)] : null)],
  ["Last success", timeOrNone(status.last_success)],
  ["Last answer", status.last_answer],
  ["Last error", status.last_error],
  ["Failing since", timeOrNone(status.failing_since)],
  ["Failing event", status.failing_event],
  ["Next attempt", timeOrNone(status.next_attempt)],
  ["Paused", status.paused && moment(status.paused.since) + ": " + status.paused.reason],
  ["Replays", status.replays || ""],
]);

/**
 * @param {string} name
 * @param {Act} act
 */
function replayForm(name, act) {
  const from = html("input", { type: "date", required: "" });
  const to = html("input", { type: "date", required: "" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const said = "The stored events of these days are sent to " + name + " again.";
    act("replay?" + replayQuery(from.value, to.value), () => said);
  };
  return html("form", { onsubmit: submit, "aria-label": "Replay to " + name },
    html("label", {}, "From", from), html("label", {}, "Before", to), html("button", {}, "Replay to " + name));
}

/**
 * @param {string} name
 * @param {Act} act
 */
function commands(name, act) {
  /** @type {DestinationStatus | undefined} */
  let now;
  const resumed = (/** @type {{ paused: Paused | null }} */ { paused }) => name + " is resumed." +
    (paused ? " Events packed since " + moment(paused.since) + " are not sent: replay them if they are needed." : "");
  const resumes = () => Boolean(now?.paused) || now?.state === "failing";
  const toggle = html("button", {
    onclick: () => resumes() ? act("resume", resumed) : act("pause", () => name + " is paused."),
  });
  const skip = html("button", {
    "aria-label": "Skip the failing event of " + name,
    onclick: () =>
      act("skip?event=" + now?.failing_event, ({ skipped }) => name + ": event " + skipped + " is skipped."),
  }, "Skip this event");
  const retry = html("button", {
    "aria-label": "Retry all events refused by " + name,
    onclick: () => act("refused/retry", () => "The events that " + name + " refused are sent again."),
  }, "Retry refused events");
  const update = (/** @type {DestinationStatus} */ status) => {
    now = status;
    toggle.textContent = resumes() ? "Resume now" : "Pause";
    toggle.setAttribute("aria-label", (resumes() ? "Resume " : "Pause ") + name);
    for (const [button, needed] of /** @type {[HTMLElement, unknown][]} */ ([
      [skip, status.failing_event],
      [retry, status.refused],
    ])) {
      if (!needed && button === document.activeElement) toggle.focus();
      button.hidden = !needed;
    }
  };
  return { element: html("div", { class: "buttons" }, toggle, skip, retry), update };
}

/** @param {Act} act */
const createRefused = (act) => (/** @type {RefusedItem} */ { event: { id, event, time } }) => {
  const reason = html("span");
  const retry = html("button", {
    "aria-label": "Retry event " + id,
    onclick: () => act("refused/" + id + "/retry", () => "The event is sent again."),
  }, "Retry");
  const element = html("li", {},
    html("span", { class: "mono" }, id), " ", event, ", ", timeElement(time), ": ", reason, " ", retry);
  const update = (/** @type {RefusedItem} */ { event, admin }) => {
    reason.textContent = event.reason;
    retry.hidden = !admin;
  };
  return { element, update };
};

/**
 * @param {ViewHost} host
 * @param {Element} words where the outcome of a command is said
 */
export const createDestinationCard = (host, words) => (/** @type {Item} */ { status: { name, format } }) => {
  /** @type {Act} */
  const act = (what, done) => {
    ask("/api/destinations/" + name + "/" + what, { method: "POST" }).then((answer) => {
      words.textContent = done(answer);
      return host.refresh();
    }).catch(host.report);
  };
  const list = html("ul");
  const summary = html("summary");
  const details = html("details", { "data-name": name, ontoggle: () => details.open && host.refresh() }, summary, list);
  const refusedList = keyedList(list, (/** @type {RefusedItem} */ { event }) => event.id, createRefused(act));
  const { element: buttons, update: updateButtons } = commands(name, act);
  const replay = replayForm(name, act);
  const { element: attempts, update: updateAttempts } = attemptList(name);
  const box = html("div");
  const element = html("section", { class: "card" }, html("h2", {}, name), box, attempts, details, buttons, replay);
  const update = (/** @type {Item} */ { status, refused, admin }) => {
    box.replaceChildren(destinationFacts(status));
    summary.textContent = status.refused + " refused";
    details.hidden = !status.refused;
    refusedList(refused.map((event) => ({ event, admin })));
    updateAttempts(status.attempts);
    updateButtons(status);
    buttons.hidden = !admin;
    replay.hidden = !admin || format === "pull";
  };
  return { element, update };
};
