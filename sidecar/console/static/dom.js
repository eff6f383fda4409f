// Elements are made here and nowhere else: text stays text, whatever stands in it.

const SVG = "http://www.w3.org/2000/svg";

const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
};

export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const byId = (id) => document.getElementById(id);

/** Rows are arrays of cells: text, elements, or {number: text}. */
export const table = (caption, heads, rows) => {
  const isNumber = (cell) => cell !== null && typeof cell === "object" && "number" in cell;
  const cellOf = (cell, index) => {
    const attributes = isNumber(cell) ? { class: "number" } : {};
    const content = isNumber(cell) ? cell.number : cell;
    return index === 0 ? el("th", { scope: "row", ...attributes }, content) : el("td", attributes, content);
  };
  const numeric = heads.map((_, index) => rows.some((row) => isNumber(row[index])));
  return el("div", { class: `scroll${heads.length === 2 && numeric[1] ? " fitting" : ""}`, tabindex: 0, role: "region", "aria-label": caption },
    el("table", { class: `small${heads.length ? "" : " pairs"}` },
      el("caption", { class: "hidden" }, caption),
      heads.some(Boolean) && el("thead", {}, el("tr", {}, heads.map((head, index) => el("th", { scope: "col", class: numeric[index] && "number" }, head)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cellOf))))));
};
