// Saves statistics as a file. The request needs the token, so a plain link cannot do it.
import { askCsv } from "./api.js";
import { html } from "./dom.js";

/**
 * @param {string} name
 * @param {string} text
 */
function saveFile(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  html("a", { href: address, download: name }).click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/**
 * A button that saves an answer of the API as CSV.
 *
 * @param {ViewHost} host
 * @param {string} of what the numbers are
 * @param {() => { path: string, name: string }} wanted
 */
export const csvButton = (host, of, wanted) => html("button", {
  class: "quiet",
  "aria-label": "Save " + of + " as CSV",
  onclick: () => {
    const { path, name } = wanted();
    askCsv(path).then((text) => saveFile(name, text), host.report);
  },
}, "CSV");
