/**
 * BitNet b1.58: -1, 0 or 1 times the mean magnitude of the tensor, five codes to a byte. Codes are 0, 1, 2 for -1, 0, 1.
 * Source: Ma et al., The Era of 1-bit LLMs (arXiv 2402.17764).
 */
import { groupCount } from '../layout.js';
import { fillFromLevels } from '../levels.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { meanMagnitude, roundHalfEven } from '../rounding.js';
import { roundScales } from '../scales.js';

/** Values of the codes 0, 1, 2. */
export const ternaryLevels: Float32Array = Float32Array.of(-1, 0, 1);

export const ternaryScheme = defineScheme({
  name: 'bitnet',
  summary: 'Three values about the mean magnitude (BitNet b1.58)',
  bitWidths: [1.58],
  defaultBits: 1.58,
  defaultGranularity: 'tensor',
  parts: (_form, layout) => [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    { name: 'codes', kind: 'trits', count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, form }) => {
    const { starts } = layout;
    const means = new Float32Array(groupCount(layout));
    for (let g = 0; g < means.length; g++) means[g] = meanMagnitude(values, starts[g], starts[g + 1]);
    const scales = roundScales(means, form.scales);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      const scale = scales[g] || 1;
      for (let i = starts[g]; i < starts[g + 1]; i++) {
        const code = roundHalfEven(values[i] / scale);
        codes[i] = (code > 1 ? 1 : code < -1 ? -1 : code) + 1;
      }
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, layout, _form, out) =>
    fillFromLevels(quantized.codes, ternaryLevels, parameterOf(quantized, 'scales'), layout, out),
});
