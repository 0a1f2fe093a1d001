/**
 * Round to nearest on whole numbers: int2 to int8, symmetric (value = code * scale) and asymmetric
 * (value = (code - zero) * scale), with one scale per tensor, row or group of columns.
 *
 * Symmetric: scale = largest magnitude / (2^(b-1) - 1), codes -(2^(b-1) - 1) .. 2^(b-1) - 1 kept with 2^(b-1) added.
 * Asymmetric: the range is widened to hold 0, scale = (max - min) / (2^b - 1), zero = round(-min / scale).
 * With `search` the scale is the one of least squared error, which clips the largest weights; asymmetric ranges shrink.
 * Source: torchao, quant_primitives (choose_qparams_affine).
 */
import { groupCount } from '../layout.js';
import { fillFromLevels } from '../levels.js';
import {
  defineScheme,
  parameterOf,
  type QuantizationTask,
  type QuantizedParts,
  type Recipe,
} from '../recipe.js';
import { largestMagnitude, roundHalfEven } from '../rounding.js';
import { roundScales } from '../scales.js';
import type { Scheme } from '../scheme.js';
import { bestFactor, leastErrorStep } from '../step-search.js';

/** Widths of the whole numbers. */
export const integerWidths = [2, 3, 4, 5, 6, 7, 8] as const;

function quantizeSymmetric({ values, layout, form, options }: QuantizationTask): QuantizedParts {
  const { starts } = layout;
  const most = 2 ** (form.bits - 1) - 1;
  const exact = new Float32Array(groupCount(layout));
  for (let g = 0; g < exact.length; g++) {
    const step = largestMagnitude(values, starts[g], starts[g + 1]) / most;
    const grid = { shift: 0, low: -most, high: most };
    exact[g] = options.search
      ? leastErrorStep(values, starts[g], starts[g + 1], grid, step, options.importance)
      : step;
  }
  const scales = roundScales(exact, form.scales);
  const codes = new Uint8Array(values.length);
  const middle = most + 1;
  for (let g = 0; g < scales.length; g++) {
    // Dividing, not multiplying by a reciprocal: multiples of the scale must give their own code back.
    const scale = scales[g] || 1;
    for (let i = starts[g]; i < starts[g + 1]; i++) {
      const code = roundHalfEven(values[i] / scale);
      codes[i] = (code > most ? most : code < -most ? -most : code) + middle;
    }
  }
  return { codes, parameters: { scales } };
}

/** Least and largest of values[start .. end) and 0. */
function rangeOf(values: Float32Array, start: number, end: number): readonly [number, number] {
  let low = 0;
  let high = 0;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Squared error of values[start .. end) with a zero for the low end of a range. */
function asymmetricError(
  values: Float32Array,
  start: number,
  end: number,
  most: number,
  low: number,
  scale: number,
  importance: Float32Array | undefined,
): number {
  const zero = Math.min(most, roundHalfEven(-low / scale));
  let sum = 0;
  for (let i = start; i < end; i++) {
    const position = values[i] / scale + zero;
    const code = roundHalfEven(position);
    const error = position - (code > most ? most : code < 0 ? 0 : code);
    sum += importance ? importance[i] * error * error : error * error;
  }
  return sum * scale * scale;
}

function quantizeAsymmetric({ values, layout, form, options }: QuantizationTask): QuantizedParts {
  const { starts } = layout;
  const most = 2 ** form.bits - 1;
  const groups = groupCount(layout);
  const exact = new Float32Array(groups);
  const lows = new Float32Array(groups);
  for (let g = 0; g < groups; g++) {
    const [low, high] = rangeOf(values, starts[g], starts[g + 1]);
    const scale = (high - low) / most;
    const factor =
      options.search && scale > 0
        ? bestFactor((ratio) =>
            asymmetricError(
              values,
              starts[g],
              starts[g + 1],
              most,
              ratio * low,
              ratio * scale,
              options.importance,
            ),
          )
        : 1;
    exact[g] = factor * scale;
    lows[g] = factor * low;
  }
  const scales = roundScales(exact, form.scales);
  const zeros = new Uint8Array(groups);
  const codes = new Uint8Array(values.length);
  for (let g = 0; g < groups; g++) {
    const scale = scales[g] || 1;
    const zero = Math.min(most, roundHalfEven(-lows[g] / scale));
    zeros[g] = zero;
    for (let i = starts[g]; i < starts[g + 1]; i++) {
      const code = roundHalfEven(values[i] / scale) + zero;
      codes[i] = code > most ? most : code < 0 ? 0 : code;
    }
  }
  return { codes, parameters: { scales, zeros } };
}

function symmetricRecipe(bits: number): Recipe {
  const levels = Float32Array.from({ length: 2 ** bits }, (_, code) => code - 2 ** (bits - 1));
  return {
    name: `int${bits}`,
    summary: `Whole numbers of ${bits} bits, symmetric about 0`,
    bitWidths: [bits],
    defaultBits: bits,
    defaultGranularity: { group: 64 },
    options: ['search', 'importance'],
    parts: ({ bits: width }, layout) => [
      { name: 'scales', kind: 'scales', count: groupCount(layout) },
      { name: 'codes', kind: 'bits', width, count: layout.rows * layout.columns },
    ],
    quantize: quantizeSymmetric,
    dequantize: (quantized, layout, _form, out) =>
      fillFromLevels(quantized.codes, levels, parameterOf(quantized, 'scales'), layout, out),
  };
}

function asymmetricRecipe(bits: number): Recipe {
  return {
    name: `int${bits}-asym`,
    summary: `Whole numbers of ${bits} bits with a zero point`,
    bitWidths: [bits],
    defaultBits: bits,
    defaultGranularity: { group: 64 },
    options: ['search', 'importance'],
    parts: ({ bits: width }, layout) => [
      { name: 'scales', kind: 'scales', count: groupCount(layout) },
      { name: 'zeros', kind: 'bits', width, count: groupCount(layout) },
      { name: 'codes', kind: 'bits', width, count: layout.rows * layout.columns },
    ],
    quantize: quantizeAsymmetric,
    dequantize: (quantized, { starts }, _form, out) => {
      const scales = parameterOf<Float32Array>(quantized, 'scales');
      const zeros = parameterOf<Uint8Array>(quantized, 'zeros');
      for (let g = 0; g < scales.length; g++) {
        for (let i = starts[g]; i < starts[g + 1]; i++) out[i] = (quantized.codes[i] - zeros[g]) * scales[g];
      }
    },
  };
}

/** int2 .. int8, then int2-asym .. int8-asym. */
export const integerSchemes: readonly Scheme[] = [
  ...integerWidths.map((bits) => defineScheme(symmetricRecipe(bits))),
  ...integerWidths.map((bits) => defineScheme(asymmetricRecipe(bits))),
];
