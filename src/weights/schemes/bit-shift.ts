/**
 * Zero and signed powers of two, so that a multiplication is a shift: 2, 3 or 4 bits with one sign bit,
 * magnitudes 2^-j times the scale for j = 0 .. 2^(b-1) - 2. The scale is a power of two too, the one of least squared error;
 * with `search` it is any number, and products need one multiplication at the end.
 *
 * Codes: the sign in the highest bit, below it 0 for zero, else 1 for the smallest magnitude and so on. Thresholds lie
 * half-way between levels; a value on a threshold takes the larger magnitude.
 * Source: Badar, Differentiable, Bit-shifting, and Scalable Quantization (arXiv 2510.16088). The paper's function could not be
 * read: levels and thresholds are a reconstruction.
 */
import { type Codebook, errorAndBetterScale, leastErrorScale } from '../codebook-search.js';
import { groupCount } from '../layout.js';
import { fillFromLevels, NearestLevel } from '../levels.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { floorLog2, largestMagnitude, powerOfTwo } from '../rounding.js';
import { roundScales } from '../scales.js';

const widths = [2, 3, 4] as const;

/**
 * The magnitudes of `bits` bits, rising from 0 to 1.
 *
 * @example
 * Array.from(shiftMagnitudes(3)); // => [0, 0.25, 0.5, 1]
 */
export function shiftMagnitudes(bits: number): Float32Array {
  const count = 2 ** (bits - 1);
  return Float32Array.from({ length: count }, (_, k) => (k === 0 ? 0 : powerOfTwo(k + 1 - count)));
}

interface ShiftTable {
  readonly codebook: Codebook;
  /** By code. */
  readonly values: Float32Array;
}

const tables: ReadonlyMap<number, ShiftTable> = new Map(
  widths.map((bits) => {
    const magnitudes = shiftMagnitudes(bits);
    const values = Float32Array.of(...magnitudes, ...magnitudes.map((magnitude) => -magnitude));
    const codebook = { levels: magnitudes, nearest: new NearestLevel(magnitudes), hasSign: true };
    return [bits, { codebook, values }];
  }),
);

const tableOf = (bits: number): ShiftTable => tables.get(bits) as ShiftTable;

/**
 * The nearest of the levels 0 and scale * 2^-j, with the sign of the value.
 *
 * @param scale positive
 * @example
 * [0.12, 0.125, 0.374, 0.376, 1.4, -0.8].map((x) => shiftRound(x, 3)); // => [0, 0.25, 0.25, 0.5, 1, -1]
 */
export function shiftRound(value: number, bits: number, scale = 1): number {
  const { levels, nearest } = tableOf(bits).codebook;
  const magnitude = levels[nearest.of(Math.abs(value) / scale)] * scale;
  return value < 0 ? -magnitude : magnitude;
}

/** Exponents below the one that holds the largest magnitude that are tried. */
const triedExponents = 4;

function bestPowerOfTwo(error: (scale: number) => number, largest: number): number {
  const top = floorLog2(largest) + 1;
  let best = powerOfTwo(top);
  let least = error(best);
  for (let exponent = top - 1; exponent >= top - triedExponents; exponent--) {
    const found = error(powerOfTwo(exponent));
    if (found < least) [best, least] = [powerOfTwo(exponent), found];
  }
  return best;
}

export const bitShiftScheme = defineScheme({
  name: 'bitshift',
  summary: 'Zero and signed powers of two: products by shifts',
  bitWidths: widths,
  defaultBits: 4,
  defaultGranularity: 'tensor',
  options: ['search', 'importance'],
  parts: ({ bits }, layout) => [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    { name: 'codes', kind: 'bits', width: bits, count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, form, options }) => {
    const { starts } = layout;
    const { codebook } = tableOf(form.bits);
    const exact = new Float32Array(groupCount(layout));
    for (let g = 0; g < exact.length; g++) {
      const largest = largestMagnitude(values, starts[g], starts[g + 1]);
      if (largest === 0) continue;
      const [start, end] = [starts[g], starts[g + 1]];
      exact[g] = options.search
        ? leastErrorScale(values, start, end, codebook, largest, options.importance)
        : bestPowerOfTwo(
            (scale) => errorAndBetterScale(values, start, end, 1, codebook, scale).error,
            largest,
          );
    }
    const scales = roundScales(exact, form.scales);
    const signBit = 1 << (form.bits - 1);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      const scale = scales[g] || 1;
      for (let i = starts[g]; i < starts[g + 1]; i++) {
        const level = codebook.nearest.of(Math.abs(values[i]) / scale);
        codes[i] = level > 0 && values[i] < 0 ? level | signBit : level;
      }
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, layout, form, out) =>
    fillFromLevels(quantized.codes, tableOf(form.bits).values, parameterOf(quantized, 'scales'), layout, out),
});
