/** Tables of the reports. */

/** Names to the left, numbers to the right. A row with fewer cells than columns ends in free text. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const [header = []] = rows;
  const full = rows.filter((row) => row.length === header.length);
  const widths = header.map((_, column) => Math.max(...full.map((row) => (row[column] ?? '').length)));
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length));
  return rows
    .map(([name = '', ...cells]) => {
      const isFull = cells.length === header.length - 1;
      const padded = isFull ? cells.map((cell, index) => cell.padStart(widths[index + 1] ?? 0)) : cells;
      return [name.padEnd(nameWidth), ...padded].join('  ').trimEnd();
    })
    .join('\n');
}
