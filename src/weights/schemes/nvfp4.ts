/**
 * NVFP4: E2M1 numbers in blocks of 16 columns, each with an E4M3 scale, all relative to one float32 of the tensor, which
 * is its largest magnitude / (448 * 6) so that the largest block takes the largest E4M3.
 *
 * With `search` a block's largest magnitude becomes 6 or 4, whichever gives the smaller squared error: levels are denser
 * below 4 (the idea known as Four Over Six).
 *
 * Parameters: `scales` E4M3 bit patterns, one per block; `tensorScale` one float32.
 * Source: torchao, prototype/mx_formats (nvfp4_quantize); NVIDIA Transformer Engine documentation.
 */
import { groupCount } from '../layout.js';
import { fillFromLevels } from '../levels.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { largestMagnitude } from '../rounding.js';
import {
  e2m1Error,
  e2m1FromFloat,
  e2m1Levels,
  e4m3FromFloat,
  e4m3Levels,
  largestE2m1,
} from '../small-floats.js';

/** Columns of a block. */
const block = 16;
const largestE4m3 = 448;
/** The least positive E4M3: blocks must not get a scale of zero. */
const leastE4m3 = 2 ** -9;

/** The second largest magnitude of E2M1. */
const innerE2m1 = 4;

const scaleOf = (wanted: number): number => e4m3FromFloat(Math.min(largestE4m3, Math.max(leastE4m3, wanted)));

export const nvfp4Scheme = defineScheme({
  name: 'nvfp4',
  summary: 'Floats of 4 bits in blocks of 16 with a float of 8 bits (NVIDIA)',
  bitWidths: [4],
  defaultBits: 4,
  defaultGranularity: { group: block },
  fixedForm: true,
  options: ['search', 'importance'],
  parts: (_form, layout) => [
    { name: 'tensorScale', kind: 'float32', count: 1 },
    { name: 'scales', kind: 'e4m3', count: groupCount(layout) },
    { name: 'codes', kind: 'bits', width: 4, count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, options }) => {
    const { starts } = layout;
    const largest = largestMagnitude(values, 0, values.length);
    const tensorScale = Float32Array.of(largest / (largestE4m3 * largestE2m1));
    const relative = tensorScale[0] || 1;
    const scales = new Uint8Array(groupCount(layout));
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      const [start, end] = [starts[g], starts[g + 1]];
      const most = largestMagnitude(values, start, end);
      scales[g] = scaleOf(most / largestE2m1 / relative);
      if (options.search) {
        const wide = scaleOf(most / innerE2m1 / relative);
        const error = (bits: number): number =>
          e2m1Error(values, start, end, relative * e4m3Levels[bits], options.importance);
        if (error(wide) < error(scales[g])) scales[g] = wide;
      }
      const inverse = 1 / relative / e4m3Levels[scales[g]];
      for (let i = start; i < end; i++) codes[i] = e2m1FromFloat(values[i] * inverse);
    }
    return { codes, parameters: { tensorScale, scales } };
  },
  dequantize: (quantized, layout, _form, out) => {
    const [tensorScale] = parameterOf<Float32Array>(quantized, 'tensorScale');
    const bytes = parameterOf<Uint8Array>(quantized, 'scales');
    const scales = Float32Array.from(bytes, (byte) => e4m3Levels[byte] * tensorScale);
    fillFromLevels(quantized.codes, e2m1Levels, scales, layout, out);
  },
});
