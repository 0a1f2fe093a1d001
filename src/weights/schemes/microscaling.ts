/**
 * MXFP4: E2M1 numbers in blocks of 32 columns with a power of two (E8M0) each. The option `exponent` says how the power of
 * two follows from the block's largest magnitude m:
 *
 *     floor  floor(log2 m) - 2, the least that the standard asks for; magnitudes above 6 are clipped (default)
 *     ceil   ceil(log2 m) - 2, clips nothing
 *     rceil  ceil(log2(m / 6)), the smallest that clips nothing
 *     even   floor, one higher where the mantissa of m is 1.75 or more
 *
 * With `search` each block takes floor or one higher, whichever gives it the smaller squared error.
 * Source: OCP Microscaling Formats 1.0; torchao, prototype/mx_formats.
 */
import { UsageError } from '../../errors.js';
import { groupCount, type Layout } from '../layout.js';
import { fillFromLevels } from '../levels.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { floorLog2, largestMagnitude, powerOfTwo } from '../rounding.js';
import type { SchemeOptions } from '../scheme.js';
import {
  e2m1Error,
  e2m1FromFloat,
  e2m1Levels,
  e8m0FromExponent,
  e8m0ToFloat,
  largestE2m1,
} from '../small-floats.js';

type ExponentMode = NonNullable<SchemeOptions['exponent']>;

/** Whole log2 of the largest magnitude of E2M1. */
const topExponent = 2;

const ceilLog2 = (value: number): number => {
  const exponent = floorLog2(value);
  return value > powerOfTwo(exponent) ? exponent + 1 : exponent;
};

/** Exponents by mode from a positive largest magnitude. */
const exponentOf: Readonly<Record<ExponentMode, (largest: number) => number>> = {
  floor: (largest) => floorLog2(largest) - topExponent,
  ceil: (largest) => ceilLog2(largest) - topExponent,
  rceil: (largest) => ceilLog2(Math.fround(largest / largestE2m1)),
  even: (largest) => {
    const exponent = floorLog2(largest);
    return exponent - topExponent + (largest >= 1.75 * powerOfTwo(exponent) ? 1 : 0);
  },
};

/** Columns of a block. */
const block = 32;

const scalesOf = (bytes: Uint8Array): Float32Array => Float32Array.from(bytes, e8m0ToFloat);

function chooseExponents(values: Float32Array, { starts }: Layout, mode: ExponentMode): Uint8Array {
  const bytes = new Uint8Array(starts.length - 1);
  for (let g = 0; g < bytes.length; g++) {
    const largest = largestMagnitude(values, starts[g], starts[g + 1]);
    bytes[g] = largest > 0 ? e8m0FromExponent(exponentOf[mode](largest)) : 0;
  }
  return bytes;
}

/** Adds one to the exponents of the blocks that come nearer to their weights so. */
function raiseWhereBetter(
  values: Float32Array,
  { starts }: Layout,
  scales: Uint8Array,
  importance: Float32Array | undefined,
): void {
  const error = (g: number, byte: number): number =>
    e2m1Error(values, starts[g], starts[g + 1], e8m0ToFloat(byte), importance);
  for (let g = 0; g < scales.length; g++) {
    if (scales[g] < 254 && error(g, scales[g] + 1) < error(g, scales[g])) scales[g]++;
  }
}

export const microscalingScheme = defineScheme({
  name: 'mxfp4',
  summary: 'Floats of 4 bits in blocks of 32 with a power of two (OCP MX)',
  bitWidths: [4],
  defaultBits: 4,
  defaultGranularity: { group: block },
  fixedForm: true,
  options: ['exponent', 'search', 'importance'],
  parts: (_form, layout) => [
    { name: 'scales', kind: 'e8m0', count: groupCount(layout) },
    { name: 'codes', kind: 'bits', width: 4, count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, options }) => {
    const { exponent = 'floor' } = options;
    if (!Object.hasOwn(exponentOf, exponent)) {
      throw new UsageError(
        `mxfp4: expected exponent among ${Object.keys(exponentOf).join(', ')}, got ${exponent}`,
      );
    }
    const { starts } = layout;
    const scales = chooseExponents(values, layout, exponent);
    if (options.search) raiseWhereBetter(values, layout, scales, options.importance);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      const inverse = powerOfTwo(127 - scales[g]);
      for (let i = starts[g]; i < starts[g + 1]; i++) codes[i] = e2m1FromFloat(values[i] * inverse);
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, layout, _form, out) =>
    fillFromLevels(quantized.codes, e2m1Levels, scalesOf(parameterOf(quantized, 'scales')), layout, out),
});
