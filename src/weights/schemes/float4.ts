/**
 * FP4: E2M1 numbers times one scale per tensor, row or group of columns, the largest magnitude divided by 6,
 * or with `search` the number of least squared error. Ties go to even codes, as in hardware.
 * Source: Wang et al., Optimizing Large Language Model Training Using FP4 Quantization (arXiv 2501.17116), whose scale this
 * is; its released code takes a power of two instead.
 */
import { type Codebook, leastErrorScale } from '../codebook-search.js';
import { groupCount } from '../layout.js';
import { fillFromLevels, NearestLevel } from '../levels.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { largestMagnitude } from '../rounding.js';
import { roundScales } from '../scales.js';
import { e2m1FromFloat, e2m1Levels, largestE2m1 } from '../small-floats.js';

const magnitudes = e2m1Levels.subarray(0, 8);
const codebook: Codebook = { levels: magnitudes, nearest: new NearestLevel(magnitudes), hasSign: true };

export const float4Scheme = defineScheme({
  name: 'fp4',
  summary: 'Floats of 4 bits (E2M1) with a scale that fits the largest weight',
  bitWidths: [4],
  defaultBits: 4,
  defaultGranularity: { group: 64 },
  options: ['search', 'importance'],
  parts: (_form, layout) => [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    { name: 'codes', kind: 'bits', width: 4, count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, form, options }) => {
    const { starts } = layout;
    const exact = new Float32Array(groupCount(layout));
    for (let g = 0; g < exact.length; g++) {
      const [start, end] = [starts[g], starts[g + 1]];
      const least = largestMagnitude(values, start, end) / largestE2m1;
      exact[g] = options.search
        ? leastErrorScale(values, start, end, codebook, least, options.importance)
        : least;
    }
    const scales = roundScales(exact, form.scales);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      const scale = scales[g] || 1;
      for (let i = starts[g]; i < starts[g + 1]; i++) codes[i] = e2m1FromFloat(values[i] / scale);
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, layout, _form, out) =>
    fillFromLevels(quantized.codes, e2m1Levels, parameterOf(quantized, 'scales'), layout, out),
});
