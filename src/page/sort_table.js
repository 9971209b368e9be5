// A table whose columns sort.
import { html, skeleton } from "./dom.js";
import { csvButton } from "./download.js";
import { grouped } from "./format.js";
import { keyedList } from "./keyed.js";
import { sorted } from "./statistics.js";

/**
 * @template T
 * @typedef {{ head: string, value: (row: T) => string | number | null, show?: (row: T) => Node | string,
 *   share?: boolean }} Column
 */

const NO_ROWS = "No sessions in this time. Choose a longer time range or another site.";

/**
 * A card with a sorting table. The first column names the row.
 *
 * @template T
 * @param {{ host: ViewHost, title: string, columns: Column<T>[], key: (row: T) => string,
 *   csv: () => { path: string, name: string } }} options
 */
export function createSortTable({ host, title, columns, key, csv }) {
  /** @type {T[]} */
  let rows = [];
  let by = 1;
  let descending = true;
  let most = 1;
  const body = html("tbody");
  const waiting = html("div", {}, skeleton(4));

  /** @param {T} row */
  const createRow = (row) => {
    const element = html("tr");
    const update = (/** @type {T} */ row) => {
      const link = element.querySelector("a");
      const focused = link !== null && link === document.activeElement;
      element.replaceChildren(...columns.map(({ head, value, show, share }, index) => {
        const plain = value(row);
        const text = typeof plain === "number" ? grouped(plain) : plain ?? "–";
        const shown = show ? show(row) : text;
        const cell = html(index ? "td" : "th", {
          "data-name": head, scope: index ? null : "row", class: index ? "number" : null,
        }, html("span", {}, shown));
        if (share) {
          cell.className = "number share";
          cell.style.setProperty("--share", (100 * Number(plain) / most).toFixed(1) + "%");
        }
        return cell;
      }));
      if (focused) element.querySelector("a")?.focus();
    };
    update(row);
    return { element, update };
  };
  const list = keyedList(body, (/** @type {{ row: T, most: number }} */ { row }) => key(row), ({ row }) => {
    const { element, update } = createRow(row);
    return { element, update: ({ row }) => update(row) };
  });
  const showRows = () => {
    const value = /** @type {Column<T>} */ (columns[by]).value;
    list(sorted(rows, value, descending).map((row) => ({ row, most })));
    heads.forEach((head, index) => {
      head.setAttribute("aria-sort", index !== by ? "none" : descending ? "descending" : "ascending");
    });
  };
  const heads = columns.map(({ head }, index) => html("th", { scope: "col", class: index ? "number" : null },
    html("button", { class: "sort", onclick: () => {
      descending = by === index ? !descending : index > 0;
      by = index;
      showRows();
    } }, head)));
  const shown = html("table", { class: "sorting", hidden: "", "aria-label": title },
    html("thead", {}, html("tr", {}, heads)), body);
  const element = html("section", { class: "card" },
    html("div", { class: "card-head" }, html("h2", {}, title), csvButton(host, title, csv)), waiting, shown);
  const update = (/** @type {T[]} */ now) => {
    rows = now;
    const shared = columns.find(({ share }) => share);
    most = Math.max(1, ...rows.map((row) => Number(shared?.value(row) ?? 0)));
    waiting.replaceChildren(...(rows.length ? [] : [html("p", { class: "note" }, NO_ROWS)]));
    shown.hidden = !rows.length;
    showRows();
  };
  return { element, update };
}
