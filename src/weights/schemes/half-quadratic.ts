/**
 * HQQ: whole numbers of 2 to 8 bits with a scale and a real zero point per group, value = (code - zero) * scale. The zero
 * points are fitted without data: up to 20 rounds of splitting the error into a sparse part (outliers, found by an l_p
 * shrinkage, p = 0.7) and a rest, whose mean over the group the zero takes. Rounds end when the mean error of the whole
 * tensor no longer falls.
 *
 * Arithmetic is float32 as in the reference; Math.pow decides only how far errors shrink, not how bytes are read.
 * Source: Badri and Shaji, Half-Quadratic Quantization (dropbox/hqq, solver optimize_weights_proximal_legacy).
 */
import { groupCount, type Layout } from '../layout.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { roundHalfEven } from '../rounding.js';
import { roundScales } from '../scales.js';

const { fround } = Math;

const rounds = 20;
const power = 0.7;
const initialBeta = 10;
const betaGrowth = 1.01;
/** Largest number of codes per unit of weight; ranges below 1e-4 have no useful scale. */
const mostPerUnit = 2e4;
const leastRange = 1e-4;

/** Weights per unit of range: what the reference calls the inverse scale. */
function initialGroup(values: Float32Array, start: number, end: number, most: number) {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const range = fround(high - low);
  const perUnit = range <= leastRange ? 1 : Math.min(fround(most / range), mostPerUnit);
  return { perUnit, zero: fround(-low * perUnit) };
}

const codeOf = (value: number, perUnit: number, zero: number, most: number): number => {
  const code = roundHalfEven(fround(fround(value * perUnit) + zero));
  return code > most ? most : code < 0 ? 0 : code;
};

/** Largest magnitude that surely shrinks to 0: |x| = |x|^(p-1) / beta there, less a little for rounding. */
const shrinksToZero = (beta: number): number => 0.999 * beta ** (-1 / (2 - power));

/** sign(x) max(|x| - |x|^(p-1) / beta, 0); magnitudes up to `zeroUpTo` need no power. */
function shrink(error: number, beta: number, zeroUpTo: number): number {
  const magnitude = Math.abs(error);
  if (magnitude <= zeroUpTo) return 0;
  const shrunk = magnitude - magnitude ** (power - 1) / beta;
  return shrunk > 0 ? Math.sign(error) * shrunk : 0;
}

/**
 * Zero points fitted to the weights; scales stay as they are.
 *
 * @param perUnit codes per unit of weight, one per group
 * @param zeros to start from
 */
function fitZeros(
  values: Float32Array,
  { starts }: Layout,
  perUnit: Float32Array,
  zeros: Float32Array,
  most: number,
): Float32Array {
  let fitted = zeros;
  let beta = initialBeta;
  let leastError = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const next = new Float32Array(fitted.length);
    const zeroUpTo = shrinksToZero(beta);
    let total = 0;
    for (let g = 0; g < fitted.length; g++) {
      let sum = 0;
      for (let i = starts[g]; i < starts[g + 1]; i++) {
        const code = codeOf(values[i], perUnit[g], fitted[g], most);
        const error = fround(values[i] - fround((code - fitted[g]) / perUnit[g]));
        total += Math.abs(error);
        sum += code - (values[i] - shrink(error, beta, zeroUpTo)) * perUnit[g];
      }
      next[g] = sum / (starts[g + 1] - starts[g]);
    }
    // The reference measures after the zeros have moved and keeps them either way.
    fitted = next;
    beta *= betaGrowth;
    if (total >= leastError) break;
    leastError = total;
  }
  return fitted;
}

export const halfQuadraticScheme = defineScheme({
  name: 'hqq',
  summary: 'Whole numbers with real zero points fitted without data (HQQ)',
  bitWidths: [2, 3, 4, 5, 6, 7, 8],
  defaultBits: 4,
  defaultGranularity: { group: 64 },
  options: ['search'],
  parts: ({ bits }, layout) => [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    { name: 'zeros', kind: 'scales', count: groupCount(layout) },
    { name: 'codes', kind: 'bits', width: bits, count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, form, options }) => {
    const { starts } = layout;
    const most = 2 ** form.bits - 1;
    const groups = groupCount(layout);
    const perUnit = new Float32Array(groups);
    const initial = new Float32Array(groups);
    for (let g = 0; g < groups; g++) {
      const fit = initialGroup(values, starts[g], starts[g + 1], most);
      perUnit[g] = fit.perUnit;
      initial[g] = fit.zero;
    }
    const scales = roundScales(
      perUnit.map((count) => 1 / count),
      form.scales,
    );
    for (let g = 0; g < groups; g++) perUnit[g] = form.scales === 'float32' ? perUnit[g] : 1 / scales[g];
    const fitted = options.search === false ? initial : fitZeros(values, layout, perUnit, initial, most);
    const zeros = roundScales(fitted, form.scales);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < groups; g++) {
      for (let i = starts[g]; i < starts[g + 1]; i++)
        codes[i] = codeOf(values[i], perUnit[g], zeros[g], most);
    }
    return { codes, parameters: { scales, zeros } };
  },
  dequantize: (quantized, { starts }, _form, out) => {
    const scales = parameterOf<Float32Array>(quantized, 'scales');
    const zeros = parameterOf<Float32Array>(quantized, 'zeros');
    for (let g = 0; g < scales.length; g++) {
      for (let i = starts[g]; i < starts[g + 1]; i++) {
        out[i] = fround(quantized.codes[i] - zeros[g]) * scales[g];
      }
    }
  },
});
