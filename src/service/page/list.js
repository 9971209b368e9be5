// The list. Its rows are whole, and its filters stand in the URL.

const FILTERS = ["q", "external_key", "state", "site", "from", "to"];
let filter = {}, pages = 1;

function row(session) {
  const cell = (name, ...children) => h("td", { "data-name": name }, h("span", { class: "clip" }, ...children));
  const names = session.customers.join(", ");
  return h("tr", {},
    cell("State", h("span", { class: "state " + session.state }, session.state)),
    cell("Start", when(session.first_event)),
    h("td", { "data-name": "Session", class: "mono" }, h("a", { href: sessionLink(session.site, session.lsid), title: session.lsid, class: "clip" }, session.lsid)),
    cell("Site", session.site),
    h("td", { "data-name": "Customer", title: names }, h("span", { class: "clip" }, text(names))),
    h("td", { "data-name": "Owner", title: session.owner?.name }, h("span", { class: "clip" }, text(session.owner?.name ?? ""))),
    h("td", { "data-name": "External key", title: session.external_keys.join(", ") }, h("span", { class: "clip" }, text(session.external_keys.at(-1) ?? ""))),
    cell("Length", length(session.duration_seconds)), cell("Events", session.events));
}

// A day is one of the reader's own.
const midnight = (day) => new Date(day + "T00:00").toISOString();

// A page may be short, or empty, and have a next one: a search goes on until it has as many rows as are wanted.
async function rows(wanted, filter, mine) {
  const all = [];
  let next = null;
  for (let page = 0; mine() && all.length < wanted * 50 && (page === 0 || next); page++) {
    const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
    for (const name of ["from", "to"]) if (query.get(name)) query.set(name, midnight(query.get(name)));
    if (next) query.set("cursor", next);
    const list = await ask("/api/sessions?" + query);
    all.push(...list.sessions);
    unreadable(list.unreadable);
    next = list.next;
  }
  return [all, next];
}

function nothing(stats) {
  if (stats && stats.events + stats.set_aside > 0) {
    return [h("p", { class: "message" }, "Something has come, and no session: ", h("a", { href: "#/set-aside" }, stats.set_aside + " set aside"), ".")];
  }
  const line = "curl -d 'event=support_conference_begin&version=1&timestamp=" + Math.floor(Date.now() / 1000) +
    "&lsid=c69a8e10bea9428f816cfababe9815fe' '" + location.origin + "/events?outbound_event_token=YOUR-TOKEN'";
  return [h("p", { class: "message" }, "No event has come yet. Send a first one yourself (without the token where ingest is open):"), h("pre", {}, line)];
}

function filters() {
  const change = (name) => (event) => {
    const query = new URLSearchParams(Object.entries({ ...filter, [name]: event.target.value.trim() }).filter(([, value]) => value));
    location.hash = "#/" + (query.size ? "?" + query : "");
  };
  const field = (name, label, type) => h("label", {}, label, h("input", { type, name, value: filter[name] ?? "", onchange: change(name) }));
  const states = ["", "open", "ended", "incomplete"].map((state) =>
    h("option", { value: state, selected: (filter.state ?? "") === state ? "" : null }, state || "all"));
  return h("form", { onsubmit: (event) => event.preventDefault(), role: "search" }, field("q", "Name, key or id", "search"), field("external_key", "External key", "text"),
    h("label", {}, "State", h("select", { name: "state", onchange: change("state") }, states)),
    field("site", "Site", "text"), field("from", "From", "date"), field("to", "Before", "date"));
}

async function sessions() {
  const body = h("tbody"), more = h("button", { hidden: "" }, "Show more"), words = h("div");
  const heads = ["State", "Start", "Session", "Site", "Customer", "Owner", "External key", "Length", "Events"].map((name) => h("th", { scope: "col" }, name));
  const table = h("table", { class: "list" }, h("thead", {}, h("tr", {}, heads)), body);
  let last = "", request = 0;
  const update = async (stats) => {
    const mine = ++request;
    const [all, next] = await rows(pages, { ...filter }, () => mine === request);
    // An older answer that comes later is no answer any more.
    if (mine !== request) return;
    more.hidden = !next;
    const now = JSON.stringify(all);
    if (now === last) return;
    last = now;
    const lines = all.map(row);
    const focused = body.contains(document.activeElement) ? document.activeElement.hash : null;
    body.replaceChildren(...lines);
    if (focused) [...body.querySelectorAll("a")].find((link) => link.hash === focused)?.focus();
    table.hidden = !all.length;
    const filtered = Object.values(filter).some(Boolean);
    words.replaceChildren(...(all.length ? [] : filtered ? [h("p", { class: "message" }, "No session is like that.")] : nothing(stats)));
  };
  more.addEventListener("click", () => { pages++; refresh(); });
  show(filters(), table, words, more);
  return update;
}

