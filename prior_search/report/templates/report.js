
"use strict";
// Makes tables sortable and filterable; without it they are plain tables.
(() => {
  const sortValue = (cell) => {
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    return cell.textContent.trim();
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });

  function sortBy(table, header) {
    const column = header.cellIndex;
    const descending = header.getAttribute("aria-sort") === "ascending";
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((first, second) => {
      const a = sortValue(first.cells[column]);
      const b = sortValue(second.cells[column]);
      if (a === "" || b === "") return (a === "") - (b === ""); // empty cells stay last
      return descending ? compare(b, a) : compare(a, b);
    });
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }

  function makeSortable(table) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      button.addEventListener("click", () => sortBy(table, header));
      header.replaceChildren(button);
    }
  }

  function labeled(text, control) {
    const label = document.createElement("label");
    label.append(text, control);
    return label;
  }

  function choicesOf(table, header) {
    const select = document.createElement("select");
    const values = new Set(
      Array.from(table.tBodies[0].rows, (row) => row.cells[header.cellIndex].textContent)
    );
    select.append(new Option("all", ""));
    for (const value of values) select.append(new Option(value, value));
    select.dataset.column = header.cellIndex;
    return select;
  }

  function makeFilterable(table) {
    const bar = document.createElement("div");
    bar.className = "filters";
    const text = document.createElement("input");
    text.type = "search";
    text.placeholder = "t0042, diverged, …";
    bar.append(labeled("contains", text));
    const selects = [];
    for (const header of table.tHead.rows[0].cells) {
      if (header.dataset.choices === undefined) continue;
      const select = choicesOf(table, header);
      selects.push(select);
      bar.append(labeled(header.textContent, select));
    }
    const reset = document.createElement("button");
    reset.type = "button";
    reset.textContent = "Show all";
    const count = document.createElement("output");
    bar.append(reset, count);

    function apply() {
      const wanted = text.value.trim().toLowerCase();
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const matches =
          row.textContent.toLowerCase().includes(wanted) &&
          selects.every((s) => !s.value || row.cells[s.dataset.column].textContent === s.value);
        row.hidden = !matches;
        shown += matches;
      }
      count.textContent = `${shown} of ${table.tBodies[0].rows.length} ${table.dataset.unit}`;
    }
    text.addEventListener("input", apply);
    for (const select of selects) select.addEventListener("change", apply);
    reset.addEventListener("click", () => {
      text.value = "";
      for (const select of selects) select.value = "";
      apply();
    });
    table.closest(".scroll").before(bar);
    apply();
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    makeFilterable(table);
    makeSortable(table);
  }
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
