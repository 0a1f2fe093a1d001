/**
 * The integers that the searches compute with, so that decisions are the same on every machine.
 *
 * Per latent, in steps:  A = floor(|x| / step * 2^12 + 1/2), sign = x < 0.
 * Costs are counted in units of 2^-r squared steps times the largest weight rounded up to a power of two:
 *     distortion = floor(e^2 * W * 2^(r-46) + 1/2),   e = A - i * 2^12,   W = floor(weight / scale * 2^22 + 1/2) <= 2^22
 *     rate       = an integer per index, from a table made once per Lagrangian by one multiplication and rounding.
 * r <= 21 is the largest for which a branch (16 squared steps and the dearest index) stays below 2^26. The distortion of
 * the zero, alone unbounded, is cut there: a latent that far out has cheaper branches in the same subsets.
 *
 * Bit budget: e^2 <= 2^28, or 2^30 for the zero of what is near, times W <= 2^22: exact in float64 and int64 alike; the
 * zero of what is far is computed in float64 by one formula everywhere. States differ by at most log2(states) * 2^26 (any
 * state reaches any other in so many branches), 10 * 2^26 with 1024. The kernel subtracts the minimum every 16 latents,
 * hence path costs < (10 + 16) * 2^26 < 2^31 fit int32; states not reached yet start at 11 * 2^26.
 * A unit is a fraction 2^-r of a squared step at the largest weight: a Lagrangian below 2^-18 of that per bit loses
 * precision, so weights that spread over more than about 2^12 belong into separate calls. Lagrangians above 2^16
 * squared steps are cut there; only the rate counts by then.
 */
import { costPerBit, type RateTables } from './rates.js';

/** Fraction bits of latents, in steps. */
export const latentBits = 12;
/** Fraction bits of weights. */
export const weightBits = 22;
/** No branch costs more. */
export const costLimit = 2 ** 26;
/** Magnitudes below this (fixed point: 8 steps) need no case of their own in the kernel. */
export const nearLimit = 8 << latentBits;
/** Entries that every row of `grid` has at least: all candidates of near latents. */
const nearEntries = 12;
const mostCostBits = 21;
const largestLagrangian = 65536;

/**
 * Rates in units of cost, laid out by grid integers: the candidates of a latent are four neighbours.
 * For table t and sign s (0 positive, 1 negative): entry `gridStart[2 t + s] + i` prices grid integer ±i, i = 1, 2, ...
 * up to `gridSize[t] - 1`; what is beyond costs `escapes[4 t + 2 s + q] + perBit * floor(log2 n)`, n = |k| - last.
 */
export interface CostTables {
  readonly count: number;
  /** r: a unit is 2^-r squared steps. */
  readonly costBits: number;
  readonly grid: Int32Array;
  readonly gridStart: Int32Array;
  readonly gridSize: Int32Array;
  /** Price of k = 0 at 2 t + q. */
  readonly zeros: Int32Array;
  /** At 4 t + 2 s + q. */
  readonly escapes: Int32Array;
  /** Largest |k| of sign s that the row holds, at 4 t + 2 s + q; negative where the row lies on the other side. */
  readonly last: Int32Array;
  /** Price of two bits. */
  readonly perBit: number;
  /** No price is above this. */
  readonly most: number;
}

/** Powers of two, made by products: exact everywhere. */
export function powerOfTwo(exponent: number): number {
  let power = 1;
  for (let i = 0; i < exponent; i++) power *= 2;
  for (let i = 0; i > exponent; i--) power /= 2;
  return power;
}

/** Exponent of the smallest power of two that is at least `weight`; 0 for 0. */
function ceilExponent(weight: number): number {
  if (weight === 0) return 0;
  let exponent = 0;
  while (powerOfTwo(exponent) < weight) exponent++;
  while (powerOfTwo(exponent - 1) >= weight) exponent--;
  return exponent;
}

