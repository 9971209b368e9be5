function setAside() {
  const box = h("div"), more = h("button", { hidden: "" }, "Show more");
  let last = "", shown = 20;
  const card = (body) => {
    const words = h("p", { role: "status" });
    const remove = () => ask("/api/set-aside/" + body.id, "DELETE").then(refresh, trouble);
    const retry = async () => {
      try {
        const { result } = await ask("/api/set-aside/" + body.id + "/retry", "POST");
        words.textContent = "It is an event now: " + result + ".";
        refresh();
      } catch (error) {
        words.textContent = error.message + ": " + (error.problems || []).map((p) => (p.variable || "the body") + " " + p.reason).join("; ");
      }
    };
    return h("section", {}, h("h2", {}, body.site + ", " + moment(body.firstseen)),
      h("ul", {}, body.problems.map((p) => h("li", {}, (p.variable || "the body") + " " + p.reason))),
      h("pre", {}, text(body.body ?? "(base64) " + body.body_base64)), ...(admin ? [h("button", { onclick: retry, "aria-label": "Try again: " + body.id }, "Try again"), " ",
        h("button", { onclick: remove, "aria-label": "Remove: " + body.id }, "Remove")] : []), words);
  };
  const retryAll = async () => {
    let [tried, done, next] = [0, 0, ""];
    do {
      const list = await ask("/api/set-aside?limit=100" + (next ? "&cursor=" + next : ""));
      for (const body of list.set_aside) {
        await ask("/api/set-aside/" + body.id + "/retry", "POST").then(() => done++, () => {});
        summary.textContent = ++tried + " tried, " + done + " are events now.";
      }
      next = list.next;
    } while (next);
    refresh();
  };
  const summary = h("p", { role: "status" }), all = h("button", { hidden: "", onclick: () => retryAll().catch(trouble) }, "Try all again");
  more.addEventListener("click", () => { shown += 20; last = ""; refresh(); });
  show(h("p", {}, "Bodies that a sender with a token sent and that are no valid event, kept as they came. The newest come first."), all, summary, box, more);
  return async () => {
    const list = { set_aside: [], unreadable: [], next: "" };
    do {
      const page = await ask("/api/set-aside?limit=" + Math.min(shown - list.set_aside.length, 100) + (list.next ? "&cursor=" + list.next : ""));
      list.set_aside.push(...page.set_aside);
      [list.next, list.unreadable] = [page.next, page.unreadable];
    } while (list.next && list.set_aside.length < shown);
    more.hidden = !list.next;
    all.hidden = !admin || !list.set_aside.length;
    const now = JSON.stringify([list, admin]);
    if (now === last) return;
    last = now;
    const unreadable = list.unreadable.map((one) => h("p", { class: "message bad" }, "Cannot be read: " + one.key + ": " + one.reason));
    box.replaceChildren(...(list.set_aside.length ? list.set_aside.map(card) : [h("p", { class: "message" }, "Nothing was set aside.")]), ...unreadable);
  };
}

