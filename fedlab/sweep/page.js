"use strict";
// Sorting and filtering of the table of results. Without this script the table stands there, in the order of the grid.
const table = document.querySelector("#results table");
const body = table.tBodies[0];
const rows = [...body.rows];
const names = [...table.tHead.rows[0].cells].map(cell => cell.dataset.name || "");
const number = text => text === "" || isNaN(text.replace(/,/g, "")) ? NaN : Number(text.replace(/,/g, ""));
const shown = (row, column) => row.cells[column].textContent;

function sortBy(column, down) {
  const compare = (one, other) => {
    const a = shown(one, column), b = shown(other, column);
    if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
    const x = number(a), y = number(b);
    const order = isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
    return down ? -order : order;
  };
  body.append(...[...body.rows].sort(compare));
  names.forEach((_, at) => {
    const head = table.tHead.rows[0].cells[at];
    if (head.querySelector("button")) head.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending");
  });
}

// A word that a row must hold; or column=text, column>number, column<number.
function matcher(word) {
  const parts = /^(.+?)([=<>])(.+)$/.exec(word);
  const column = parts ? names.indexOf(parts[1]) : -1;
  if (column < 0) return row => row.textContent.toLowerCase().includes(word.toLowerCase());
  const wanted = parts[3], limit = number(wanted);
  if (parts[2] === "=") return row => shown(row, column) === wanted || number(shown(row, column)) === limit;
  return row => parts[2] === ">" ? number(shown(row, column)) > limit : number(shown(row, column)) < limit;
}

function filter() {
  const tests = document.querySelector("#filter").value.split(/\s+/).filter(Boolean).map(matcher);
  let count = 0;
  for (const row of rows) {
    row.hidden = !tests.every(test => test(row));
    count += !row.hidden;
  }
  document.querySelector("#count").textContent = `${count} of ${rows.length} rows`;
}

[...table.tHead.rows[0].cells].forEach((head, column) => {
  const button = head.querySelector("button");
  if (button) button.addEventListener("click", () => sortBy(column, head.getAttribute("aria-sort") === "ascending"));
});
document.querySelector("#filter").addEventListener("input", filter);
document.querySelector("#all").addEventListener("change", event => table.classList.toggle("all", event.target.checked));
document.querySelector(".controls").hidden = false;
filter();
