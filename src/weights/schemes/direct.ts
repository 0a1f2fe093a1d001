/**
 * Direct quantized training (DQT): weights live on a grid of 1.58 to 8 bits with one step per tensor and no float copy, and
 * every update is rounded back to the grid at random so that its expectation is kept.
 *
 * As a scheme it gives the first grid of such a training: step = mean magnitude / (2^(b-1) - 1), ternary: mean magnitude, which
 * clips much from 3 bits on; `search` takes the step of least squared error instead. With `seed` weights are rounded at
 * random here too. The step is kept with the tensor and never derived again: the released code takes it from the largest
 * weight of the moment, and its grid moves when no weight sits on the top level.
 * Source: Zhao et al., Direct Quantized Training with Stochastic Rounding (arXiv 2412.04787) and its released code.
 */
import { Random } from '../../training/random.js';
import { groupCount } from '../layout.js';
import { defineScheme, parameterOf, scalesAndCodes } from '../recipe.js';
import { largestMagnitude, meanMagnitude, roundHalfEven } from '../rounding.js';
import { roundScales } from '../scales.js';
import { leastErrorStep } from '../step-search.js';

/** Whole numbers of a grid. */
export interface DirectGrid {
  readonly low: number;
  readonly high: number;
}

const widths = [1.58, 2, 3, 4, 8] as const;

/**
 * The whole numbers of `bits` bits.
 *
 * @example
 * directGrid(3); // => {"low":-4,"high":3}
 */
export function directGrid(bits: number): DirectGrid {
  return bits === 1.58 ? { low: -1, high: 1 } : { low: -(2 ** (bits - 1)), high: 2 ** (bits - 1) - 1 };
}

/** Positions so near a whole number take it: they were it before float32 divided. */
const wholeTolerance = 1e-4;

/**
 * Rounds value / step to one of its two whole neighbours, up with the probability of its fraction; values at or beyond the
 * ends of the grid take the ends.
 *
 * @param uniform in [0, 1)
 * @example
 * const grid = { low: -4, high: 3 };
 * [0.1, 0.29, 0.31].map((uniform) => roundStochastically(2.3, 1, grid, uniform)); // => [3, 3, 2]
 */
export function roundStochastically(
  value: number,
  step: number,
  { low, high }: DirectGrid,
  uniform: number,
): number {
  const position = value / step;
  if (position >= high) return high;
  if (position <= low) return low;
  const nearest = roundHalfEven(position);
  if (Math.abs(position - nearest) <= wholeTolerance) return nearest;
  const below = Math.floor(position);
  return uniform < position - below ? below + 1 : below;
}

/**
 * One update of weights on the grid: updated weights of any size become whole numbers of steps.
 *
 * @param updated weights after the optimizer's step, not yet on the grid
 * @param step as kept with the tensor
 * @param seed decides all roundings; pass another one each time
 */
export function stepOnGrid(updated: Float32Array, step: number, grid: DirectGrid, seed: number): Int8Array {
  const random = Random.of(seed);
  return Int8Array.from(updated, (value) => roundStochastically(value, step, grid, random.uniform()));
}

export const directScheme = defineScheme({
  name: 'dqt',
  summary: 'The grid of direct quantized training, rounded at random with a seed',
  bitWidths: widths,
  defaultBits: 1.58,
  defaultGranularity: 'tensor',
  options: ['search', 'importance', 'seed'],
  parts: scalesAndCodes,
  quantize: ({ values, layout, form, options }) => {
    const { starts } = layout;
    const grid = directGrid(form.bits);
    const { low, high } = grid;
    const exact = new Float32Array(groupCount(layout));
    for (let g = 0; g < exact.length; g++) {
      const [start, end] = [starts[g], starts[g + 1]];
      exact[g] = options.search
        ? leastErrorStep(
            values,
            start,
            end,
            { ...grid, shift: 0 },
            largestMagnitude(values, start, end) / high,
            options.importance,
          )
        : meanMagnitude(values, start, end) / high;
    }
    const scales = roundScales(exact, form.scales);
    const codes = new Uint8Array(values.length);
    const random = options.seed === undefined ? undefined : Random.of(options.seed);
    for (let g = 0; g < scales.length; g++) {
      const step = scales[g] || 1;
      for (let i = starts[g]; i < starts[g + 1]; i++) {
        if (random) {
          codes[i] = roundStochastically(values[i], step, grid, random.uniform()) - low;
          continue;
        }
        const code = roundHalfEven(values[i] / step);
        codes[i] = (code > high ? high : code < low ? low : code) - low;
      }
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, { starts }, form, out) => {
    const scales = parameterOf<Float32Array>(quantized, 'scales');
    const { low } = directGrid(form.bits);
    for (let g = 0; g < scales.length; g++) {
      for (let i = starts[g]; i < starts[g + 1]; i++) out[i] = (quantized.codes[i] + low) * scales[g];
    }
  },
});
