function unwell(list, clocks) {
  const line = ({ name, state }) => h("p", { class: "message bad" }, "Destination " + name + " is " + state + ": ", h("a", { href: "#/destinations" }, "see why"), ".");
  const wrong = ({ site, detail }) => h("p", { class: "message bad" }, "Clock: " + (site ? "site " + site + ": " : "") + detail + ".");
  const now = JSON.stringify([list, clocks]);
  if ($("unwell").dataset.now === now) return;
  $("unwell").dataset.now = now;
  $("unwell").replaceChildren(...list.map(line), ...clocks.map(wrong));
}

let update = async () => {}, turn = 0;

async function refresh() {
  const mine = turn;
  try {
    const stats = await ask("/api/stats").catch((error) => { if (error.status === 401) throw error; return null; });
    if (mine !== turn) return;
    const budget = stats?.key_budget ? " of " + stats.key_budget : "";
    $("stats").textContent = stats ? stats.sessions + " sessions, " + stats.events + " events, " + stats.keys + budget + " keys; times are " + ZONE : "";
    if (stats) [admin, $("count").textContent] = [stats.admin, stats.set_aside ? " (" + stats.set_aside + ")" : ""];
    if (stats) unwell(stats.unwell, stats.clock_faults);
    await update(stats);
    if (mine === turn) trouble(null);
  } catch (error) {
    if (mine === turn) trouble(error);
  }
}

async function route() {
  turn++;
  if (!sessionStorage.getItem("token")) return login();
  for (const id of ["views", "leave"]) $(id).hidden = false;
  const [path, query] = location.hash.split("?");
  const [, view, site, lsid] = path.split("/");
  filter = Object.fromEntries([...new URLSearchParams(query ?? "")].filter(([name]) => FILTERS.includes(name)));
  pages = 1;
  unreadable([]);
  for (const link of $("views").children) {
    if (link.hash === "#/" + (view === "set-aside" || view === "destinations" ? view : "")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const names = { session: "Session " + decoded(lsid ?? ""), "set-aside": "Set aside", destinations: "Destinations" };
  document.title = (names[view] ?? "Sessions") + " – Outbound events";
  update = view === "session" && lsid ? session(site, decoded(lsid)) : view === "set-aside" ? setAside() : view === "destinations" ? destinations() : await sessions();
  await refresh();
}

$("leave").addEventListener("click", () => { sessionStorage.removeItem("token"); turn++; login(); });
addEventListener("hashchange", () => {
  // Who filters goes on where they were.
  const field = document.activeElement?.name;
  route();
  ($("main").querySelector("[name='" + field + "']") ?? $("main")).focus();
});
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { if (sessionStorage.getItem("token")) refresh(); }, 200); });
setInterval(() => { if (!document.hidden && sessionStorage.getItem("token")) refresh(); }, REFRESH);
route();
