/** A table whose columns stand under each other as plain text, too. Nothing where it has but a head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  if (rows.length <= 1) return '';
  const [head = []] = rows;
  const widths = head.map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length), 3),
  );
  const lines = rows.map((row) => {
    const cells = widths.map((width, column) => {
      const cell = row[column] ?? '';
      const filling = ' '.repeat(Math.max(0, width - [...cell].length));
      return column === 0 ? cell + filling : filling + cell;
    });
    return `| ${cells.join(' | ')} |`;
  });
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  lines.splice(1, 0, `| ${rule.join(' | ')} |`);
  return lines.join('\n');
}

/** Three digits that count, or a dash for what was not measured. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
