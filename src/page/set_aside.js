// The bodies that were set aside.
import { ask } from "./api.js";
import { emptyState, html, isolated, show, skeleton, unreadableMessages } from "./dom.js";
import { problemText } from "./format.js";
import { keyedList } from "./keyed.js";
import { withCursor } from "./query.js";
import { timeElement } from "./ticker.js";

/** How many more bodies the button shows. */
const STEP = 20;

const NOTHING = "Every body that authenticated senders sent is a valid event.";

/** The most bodies that one request can ask for. */
const LIMIT = 100;

/** @typedef {{ body: SetAsideBody, admin: boolean }} Item */

/** @param {unknown} error */
function reason(error) {
  const { message, problems = [] } = /** @type {import("./answer.js").ApiError} */ (error);
  return message + (problems.length ? ": " + problems.map(problemText).join("; ") : "");
}

/** @param {string} id */
const retryBody = (id) => ask("/api/set-aside/" + id + "/retry", { method: "POST" });

/**
 * @param {ViewHost} host
 * @param {Element} summary
 */
const createCard = (host, summary) => (/** @type {Item} */ { body: { id, site, firstseen } }) => {
  const words = html("p", { role: "status" });
  const remove = () => ask("/api/set-aside/" + id, { method: "DELETE" }).then(host.refresh, host.report);
  const retry = async () => {
    try {
      const { result } = await retryBody(id);
      summary.textContent = result === "duplicate" ? "The event was stored before." : "The body is stored as an event.";
      await host.refresh();
    } catch (error) {
      words.textContent = reason(error);
    }
  };
  const problems = html("ul", { class: "problems" });
  const content = html("pre");
  const buttons = html("div", { class: "buttons" },
    html("button", { onclick: retry, "aria-label": "Retry " + id }, "Retry"),
    html("button", { onclick: remove, "aria-label": "Remove " + id }, "Remove"));
  const title = html("h2", {}, site, ", ", timeElement(firstseen));
  const element = html("section", { class: "card" }, title, problems, content, buttons, words);
  const update = (/** @type {Item} */ { body, admin }) => {
    problems.replaceChildren(...body.problems.map((problem) => html("li", {}, problemText(problem))));
    content.replaceChildren(isolated(body.body ?? "(base64) " + body.body_base64));
    buttons.hidden = !admin;
  };
  return { element, update };
};

/**
 * @param {number} wanted
 * @param {AbortSignal} signal
 */
async function readSetAside(wanted, signal) {
  /** @type {SetAsideList} */
  const all = { set_aside: [], unreadable: [], next: null };
  do {
    const limit = Math.min(wanted - all.set_aside.length, LIMIT);
    /** @type {SetAsideList} */
    const page = await ask(withCursor("/api/set-aside?limit=" + limit, all.next), { signal });
    all.set_aside.push(...page.set_aside);
    all.unreadable.push(...page.unreadable);
    all.next = page.next;
  } while (all.next && all.set_aside.length < wanted);
  return all;
}

/**
 * Retries every body, and says in `summary` how far it is.
 *
 * @param {ViewHost} host
 * @param {Element} summary
 */
async function retryEach(host, summary) {
  let tried = 0;
  let stored = 0;
  /** @type {string | null} */
  let next = null;
  do {
    /** @type {SetAsideList} */
    const list = await ask(withCursor("/api/set-aside?limit=" + LIMIT, next));
    for (const { id } of list.set_aside) {
      await retryBody(id).then(() => stored++, () => {});
      summary.textContent = ++tried + " retried, " + stored + " stored as events";
    }
    next = list.next;
  } while (next);
  await host.refresh();
}

/**
 * @param {ViewHost} host
 * @returns {Update}
 */
export function setAsideView(host) {
  const box = html("div", { class: "stack" });
  const words = html("div", {}, skeleton(4));
  const summary = html("p", { role: "status" });
  const more = html("button", { hidden: "" }, "Show more");
  const all = html("button", { hidden: "", onclick: () => retryEach(host, summary).catch(host.report) }, "Retry all");
  const cards = keyedList(box, (/** @type {Item} */ { body }) => body.id, createCard(host, summary));
  let wanted = STEP;
  more.addEventListener("click", () => {
    wanted += STEP;
    host.refresh();
  });
  const intro = "Bodies from authenticated senders that are not valid events, stored as received. Newest first.";
  show(html("h2", { class: "title" }, "Set aside"), html("p", { class: "intro" }, intro), all, summary, box, words, more);
  return async ({ signal, admin }) => {
    const list = await readSetAside(wanted, signal);
    more.hidden = !list.next;
    all.hidden = !admin || !list.set_aside.length;
    cards(list.set_aside.map((body) => ({ body, admin })));
    const none = list.set_aside.length ? [] : [emptyState("Nothing is set aside.", NOTHING)];
    words.replaceChildren(...none, ...unreadableMessages(list.unreadable));
  };
}
