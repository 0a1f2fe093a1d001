/** Weights, levels and measurements that the tests of trellis-coded weights share. */
import { gridIntegers } from '../../../../trellis/dequantize.js';
import { Random } from '../../../trellis/support.js';

export { Random };

/** Nearly normal numbers as the golden files name them: sums of twelve draws of a linear congruential generator. */
export function sumsOfTwelve(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    let sum = 0;
    for (let draw = 0; draw < 12; draw++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state >>> 8;
    }
    return sum / 2 ** 24 - 6;
  });
}

/** Normal numbers of deviation 1. */
export function normal(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.normal());
}

/** Mean squared error of dependent levels, in the weights' units. */
export function errorOf(weights: Float32Array, levels: Int32Array, step: number, dependent = true): number {
  const grid = dependent ? gridIntegers(levels, { machine: 'nnc8' }) : levels;
  let sum = 0;
  for (let n = 0; n < weights.length; n++) sum += (weights[n] - grid[n] * step) ** 2;
  return sum / weights.length;
}

/** Decibels of noise above the least that so many bits per weight of a normal source of deviation 1 allow. */
export const gapOf = (error: number, bitsPerWeight: number): number =>
  10 * Math.log10(error) + 20 * Math.log10(2) * bitsPerWeight;

/** Streams of the NNCodec encoder (test/golden/weights/nnc_deepcabac.json). */
export interface NncGolden {
  readonly W: readonly (readonly number[])[];
  readonly qp_density: number;
  readonly cases: readonly {
    readonly qp: number;
    readonly step: number;
    readonly dq: number;
    readonly lambda_scale: number;
    readonly param_opt: number;
    readonly q: readonly (readonly number[])[];
    readonly bytes: string;
  }[];
}

/** Levels whose grid integers are these, from state 0 on: each odd state's grid is odd, each even one's even, but for 0. */
export const levelsOfGrid = (grid: readonly number[], dependent: boolean): Int32Array =>
  Int32Array.from(grid, (q) => (dependent ? Math.sign(q) * Math.floor((Math.abs(q) + 1) / 2) : q));
