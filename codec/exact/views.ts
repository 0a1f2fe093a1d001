/**
 * Broadcasting as the elementwise kernels know it: every operand as rows x columns of the result, with a step
 * between rows and a step of 0 or 1 between columns. No memory is touched here.
 */
import type { Shape } from '../../src/graph/index.js';

/** How an operand is walked: floats between rows, floats (0 or 1) between columns. */
export interface View {
  readonly row: number;
  readonly column: 0 | 1;
}

export interface Broadcast {
  readonly rows: number;
  readonly columns: number;
  readonly views: readonly View[];
}

const product = (extents: readonly number[]): number => extents.reduce((size, extent) => size * extent, 1);

/** Whether a run of axes is that of the result ('dense') or all ones ('one'); undefined where it is a mixture. */
function kindOf(extents: readonly number[], wanted: readonly number[]): 'dense' | 'one' | undefined {
  if (extents.every((extent, axis) => extent === wanted[axis])) return 'dense';
  return extents.every((extent) => extent === 1) ? 'one' : undefined;
}

function viewOf(shape: Shape, result: Shape, split: number): View | undefined {
  const padded = [...new Array<number>(result.length - shape.length).fill(1), ...shape];
  const outer = kindOf(padded.slice(0, split), result.slice(0, split));
  const inner = kindOf(padded.slice(split), result.slice(split));
  if (!outer || !inner) return undefined;
  const columns = inner === 'dense' ? product(result.slice(split)) : 1;
  return { row: outer === 'dense' ? columns : 0, column: inner === 'dense' ? 1 : 0 };
}

/**
 * Rows and columns of a result, and how each operand is walked; undefined where no split of the axes into rows and
 * columns fits all operands (as for [1,C,1,W] with [1,C,H,W]).
 *
 * @example
 * broadcastViews([1, 8, 4, 4], [[1, 8, 4, 4], [1, 8, 1, 1]]);
 * // { rows: 8, columns: 16, views: [{ row: 16, column: 1 }, { row: 1, column: 0 }] }
 */
export function broadcastViews(result: Shape, operands: readonly Shape[]): Broadcast | undefined {
  for (let split = 0; split <= result.length; split++) {
    const views = operands.map((shape) => viewOf(shape, result, split));
    if (!views.every((view) => view !== undefined)) continue;
    return { rows: product(result.slice(0, split)), columns: product(result.slice(split)), views };
  }
  return undefined;
}
