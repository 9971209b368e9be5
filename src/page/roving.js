// A picture's links are one stop of the Tab key: arrow keys go from one to the next.

/**
 * The link that a key leads to. Links have their position in the attribute `data-at`.
 *
 * @param {Element[]} links in the order of their positions
 * @param {number} at the position that has the focus
 * @param {string} key
 * @param {number} columns
 */
function linkFor(links, at, key, columns) {
  const position = (/** @type {Element} */ link) => Number(link.getAttribute("data-at"));
  const same = (/** @type {Element} */ link) => (position(link) - at) % columns === 0;
  const after = links.filter((link) => position(link) > at);
  const before = links.filter((link) => position(link) < at);
  switch (key) {
    case "ArrowRight": return after[0];
    case "ArrowLeft": return before.at(-1);
    case "ArrowDown": return columns > 1 ? after.find(same) : undefined;
    case "ArrowUp": return columns > 1 ? before.filter(same).at(-1) : undefined;
    case "Home": return links[0];
    case "End": return links.at(-1);
    default: return undefined;
  }
}

/**
 * @param {Element} group whose links have `data-at`
 * @param {number} columns of a grid; 1 for a row
 */
export function roveLinks(group, columns = 1) {
  const links = [...group.querySelectorAll("a[data-at]")];
  links.forEach((link, index) => link.setAttribute("tabindex", index ? "-1" : "0"));
  group.addEventListener("keydown", (event) => {
    const at = document.activeElement?.getAttribute("data-at");
    const next = at && linkFor(links, Number(at), /** @type {KeyboardEvent} */ (event).key, columns);
    if (!(next instanceof SVGElement)) return;
    event.preventDefault();
    for (const link of links) link.setAttribute("tabindex", link === next ? "0" : "-1");
    next.focus();
  });
}
