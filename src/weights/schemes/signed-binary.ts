/**
 * Signed binary weights (PLUM): the filters (rows) of the first half may only be 0 or +1, those of the second half only 0
 * or -1, so a filter needs one bit per weight and its sign follows from its place. With an odd number of filters the
 * smaller half comes first.
 *
 * A weight is not zero where it is at least 0.05 times its filter's largest magnitude, on its filter's side. The scale
 * is 1 in training, where a normalisation absorbs it; here it is the filter's mean over the weights that are not zero, which
 * is best in squared error.
 * Source: Kuhar et al., PLUM (arXiv 2312.01581) and its released code.
 */
import { groupCount, type Layout } from '../layout.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { largestMagnitude } from '../rounding.js';
import { roundScales } from '../scales.js';

/** Threshold relative to the filter's largest magnitude. */
export const signedBinaryThreshold = 0.05;

/**
 * The sign of a filter's weights.
 *
 * @example
 * [0, 1, 2].map((filter) => filterSign(filter, 3)); // => [1, -1, -1]
 */
export function filterSign(filter: number, filters: number): 1 | -1 {
  return filter < Math.floor(filters / 2) ? 1 : -1;
}

/** Codes 0 or 1 of all filters. */
export function signedBinaryCodes(values: Float32Array, { rows, starts }: Layout): Uint8Array {
  const codes = new Uint8Array(values.length);
  for (let row = 0; row + 1 < starts.length; row++) {
    const sign = filterSign(row, rows);
    // In float32, as training computes it.
    const largest = largestMagnitude(values, starts[row], starts[row + 1]);
    const threshold = Math.fround(Math.fround(signedBinaryThreshold) * largest);
    if (largest === 0) continue;
    for (let i = starts[row]; i < starts[row + 1]; i++) codes[i] = sign * values[i] >= threshold ? 1 : 0;
  }
  return codes;
}

export const signedBinaryScheme = defineScheme({
  name: 'signed-binary',
  summary: 'Filters of 0 and +1 and filters of 0 and -1 (PLUM); meant for training with it',
  bitWidths: [1],
  defaultBits: 1,
  defaultGranularity: 'row',
  fixedForm: true,
  parts: (_form, layout) => [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    { name: 'codes', kind: 'bits', width: 1, count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, form }) => {
    const { starts } = layout;
    const codes = signedBinaryCodes(values, layout);
    const means = new Float32Array(groupCount(layout));
    for (let row = 0; row < means.length; row++) {
      let sum = 0;
      let ones = 0;
      for (let i = starts[row]; i < starts[row + 1]; i++) {
        sum += codes[i] * Math.abs(values[i]);
        ones += codes[i];
      }
      means[row] = ones > 0 ? sum / ones : 0;
    }
    return { codes, parameters: { scales: roundScales(means, form.scales) } };
  },
  dequantize: (quantized, { rows, starts }, _form, out) => {
    const scales = parameterOf<Float32Array>(quantized, 'scales');
    for (let row = 0; row < scales.length; row++) {
      const value = filterSign(row, rows) * scales[row];
      for (let i = starts[row]; i < starts[row + 1]; i++) out[i] = quantized.codes[i] === 1 ? value : 0;
    }
  },
});
