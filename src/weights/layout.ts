/**
 * How the weights of a tensor fall into groups that share a scale. Groups are runs of the row-major values, one after the
 * other, so a layout is a list of starts: group g holds values[starts[g] .. starts[g + 1]). The last group of a row may
 * be shorter; a tensor without elements has no groups.
 */
import { UsageError } from '../errors.js';
import type { Granularity } from './scheme.js';

export interface Layout {
  readonly rows: number;
  readonly columns: number;
  /** Where each group starts, and the end of the last one. */
  readonly starts: Uint32Array;
}

/** Number of elements of a shape. */
export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, extent) => product * extent, 1);

/** Number of groups of a layout. */
export const groupCount = ({ starts }: Layout): number => starts.length - 1;

/**
 * Rows and groups of a tensor of the given shape.
 *
 * @throws UsageError for a group that is no whole number from 1 to 2^31 - 1
 * @example
 * const { rows, columns, starts } = layoutOf([2, 5], { group: 3 });
 * [rows, columns, ...starts]; // => [2, 5, 0, 3, 5, 8, 10]
 */
export function layoutOf(shape: readonly number[], granularity: Granularity): Layout {
  const count = elementCount(shape);
  const rows = shape.length < 2 ? 1 : shape[0];
  const columns = elementCount(shape.length < 2 ? shape : shape.slice(1));
  if (count === 0) return { rows, columns, starts: new Uint32Array(1) };
  if (granularity === 'tensor') return { rows, columns, starts: Uint32Array.of(0, count) };
  const group = granularity === 'row' ? columns : granularity.group;
  if (!(Number.isInteger(group) && group >= 1 && group < 2 ** 31)) {
    throw new UsageError(`granularity: expected a group of at least 1 column, got ${group}`);
  }
  const perRow = Math.ceil(columns / group);
  const starts = new Uint32Array(rows * perRow + 1);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let k = 0; k < perRow; k++) starts[at++] = row * columns + k * group;
  }
  starts[rows * perRow] = count;
  return { rows, columns, starts };
}
