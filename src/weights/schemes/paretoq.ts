/**
 * ParetoQ's functions of 1, 1.58, 2, 3 and 4 bits, one scale alpha per row. What training learns is found here by a search
 * for the least squared error; without it (`search: false`) alpha is what training starts from.
 *
 *     1     elastic binary: -1, 1                     alpha: mean magnitude, which is also the best
 *     1.58  stretched (SEQ): -2/3, 0, 2/3             from the largest magnitude
 *     2     stretched (SEQ): -3/4, -1/4, 1/4, 3/4     from the largest magnitude
 *     3, 4  LSQ: -2^(b-1) .. 2^(b-1) - 1              from the largest magnitude / (2^(b-1) - 1)
 *
 * All are a uniform grid (k + shift) / n. Zeros become +1 at 1 bit: the sign of 0, which training code leaves 0, has no code.
 * Source: Liu et al., ParetoQ (arXiv 2502.02631) and its released code, whose ternary levels differ from the paper's formula.
 */
import { groupCount } from '../layout.js';
import { fillFromLevels } from '../levels.js';
import { defineScheme, parameterOf, scalesAndCodes } from '../recipe.js';
import { largestMagnitude, meanMagnitude, roundHalfEven } from '../rounding.js';
import { roundScales } from '../scales.js';
import { leastErrorStep, type UniformGrid } from '../step-search.js';

/** Levels (k + shift) / perUnit for k from low to high, relative to alpha. */
export interface ParetoqGrid extends UniformGrid {
  readonly perUnit: number;
  /** Where training's gradient ends, relative to alpha. */
  readonly clip: number;
}

const stretchedClip = 0.99;

/** Grids by bits; the binary one rounds nothing and is here for its levels. */
export const paretoqGrids: ReadonlyMap<number, ParetoqGrid> = new Map([
  [1, { shift: 0.5, low: -1, high: 0, perUnit: 0.5, clip: 1 }],
  [1.58, { shift: 0, low: -1, high: 1, perUnit: 1.5, clip: stretchedClip }],
  [2, { shift: 0.5, low: -2, high: 1, perUnit: 2, clip: stretchedClip }],
  [3, { shift: 0, low: -4, high: 3, perUnit: 1, clip: Number.POSITIVE_INFINITY }],
  [4, { shift: 0, low: -8, high: 7, perUnit: 1, clip: Number.POSITIVE_INFINITY }],
]);

const gridOf = (bits: number): ParetoqGrid => paretoqGrids.get(bits) as ParetoqGrid;

/**
 * Levels relative to alpha, by code.
 *
 * @param bits 1, 1.58, 2, 3 or 4
 * @example
 * Array.from(paretoqLevels(2)); // => [-0.75, -0.25, 0.25, 0.75]
 */
export function paretoqLevels(bits: number): Float32Array {
  const { shift, low, high, perUnit } = gridOf(bits);
  return Float32Array.from({ length: high - low + 1 }, (_, code) => (code + low + shift) / perUnit);
}

/**
 * The alpha that training starts from, for values[start .. end).
 *
 * @example
 * paretoqInitial(Float32Array.of(0.75, -0.25), 0, 2, 3); // => 0.25
 */
export function paretoqInitial(values: Float32Array, start: number, end: number, bits: number): number {
  if (bits === 1) return meanMagnitude(values, start, end);
  const largest = largestMagnitude(values, start, end);
  return bits < 3 ? largest : largest / gridOf(bits).high;
}

/** Writes the codes of values[start .. end) for a given alpha. */
export function paretoqCodes(
  values: Float32Array,
  start: number,
  end: number,
  bits: number,
  alpha: number,
  codes: Uint8Array,
): void {
  const { shift, low, high, perUnit } = gridOf(bits);
  const divisor = alpha || 1;
  if (bits === 1) {
    for (let i = start; i < end; i++) codes[i] = values[i] < 0 ? 0 : 1;
    return;
  }
  for (let i = start; i < end; i++) {
    const k = roundHalfEven(Math.fround(values[i] / divisor) * perUnit - shift);
    codes[i] = (k > high ? high : k < low ? low : k) - low;
  }
}

export const paretoqScheme = defineScheme({
  name: 'paretoq',
  summary: 'Binary, stretched and LSQ grids of 1 to 4 bits (ParetoQ)',
  bitWidths: [...paretoqGrids.keys()],
  defaultBits: 2,
  defaultGranularity: 'row',
  options: ['search', 'importance'],
  parts: scalesAndCodes,
  quantize: ({ values, layout, form, options }) => {
    const { starts } = layout;
    const grid = gridOf(form.bits);
    const exact = new Float32Array(groupCount(layout));
    for (let g = 0; g < exact.length; g++) {
      const initial = paretoqInitial(values, starts[g], starts[g + 1], form.bits);
      // At 1 bit the mean magnitude is the best unless weights differ in importance.
      const isBest = form.bits === 1 && !options.importance;
      const largest = initial / grid.perUnit;
      exact[g] =
        options.search === false || isBest
          ? initial
          : grid.perUnit *
            leastErrorStep(values, starts[g], starts[g + 1], grid, largest, options.importance);
    }
    const scales = roundScales(exact, form.scales);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      paretoqCodes(values, starts[g], starts[g + 1], form.bits, scales[g], codes);
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, layout, form, out) =>
    fillFromLevels(quantized.codes, paretoqLevels(form.bits), parameterOf(quantized, 'scales'), layout, out),
});
