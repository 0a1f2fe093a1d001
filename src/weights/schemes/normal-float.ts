/**
 * NF4: 16 levels at quantiles of the normal distribution, between -1 and 1 and with a zero, times the largest magnitude of
 * a block, or with `search` times the number of least squared error. The first of two codes lies in the high half of a byte, as bitsandbytes packs them.
 * Source: Dettmers et al., QLoRA (arXiv 2305.14314), appendix E; the table is the one of bitsandbytes.
 */
import { type Codebook, leastErrorScale } from '../codebook-search.js';
import { groupCount } from '../layout.js';
import { fillFromLevels, NearestLevel } from '../levels.js';
import { defineScheme, parameterOf } from '../recipe.js';
import { largestMagnitude } from '../rounding.js';
import { roundScales } from '../scales.js';

/** Levels of NF4, rising. */
export const normalFloatLevels: Float32Array = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

const nearest = new NearestLevel(normalFloatLevels);
const codebook: Codebook = { levels: normalFloatLevels, nearest, hasSign: false };

export const normalFloatScheme = defineScheme({
  name: 'nf4',
  summary: '16 quantiles of the normal distribution (QLoRA)',
  bitWidths: [4],
  defaultBits: 4,
  defaultGranularity: { group: 64 },
  options: ['search', 'importance'],
  parts: (_form, layout) => [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    { name: 'codes', kind: 'nibbles', count: layout.rows * layout.columns },
  ],
  quantize: ({ values, layout, form, options }) => {
    const { starts } = layout;
    const exact = new Float32Array(groupCount(layout));
    for (let g = 0; g < exact.length; g++) {
      const [start, end] = [starts[g], starts[g + 1]];
      const largest = largestMagnitude(values, start, end);
      exact[g] = options.search
        ? leastErrorScale(values, start, end, codebook, largest, options.importance)
        : largest;
    }
    const scales = roundScales(exact, form.scales);
    const codes = new Uint8Array(values.length);
    for (let g = 0; g < scales.length; g++) {
      const scale = scales[g] || 1;
      for (let i = starts[g]; i < starts[g + 1]; i++) codes[i] = nearest.of(values[i] / scale);
    }
    return { codes, parameters: { scales } };
  },
  dequantize: (quantized, layout, _form, out) =>
    fillFromLevels(quantized.codes, normalFloatLevels, parameterOf(quantized, 'scales'), layout, out),
});
