/** Numbers and tables as the commands print them: English digits, fixed places, columns that line up. */

/** 1234567 as 1,234,567. */
export const count = (value: number): string => Math.round(value).toLocaleString('en-US');

export const bytes = (value: number): string => `${count(value)} ${value === 1 ? 'byte' : 'bytes'}`;

/** Seconds with as many places as are of interest. */
export function seconds(value: number): string {
  if (value >= 100) return `${value.toFixed(0)} s`;
  return value >= 0.0995 ? `${value.toFixed(2)} s` : `${(1000 * value).toFixed(value < 0.00995 ? 1 : 0)} ms`;
}

/** A time span for people: 42 s, 3:07 min, 2:05 h. */
export function duration(value: number): string {
  const whole = Math.max(0, Math.round(value));
  const two = (part: number): string => String(part).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`;
}

export const decibels = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? 'lossless' : `${value.toFixed(2)} dB`;

/** Stages and their seconds on one line. */
export const stages = (all: Readonly<Record<string, number>>): string =>
  Object.entries(all)
    .map(([name, value]) => `${name} ${seconds(value)}`)
    .join(', ');

/** JSON has no infinity. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/**
 * Rows of cells as aligned lines.
 * @param align 'l' or 'r' per column.
 */
export function table(rows: readonly (readonly string[])[], align: string): string[] {
  const widths = Array.from(align, (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        align[column] === 'r' ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** Names and values in two columns. */
export const pairs = (entries: readonly (readonly [string, string])[]): string[] => table(entries, 'll');
