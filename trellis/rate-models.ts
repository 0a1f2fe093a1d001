/**
 * Rate tables from models: normal latents, and counts of what a search really chose. Made once per model, not while
 * coding: logarithms and exponentials live here and nowhere else in this folder.
 *
 * Points of quantizer q: k -> 2 k - sgn(k) q, in steps. Standard deviations are in steps too. No price exceeds 64 bits.
 */
import { UsageError } from '../src/errors.js';
import { type DequantizeOptions, quantizersOf } from './dequantize.js';
import { type RateRow, RateTables } from './rates.js';

/** Prices of what has (almost) no probability end here, in bits. */
const bitsLimit = 64;
/** Rows end where less than this lies beyond them on either side. */
const tail = 2 ** -20;

/** How the probability of an index is taken from a density. */
export type GaussianModel = 'cell' | 'grid';

/** P(N(0, 1) > x), relative error below 1e-13: series of erf near zero, continued fraction of erfc beyond. */
function normalTail(x: number): number {
  if (x < 0) return 1 - normalTail(-x);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (x < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-18; n++) {
      term *= (x * x) / (2 * n + 1);
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = x;
  for (let n = 80; n >= 1; n--) fraction = x + n / fraction;
  return density / fraction;
}

/** Mass of N(0, sigma^2) between two numbers. */
function mass(from: number, to: number, sigma: number): number {
  if (from < 0 && to > 0) return 1 - normalTail(-from / sigma) - normalTail(to / sigma);
  return from >= 0
    ? normalTail(from / sigma) - normalTail(to / sigma)
    : normalTail(-to / sigma) - normalTail(-from / sigma);
}

function probability(k: number, quantizer: number, sigma: number, model: GaussianModel): number {
  const point = 2 * Math.abs(k) - (k === 0 ? 0 : quantizer);
  if (model === 'grid') return mass(point - 0.5, point + 0.5, sigma);
  if (quantizer === 0) return mass(point - 1, point + 1, sigma);
  if (point === 0) return mass(-0.5, 0.5, sigma);
  return point === 1 ? mass(0.5, 2, sigma) : mass(point - 1, point + 1, sigma);
}

function gaussianRow(sigma: number, quantizer: number, model: GaussianModel): RateRow {
  let last = 1;
  while (normalTail((2 * last + 1) / sigma) > tail) last++;
  const half = Array.from({ length: last + 1 }, (_, k) => probability(k, quantizer, sigma, model));
  const total = half[0] + 2 * half.slice(1).reduce((sum, p) => sum + p, 0);
  const price = (p: number): number => Math.min(bitsLimit, -Math.log2(p / total));
  return {
    first: -last,
    bits: Array.from({ length: 2 * last + 1 }, (_, i) => price(half[Math.abs(i - last)])),
    escapeBits: -Math.log2(tail),
  };
}

/**
 * Tables of zero-mean normal latents, one per standard deviation.
 *
 * `cell` integrates the density between the midpoints of a quantizer's points; `grid` integrates it one step around
 * each point and divides by the sum over the points. Decisions of a trellis search are far from nearest-neighbour, and
 * `grid` is the better guess (0.7 % of the rate); tables counted on real indices are better than both.
 *
 * @param sigmas standard deviations in steps, above 0 and at most 4096
 * @throws UsageError for a standard deviation out of range
 * @example
 * const rates = gaussianRates([1, 4]);
 * rates.bits(0, 0, 0).toFixed(3); // => "0.398"
 * rates.bits(0, 1, 1) === rates.bits(0, 1, -1); // => true
 */
export function gaussianRates(sigmas: ArrayLike<number>, model: GaussianModel = 'grid'): RateTables {
  const rows: RateRow[] = [];
  for (const sigma of Array.from(sigmas)) {
    if (!(sigma > 0 && sigma <= 4096)) {
      throw new UsageError(`sigmas: expected numbers above 0 and up to 4096 steps, got ${sigma}`);
    }
    rows.push(gaussianRow(sigma, 0, model), gaussianRow(sigma, 1, model));
  }
  return RateTables.fromRows(rows);
}

export interface CountedOptions extends DequantizeOptions {
  /** Table of each index; default all 0. */
  readonly tableIndices?: Uint8Array;
  /** Rates that seldom seen indices fall back to; also gives the rows their ranges. */
  readonly prior: RateTables;
  /** Observations that the prior is worth in each row; default 8. */
  readonly priorWeight?: number;
}

/**
 * Tables counted on indices that a search chose, blended with the tables that it chose them by.
 *
 * @throws UsageError where lengths differ or a table index is not in the prior
 * @example
 * const prior = gaussianRates([1]);
 * const counted = countedRates(Int32Array.of(0, 0, 0, 0, 0, 2), { prior, priorWeight: 1 });
 * counted.bits(0, 0, 0) < prior.bits(0, 0, 0); // => true
 */
export function countedRates(indices: Int32Array, options: CountedOptions): RateTables {
  const { tableIndices, prior, priorWeight = 8, skip } = options;
  if (tableIndices && tableIndices.length !== indices.length) {
    throw new UsageError(
      `tableIndices: expected ${indices.length} entries, one per index, got ${tableIndices.length}`,
    );
  }
  const { first, offsets, count } = prior;
  const quantizers = quantizersOf(indices, options);
  const seen = new Float64Array(offsets[2 * count]);
  const escaped = new Float64Array(2 * count);
  for (let n = 0; n < indices.length; n++) {
    if (skip?.[n]) continue;
    const table = tableIndices ? tableIndices[n] : 0;
    if (table >= count) throw new UsageError(`tableIndices: expected 0 to ${count - 1}, got ${table}`);
    const row = 2 * table + quantizers[n];
    const position = offsets[row] + indices[n] - first[row];
    if (position >= offsets[row] && position < offsets[row + 1]) seen[position]++;
    else escaped[row]++;
  }
  return RateTables.fromRows(
    Array.from({ length: 2 * count }, (_, row): RateRow => {
      const expected = Array.from(
        { length: offsets[row + 1] - offsets[row] + 1 },
        (_, i) =>
          2 **
          -(
            (i === offsets[row + 1] - offsets[row] ? prior.escapes[row] : prior.costs[offsets[row] + i]) /
            65536
          ),
      );
      const expectedTotal = expected.reduce((sum, p) => sum + p, 0);
      const observed = [...seen.subarray(offsets[row], offsets[row + 1]), escaped[row]];
      const total = priorWeight + observed.reduce((sum, value) => sum + value, 0);
      const bits = observed.map((value, i) =>
        Math.min(bitsLimit, -Math.log2((value + (priorWeight * expected[i]) / expectedTotal) / total)),
      );
      return { first: first[row], bits: bits.slice(0, -1), escapeBits: bits[bits.length - 1] };
    }),
  );
}
