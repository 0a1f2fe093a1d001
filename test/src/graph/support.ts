/**
 * What the tests of graphs and engines share: seeded values, finite differences in float64, and one way to compare
 * arrays. Errors are relative to the largest expected value, because entries near zero have no scale of their own.
 */
import { evaluate } from '../../../src/graph/evaluate.js';
import type { Graph, Tensor } from '../../../src/graph/graph.js';
import { mul, sum } from '../../../src/graph/operations.js';
import { type Shape, sizeOf } from '../../../src/graph/shape.js';

/** Mulberry32: uniform numbers in [0,1) that depend on the seed only. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Row-major values of a tensor, uniform in [low, high). */
export function randomValues(shape: Shape, next: () => number, low = -1, high = 1): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, () => low + (high - low) * next());
}

/** A scalar that depends on every element of x with its own weight. */
export function weightedSum(graph: Graph, x: Tensor, next: () => number): Tensor {
  return sum(mul(x, graph.constant(randomValues(x.shape, next, 0.5, 1.5), x.shape)));
}

/** Central differences of a scalar with respect to the values fed under `name`. */
export function differences(
  loss: Tensor,
  name: string,
  feeds: Readonly<Record<string, Float64Array>>,
  step = 1e-5,
): Float64Array {
  const at = (index: number, offset: number): number => {
    const moved = feeds[name].slice();
    moved[index] += offset;
    return evaluate({ loss }, { ...feeds, [name]: moved }).loss[0];
  };
  return feeds[name].map((_, index) => (at(index, step) - at(index, -step)) / (2 * step));
}

/** Largest difference over largest expected magnitude; infinite where lengths differ or a value is not finite. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i]) || !Number.isFinite(expected[i])) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return scale > 0 ? difference / scale : difference;
}
