// One session: who was there when, who owned it, as a picture.

// As wide as there is room: a picture that is made smaller cannot be read.
const room = () => Math.max(Math.min($("main").clientWidth, 1100), 280);

function picture(detail) {
  const times = detail.events.map((event) => Date.parse(event.time));
  const from = Math.min(...times), to = Math.max(...times, from + 1000);
  const width = room(), left = Math.min(150, width * .3), high = 26, fits = Math.floor(left / 7.5);
  const x = (time) => left + (Date.parse(time) - from) / (to - from) * (width - left - 20);
  const end = new Date(to).toISOString(), start = new Date(from).toISOString();
  const lanes = new Map();
  const lane = (kind, name, bar) => {
    const key = kind + " " + name;
    lanes.set(key, { name, spans: [...(lanes.get(key)?.spans || []), bar] });
  };
  detail.owners.forEach((owner, index) => {
    const until = detail.owners[index + 1]?.since || detail.end || end;
    lane("owner", "owner", [owner.since, until, owner.kind === "team" ? "team" : "representative", "owned by " + owner.name, owner.name]);
  });
  for (const member of detail.participants) {
    lane(member.type, member.name || "(no name)", [member.joined || start, member.left || detail.end || end, member.type, member.name + ", " + member.type, ""]);
  }
  for (const survey of detail.surveys) lane("surveys", "surveys", [survey.completed, survey.completed, "mark", "survey by the " + survey.by, survey.by]);
  const bars = [...lanes.values()].map(({ name, spans }, index) => {
    const y = 24 + index * high;
    return [s("text", { x: 0, y: y + 13 }, name.length > fits ? name.slice(0, fits - 1) + "…" : name),
      s("line", { x1: left, x2: width, y1: y + 20, y2: y + 20, class: "axis" }),
      spans.map(([since, until, kind, title, label]) => {
        const wide = Math.max(x(until) - x(since), 4);
        const bar = s("rect", { x: x(since), y, width: wide, height: 16, rx: 3, class: kind }, s("title", {}, title + ": " + clock(since) + (since === until ? "" : " to " + clock(until))));
        return [bar, label && wide > label.length * 7 ? s("text", { x: x(since) + 4, y: y + 12 }, label) : null];
      })];
  });
  const height = 34 + lanes.size * high;
  const legend = [["customer", "customer"], ["representative", "representative"], ["team", "team"], ["mark", "survey"]];
  return h("div", { class: "picture" }, h("p", { class: "legend" }, legend.map(([kind, name]) => h("span", {}, s("svg", { class: "key", "aria-hidden": "true" }, s("rect", { width: 24, height: 12, class: kind })), name))), s("svg", { viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": "Who was there when in session " + detail.lsid + ": " + [...lanes.values()].map(({ name }) => name).join(", ") },
    s("text", { x: left, y: 12 }, clock(start)), s("text", { x: width - 20, y: 12, "text-anchor": "end" }, clock(end)), bars.flat(3)));
}

function said(data) {
  const { event, version, timestamp, lsid, conference, member, variables, ...rest } = data;
  const parts = [conference && conference.name + " (" + conference.kind + ":" + conference.id + ")",
    member && member.name + " (" + member.type + (member.username ? ", " + member.username : "") + ")",
    ...Object.entries({ ...rest, ...variables }).map(([name, value]) => name + " = " + value)];
  return parts.filter(Boolean).join("\n");
}

function session(site, lsid) {
  const count = h("p", { role: "status" }), more = h("button", { hidden: "" }, "Show more events");
  const box = h("div"), path = "/api/sessions/" + site + "/" + (/^~*\.\.?$/.test(lsid) ? "~" : "") + encodeURIComponent(lsid), words = h("p", { role: "status" });
  const erase = async () => {
    let perhaps = [];
    for (let remaining = true; remaining;) {
      ({ remaining, perhaps } = await ask(path, "DELETE"));
      words.textContent = "Erasing…";
    }
    if (!perhaps.length) location.hash = "#/";
    else words.replaceChildren("Erased. What was ", h("a", { href: "#/set-aside" }, "set aside"), " as " + perhaps.join(", ") + " may name it too: please look.");
  };
  const dialog = h("dialog", { "aria-label": "Erase session " + lsid }, h("p", {}, "Erase all that was recorded of session ", h("span", { class: "mono" }, lsid), " until now? It cannot be undone."), words,
    h("button", { onclick: () => erase().catch((error) => { dialog.close(); trouble(error); }) }, "Erase it"), " ", h("button", { onclick: () => dialog.close() }, "Keep it"));
  const opens = h("button", { id: "erase", hidden: "", onclick: () => dialog.showModal() }, "Erase this session");
  show(h("p", {}, h("a", { href: "#/" }, "← Sessions")), h("h2", { class: "mono" }, lsid), opens, dialog, box, count, more);
  let last = "", wanted = 1;
  more.addEventListener("click", () => { wanted++; refresh(); });
  return async () => {
    const detail = await ask(path), events = [...detail.events];
    let { next } = detail;
    for (let page = 1; page < wanted && next; page++) {
      const further = await ask(path + "?cursor=" + encodeURIComponent(next));
      events.push(...further.events);
      ({ next } = further);
    }
    opens.hidden = !admin;
    more.hidden = !next;
    count.textContent = detail.next ? events.length + " of " + detail.events_total + " events are shown. The picture is of the first " + detail.events.length + "." : "";
    const now = JSON.stringify([detail, events.length, room()]);
    if (now === last) return;
    last = now;
    const facts = [["State", h("span", { class: "state " + detail.state }, detail.state)], ["Site", site], ["Start", moment(detail.start)], ["End", moment(detail.end)],
      ["Length", length(detail.duration_seconds)], ["Owner", detail.owners.at(-1)?.name],
      ["External key", detail.external_keys.map((key) => key.external_key).join(" → ")]];
    const heads = ["Time", "Event", "What"].map((name) => h("th", { scope: "col" }, name));
    const lines = events.map((event) => h("tr", {}, h("td", { "data-name": "Time" }, when(event.time)),
      h("td", { "data-name": "Event" }, event.data.event.replace("support_conference_", "").replaceAll("_", " ")), h("td", { "data-name": "What" }, h("span", { class: "said" }, text(said(event.data))))));
    box.replaceChildren(h("dl", {}, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      ...(detail.events.length ? [picture(detail)] : []), h("h2", {}, "Events"),
      h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, lines)),
      ...detail.unreadable.map((one) => h("p", { class: "message bad" }, "Cannot be read: " + one.key + ": " + one.reason)));
  };
}

