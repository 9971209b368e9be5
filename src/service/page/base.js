"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const REFRESH = 10_000;

// All text is set as text: what an event holds is never read as HTML.
function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}
const h = (tag, properties = {}, ...children) => fill(document.createElement(tag), properties, children);
const s = (tag, properties = {}, ...children) => fill(document.createElementNS(SVG, tag), properties, children);
const show = (...children) => $("main").replaceChildren(...children);
const moment = (time) => time ? new Date(time).toLocaleString() : "";
const when = (time) => time ? h("time", { datetime: time, title: time }, moment(time)) : "";
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
// What an event holds may turn the text around it (U+202E): it is kept apart.
const text = (words) => h("bdi", {}, words);
const decoded = (words) => { try { return decodeURIComponent(words); } catch { return words; } };
const unreadable = (list) => $("unreadable").replaceChildren(...list.map((one) => h("p", { class: "message bad" }, "Cannot be read: " + one.key + ": " + one.reason)));
let admin = false;
const clock = (time) => new Date(time).toLocaleTimeString();
const sessionLink = (site, lsid) => "#/session/" + site + "/" + encodeURIComponent(lsid);

function length(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([count]) => count).map(([count, unit]) => count + " " + unit).join(" ") || "0 s";
}

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || "HTTP " + status);
    this.status = status;
    this.problems = problem.problems || [];
  }
}

async function ask(path, method = "GET") {
  const headers = { Authorization: "Bearer " + sessionStorage.getItem("token") };
  let answer;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store" });
  } catch {
    throw new Error("The component cannot be reached. This page tries again every ten seconds.");
  }
  const body = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

function trouble(error) {
  if (error && error.status === 401) {
    sessionStorage.removeItem("token");
    return login("That token is not accepted.");
  }
  const reasons = (error?.problems ?? []).map((one) => one.variable + " " + one.reason).join("; ");
  $("trouble").replaceChildren(...(error ? [h("p", { class: "message bad" }, error.message + (reasons ? ": " + reasons : ""))] : []));
}

function login(words) {
  for (const id of ["views", "leave"]) $(id).hidden = true;
  $("stats").textContent = "";
  unwell([], []);
  trouble(words ? new Error(words) : null);
  const token = h("input", { type: "password", id: "token", required: "", autocomplete: "off", size: "40" });
  const enter = (event) => {
    event.preventDefault();
    if (!/^[\w-]+$/.test(token.value.trim())) return trouble(new Error("A token is made of A-Z, a-z, 0-9, _ and -."));
    sessionStorage.setItem("token", token.value.trim());
    trouble(null);
    route();
  };
  show(h("form", { onsubmit: enter }, h("label", {}, "Read token", token), h("button", {}, "Show events")),
    h("p", {}, "One of the component's read_tokens. It is kept for this tab only."));
  token.focus();
}

