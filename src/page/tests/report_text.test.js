import assert from "node:assert/strict";
import { test } from "node:test";
import { customerTable, fileCounts, fileTable, filledColumns, isReport, latestReport } from "../report_text.js";
import { reportFacts, reportLinks, representativeTable, textTable, webAddress } from "../report_text.js";

const END = "2025-11-28T03:25:33Z";

const stored = (fetched, more) => {
  const data = { event: "session.report", fetched, report: { end: END, ...more } };
  return { time: END, data };
};

test("the report that was fetched last counts, whatever the order", () => {
  const begin = { time: END, data: { event: "support_conference_begin" } };
  const first = stored("2025-11-28T03:26:00Z", { team: "first" });
  const revised = stored("2025-11-29T03:30:00Z", { team: "revised" });
  assert.equal(latestReport([begin, revised, first]).report.team, "revised");
  assert.equal(latestReport([first, begin, revised]).fetched, "2025-11-29T03:30:00Z");
  assert.equal(latestReport([begin]), null);
  assert.deepEqual([begin, first].map(isReport), [false, true]);
  // An event that an appliance sends under such a name is not a report.
  assert.equal(isReport({ time: END, data: { event: "session_report" } }), false);
});

test("only addresses of the web are links", () => {
  assert.equal(webAddress("https://support.example.com/r?id=1"), "https://support.example.com/r?id=1");
  assert.equal(webAddress("HTTP://support.example.com"), "http://support.example.com/");
  for (const text of [
    undefined, "", "javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "/r", "//x/r",
    "ftp://x/", "https://", "https:x", "https://[", "x https://support.example.com",
  ]) {
    assert.equal(webAddress(text), null, text);
  }
  const links = { chat: "javascript:alert(1)", recording: "https://a/r", recording_download: "https://a/d" };
  assert.deepEqual(reportLinks({ end: END, links }).map(({ words }) => words),
    ["Watch the recording", "Download the recording"]);
  assert.deepEqual(reportLinks({ end: END }), []);
});

test("facts that the report does not have are empty", () => {
  const facts = Object.fromEntries(reportFacts({ end: END, duration_seconds: 333, custom_attributes: { asset: "A-1" } }));
  assert.equal(facts.Length, "5 min 33 s");
  assert.equal(facts.asset, "A-1");
  assert.equal(facts.Start, "");
  assert.equal(facts.Team, undefined);
  assert.equal(facts.Files, "");
  assert.equal(fileCounts({ end: END, files_transferred: 3, files_deleted: 0 }), "3 transferred, 0 deleted");
});

test("a table has the columns that have values", () => {
  assert.deepEqual(filledColumns(["a", "b", "c"], [["1", undefined, ""], ["", "", "3"]]),
    { heads: ["a", "c"], rows: [["1", ""], ["", "3"]] });
  assert.equal(filledColumns(["a"], []), null);
  assert.equal(filledColumns(["a"], [[undefined]]), null);
});

test("people have their addresses, computers and parts in the session", () => {
  const customers = [{ name: "Erika", public_address: "203.0.113.7:50123", private_address: "10.0.0.7", hostname: "PC-1" }];
  assert.deepEqual(customerTable({ end: END, customers }), {
    heads: ["Name", "Addresses", "Computer"],
    rows: [["Erika", "203.0.113.7:50123\n10.0.0.7", "PC-1"]],
  });
  const representatives = [{ name: "Sam", username: "sam", seconds_involved: 280, owner: true }, { name: "Kim" }];
  assert.deepEqual(representativeTable({ end: END, representatives }), {
    heads: ["Name", "Username", "Time", "Owner"],
    rows: [["Sam", "sam", "4 min 40 s", "owner"], ["Kim", "", "", ""]],
  });
  assert.equal(customerTable({ end: END }), null);
});

test("files and texts are rows", () => {
  const files = [{ action: "File Upload", by: "Sam", name: "a.log", bytes: 1 }, { action: "File Deleted", bytes: 0 }];
  assert.deepEqual(fileTable({ end: END, files }), {
    heads: ["Action", "By", "File", "Size"],
    rows: [["File Upload", "Sam", "a.log", "1 byte"], ["File Deleted", "", "", "0 bytes"]],
  });
  assert.deepEqual(textTable([{ by: "Sam", text: "a\nb" }]), { heads: ["By", "Text"], rows: [["Sam", "a\nb"]] });
  assert.equal(textTable(undefined), null);
});
