// Tables as RFC 4180 has them.

/** Read a table: quoted cells may have separators, line ends and doubled quotes in them. */
export function parseTable(content, separator = ",") {
  const rows = [];
  let row = [];
  const cell = new RegExp(
    `(?:"((?:[^"]|"")*)"|([^"\\r\\n${separator}][^\\r\\n${separator}]*)?)(${separator}|\\r\\n|\\n|\\r|$)`,
    "y",
  );
  while (cell.lastIndex < content.length) {
    const at = cell.lastIndex;
    const found = cell.exec(content);
    if (!found) {
      // a quote in a place where none belongs: take the line as it is
      const end = content.indexOf("\n", at);
      row.push(content.slice(at, end < 0 ? content.length : end));
      cell.lastIndex = end < 0 ? content.length : end;
      continue;
    }
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
    if (found[3] === separator) {
      if (cell.lastIndex === content.length) row.push("");
      continue;
    }
    rows.push(row);
    row = [];
  }
  if (row.length) rows.push(row);
  return rows.filter((one) => one.length > 1 || one[0] !== "");
}

/** Write a table. A cell that a spreadsheet would run as a formula begins with a quote, as in the files of the commands. */
export function toTable(head, rows) {
  const cell = (value) => {
    if (typeof value === "number") return String(value); // -1e-8 is no formula
    const text = String(value);
    const safe = /^(?:[=@\t\r]|[-+](?![\d.]+$))/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
