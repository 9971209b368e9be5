// The appliance's report of a session, as people read it. Its texts are set as text, and its links are opened on the
// appliance.
import { factList, html, isolated, message, table } from "./dom.js";
import { count, moment } from "./format.js";
import { customerTable, fileTable, reportFacts, reportLinks, representativeTable, textTable } from "./report_text.js";

/** @typedef {ReturnType<typeof customerTable>} Cells */

/** @param {Cells} cells */
function cellTable(cells) {
  if (!cells) return null;
  const { heads, rows } = cells;
  const lines = rows.map((row) => html("tr", {}, row.map((cell, column) =>
    html("td", { "data-name": heads[column] }, cell ? html("span", { class: "details" }, isolated(cell)) : null))));
  return table(heads, html("tbody", {}, lines));
}

/**
 * @param {string} name
 * @param {Cells} cells
 */
function part(name, cells) {
  return cells ? [html("h3", {}, name), cellTable(cells)] : [];
}

/**
 * A part that can be long.
 *
 * @param {string} noun
 * @param {Cells} cells
 */
function closedPart(noun, cells) {
  return cells ? [html("details", {}, html("summary", {}, count(cells.rows.length, noun)), cellTable(cells))] : [];
}

/** @param {Report} report */
function linkList(report) {
  const links = reportLinks(report).map(({ words, address }) =>
    html("a", { href: address, title: address, target: "_blank", rel: "noopener noreferrer" }, words));
  return links.length ? html("p", { class: "links" }, links) : null;
}

/** @param {NonNullable<Report["surveys"]>} surveys */
const surveyParts = (surveys) => surveys.flatMap(({ by, answers = {} }) => [
  html("h3", {}, "Survey by the " + by),
  factList(Object.entries(answers).map(([question, answer]) => [question, isolated(answer)])),
]);

/**
 * @param {Report} report
 * @param {Time} fetched
 */
export function reportSection(report, fetched) {
  const facts = reportFacts(report).map(([name, value]) =>
    /** @type {[string, Node | null]} */ ([name, value ? isolated(value) : null]));
  return html("section", { class: "card", "aria-labelledby": "report" },
    html("h2", { id: "report" }, "Report"),
    report.truncated
      ? message("The report was too large to keep it whole: parts are cut or left out. The appliance has all of it.")
      : null,
    factList(facts),
    linkList(report),
    part("Customers", customerTable(report)),
    part("Representatives", representativeTable(report)),
    part("Files", fileTable(report)),
    surveyParts(report.surveys ?? []),
    part("Notes", textTable(report.notes)),
    closedPart("chat message", textTable(report.chat)),
    closedPart("part of the systems' description", textTable(report.system_information)),
    html("p", { class: "source" }, "Fetched from the appliance: " + moment(fetched)));
}
