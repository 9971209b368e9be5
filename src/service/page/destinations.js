// Where events are forwarded to.

function destinations() {
  const box = h("div"), words = h("p", { role: "status" });
  let last = "";
  const act = (name, what, done) => ask("/api/destinations/" + name + "/" + what, "POST").then((answer) => { words.textContent = done(answer); return refresh(); }, trouble);
  const resumed = (name) => ({ paused }) => name + " is resumed." + (paused ? " What was packed since " + moment(paused.since) + " is not sent; send it again below if it is missed." : "");
  const replay = (name) => {
    const from = h("input", { type: "date", required: "" }), to = h("input", { type: "date", required: "" });
    const send = (event) => {
      event.preventDefault();
      const query = new URLSearchParams({ from: midnight(from.value), to: midnight(to.value) });
      act(name, "replay?" + query, () => "What is stored of that time is being sent to " + name + " again.");
    };
    return h("form", { onsubmit: send, "aria-label": "Send again to " + name }, h("label", {}, "From", from), h("label", {}, "Before", to), h("button", {}, "Send again to " + name));
  };
  const refusals = async (one) => {
    if (!one.refused) return [];
    const { refused } = await ask("/api/destinations/" + one.name + "/refused");
    return [h("details", {}, h("summary", {}, one.refused + " refused"), h("ul", {}, refused.map((event) => h("li", {}, h("span", { class: "mono" }, event.id), " ", event.event, ", ", when(event.time), ": ", event.reason, " ",
      ...(admin ? [h("button", { onclick: () => act(one.name, "refused/" + event.id + "/retry", () => "It is being sent once more."), "aria-label": "Send once more: " + event.id }, "Send once more")] : [])))))];
  };
  const card = async (one) => {
    const facts = [["State", h("span", { class: "state " + (one.state === "working" ? "" : "unwell") }, one.state)], ["Where", one.origin ?? "it asks itself"], ["Format", one.format], ["Pending", one.pending + (one.oldest_pending ? ", since " + moment(one.oldest_pending) : "")],
      ["Last success", moment(one.last_success)], ["Last answer", one.last_answer], ["Last error", one.last_error], ["Failing since", moment(one.failing_since)], ["Failing event", one.failing_event], ["Next attempt", moment(one.next_attempt)],
      ["Paused", one.paused && moment(one.paused.since) + ": " + one.paused.reason], ["Sending again", one.replays || ""]];
    const buttons = !admin ? [] : [one.paused || one.state === "failing" ? h("button", { onclick: () => act(one.name, "resume", resumed(one.name)), "aria-label": "Resume " + one.name }, "Resume now") : h("button", { onclick: () => act(one.name, "pause", () => one.name + " is paused."), "aria-label": "Pause " + one.name }, "Pause"),
      " ", ...(one.failing_event ? [h("button", { onclick: () => act(one.name, "skip?event=" + one.failing_event, ({ skipped }) => one.name + ": event " + skipped + " is skipped."), "aria-label": "Skip the failing event of " + one.name }, "Skip this event"), " "] : []), ...(one.refused ? [h("button", { onclick: () => act(one.name, "refused/retry", () => "What " + one.name + " refused is being sent once more."), "aria-label": "Send all refused once more: " + one.name }, "Send refused once more")] : []),
      ...(one.format === "pull" ? [] : [replay(one.name)])];
    return h("section", {}, h("h2", {}, one.name), h("dl", {}, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])), await refusals(one), buttons);
  };
  show(h("p", {}, "Where events are forwarded to. What is pending for a destination waits until it accepts it."), words, box);
  return async () => {
    const list = await ask("/api/destinations");
    const now = JSON.stringify([list, admin]);
    if (now === last || box.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return;
    last = now;
    const cards = await Promise.all(list.destinations.map(card));
    box.replaceChildren(...(cards.length ? cards : [h("p", { class: "message" }, "There is no destination: the setting destinations lists them.")]));
  };
}