/** The power of two by which weights are divided; 1 without weights. NaN and infinity are left to the searches. */
export function weightScale(weights: Float32Array | undefined): number {
  let largest = weights ? 0 : 1;
  for (let n = 0; weights && n < weights.length; n++) {
    if (weights[n] > largest && weights[n] < Infinity) largest = weights[n];
  }
  return powerOfTwo(ceilExponent(largest));
}

const known = new WeakMap<RateTables, Map<number, CostTables>>();
/** Lagrangians remembered per set of rates. */
const rememberedLagrangians = 8;

/**
 * Rates times the Lagrangian, as integers. Remembered per set of rates and Lagrangian.
 *
 * @param lagrangian in squared steps times the weight scale, 0 or more
 */
export function costTables(rates: RateTables, lagrangian: number): CostTables {
  let ofRates = known.get(rates);
  if (!ofRates) {
    ofRates = new Map();
    known.set(rates, ofRates);
  }
  let tables = ofRates.get(lagrangian);
  if (!tables) {
    tables = makeCostTables(rates, Math.min(lagrangian, largestLagrangian));
    if (ofRates.size >= rememberedLagrangians) ofRates.clear();
    ofRates.set(lagrangian, tables);
  }
  return tables;
}

function makeCostTables(rates: RateTables, lagrangian: number): CostTables {
  const { count, first, offsets, escapes } = rates;
  // The longest code of a distance has 64 bits.
  let dearest = 0;
  for (const cost of escapes) dearest = Math.max(dearest, cost / costPerBit + 64);
  for (const cost of rates.costs) dearest = Math.max(dearest, cost / costPerBit);
  let costBits = mostCostBits;
  while (costBits > 0 && powerOfTwo(costBits) * (16 + lagrangian * dearest) > costLimit - 4) costBits--;
  const scale = (lagrangian * powerOfTwo(costBits)) / costPerBit;
  const most = costLimit - 16 * powerOfTwo(costBits) - 4;
  const price = (cost: number): number => Math.min(most, Math.round(cost * scale));

  const gridStart = new Int32Array(2 * count);
  const gridSize = new Int32Array(count);
  const zeros = new Int32Array(2 * count);
  const escapePrices = new Int32Array(4 * count);
  const last = new Int32Array(4 * count);
  let total = 0;
  for (let t = 0; t < count; t++) {
    let reach = 0;
    for (let q = 0; q < 2; q++) {
      const row = 2 * t + q;
      const size = offsets[row + 1] - offsets[row];
      const highest = first[row] + size - 1; // below first where the row is empty
      zeros[row] = price(rates.cost(row, 0));
      last[4 * t + q] = highest;
      last[4 * t + 2 + q] = -first[row];
      escapePrices[4 * t + q] = price(escapes[row] + 2 * costPerBit);
      escapePrices[4 * t + 2 + q] = escapePrices[4 * t + q];
      reach = Math.max(reach, last[4 * t + q], last[4 * t + 2 + q]);
    }
    gridSize[t] = Math.max(nearEntries, 2 * reach + 4);
    for (let s = 0; s < 2; s++) {
      gridStart[2 * t + s] = total;
      total += gridSize[t];
    }
  }

  const grid = new Int32Array(total);
  for (let t = 0; t < count; t++) {
    for (let s = 0; s < 2; s++) {
      for (let i = 1; i < gridSize[t]; i++) {
        const k = (i + 1) >> 1;
        grid[gridStart[2 * t + s] + i] = price(rates.cost(2 * t + (i & 1), s ? -k : k));
      }
    }
  }
  const perBit = price(2 * costPerBit);
  return { count, costBits, grid, gridStart, gridSize, zeros, escapes: escapePrices, last, perBit, most };
}

/** Price of grid integer ±i under table t, i >= 1; s is 0 for positive, 1 for negative. */
export function gridPrice(tables: CostTables, t: number, s: number, i: number): number {
  if (i < tables.gridSize[t]) return tables.grid[tables.gridStart[2 * t + s] + i];
  const row = 4 * t + 2 * s + (i & 1);
  const beyond = ((i + 1) >>> 1) - tables.last[row];
  return Math.min(tables.most, tables.escapes[row] + tables.perBit * (31 - Math.clz32(beyond)));
}
