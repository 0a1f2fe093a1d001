/**
 * GGUF's super-blocks of 256 weights whose 16 groups of 16 have a signed scale and no minimum: Q3_K, Q6_K.
 *
 * y = d s (q - 2^(bits-1)), with a scale s of 6 bits (Q3_K) or 8 (Q6_K) for every group and a half float d for the
 * super-block. Encoders search group by group, round the scales, and round the weights again; a group whose rounded
 * scale is 0 keeps the levels of its search. Source: ggml, src/ggml-quants.c.
 */

import { type BlockType, getHalf, putHalf } from './block-type.js';
import { descendedScale, leastMagnitude, nearest, signedMaximum, signedScale } from './search.js';

const f = Math.fround;
const length = 256;
const group = 16;
const levels = new Int8Array(length);
const weights = new Float32Array(group);
const scales = new Float32Array(16);
const groupWeights = new Float32Array(16);
const scaleLevels = new Int8Array(16);

/** Rounds all groups of a super-block again, with the scales that a decoder has. */
function requantize(row: Float32Array, at: number, d: number, half: number): void {
  for (let g = 0; g < 16; g++) {
    const scale = f(d * scaleLevels[g]);
    if (!scale) continue;
    for (let i = g * group; i < (g + 1) * group; i++) {
      const level = nearest(f(row[at + i] / scale));
      levels[i] = (level < -half ? -half : level > half - 1 ? half - 1 : level) + half;
    }
  }
}

function decodeLevels(out: Float32Array, at: number, d: number, half: number): void {
  for (let g = 0; g < 16; g++) {
    const scale = f(d * scaleLevels[g]);
    for (let i = g * group; i < (g + 1) * group; i++) out[at + i] = scale * (levels[i] - half);
  }
}

/** Scales of Q3_K without importance, and d. */
function searchThree(row: Float32Array, at: number): number {
  for (let g = 0; g < 16; g++) scales[g] = descendedScale(group, 4, row, at + g * group, levels, g * group);
  const most = signedMaximum(scales, 0, 16);
  if (!most) {
    scaleLevels.fill(-32);
    return 0;
  }
  const inverse = f(-32 / most);
  for (let g = 0; g < 16; g++) {
    const level = nearest(f(inverse * scales[g]));
    scaleLevels[g] = level < -32 ? -32 : level > 31 ? 31 : level;
  }
  return f(1 / inverse);
}

/** The same with importance. */
function searchThreeWeighted(row: Float32Array, at: number, importance: Float32Array): number {
  let variance = 0;
  for (let i = at; i < at + length; i++) variance = f(variance + f(row[i] * row[i]));
  variance = f(f(2 * variance) / length);
  for (let g = 0; g < 16; g++) {
    let sum = 0;
    for (let i = 0; i < group; i++) {
      const value = row[at + g * group + i];
      weights[i] = f(importance[at + g * group + i] * f(Math.sqrt(f(variance + f(value * value)))));
      sum = f(sum + weights[i]);
    }
    groupWeights[g] = sum;
    scales[g] = signedScale(group, 4, row, at + g * group, weights, levels, g * group);
  }
  const d = signedScale(16, 32, scales, 0, groupWeights, scaleLevels, 0);
  for (let g = 0; g < 16; g++) scaleLevels[g] -= 32;
  return d;
}

export const q3_k: BlockType = {
  name: 'Q3_K',
  id: 11,
  length,
  bytes: 110,
  fileType: 12,
  halves: [108],
  encode(row, importance, out) {
    for (let at = 0, to = 0; at < row.length; at += length, to += 110) {
      const d = importance ? searchThreeWeighted(row, at, importance) : searchThree(row, at);
      out.fill(0, to, to + 108);
      requantize(row, at, putHalf(out, to + 108, d), 4);
      if (d || importance) {
        for (let g = 0; g < 16; g++) {
          const level = scaleLevels[g] + 32;
          out[to + 96 + (g & 7)] |= (level & 15) << (g < 8 ? 0 : 4);
          out[to + 104 + (g & 3)] |= (level >> 4) << (2 * (g >> 2));
        }
      }
      for (let i = 0; i < length; i++) {
        out[to + (i & 31)] |= (levels[i] >> 2) << (i >> 5);
        out[to + 32 + (i >> 7) * 32 + (i & 31)] |= (levels[i] & 3) << (2 * ((i >> 5) & 3));
      }
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += length, from += 110) {
      for (let g = 0; g < 16; g++) {
        const low = (blocks[from + 96 + (g & 7)] >> (g < 8 ? 0 : 4)) & 15;
        const high = (blocks[from + 104 + (g & 3)] >> (2 * (g >> 2))) & 3;
        scaleLevels[g] = (low | (high << 4)) - 32;
      }
      for (let i = 0; i < length; i++) {
        const low = (blocks[from + 32 + (i >> 7) * 32 + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
        levels[i] = low | (((blocks[from + (i & 31)] >> (i >> 5)) & 1) << 2);
      }
      decodeLevels(out, at, getHalf(blocks, from + 108), 4);
    }
  },
};

/** Scales of Q6_K, and d. */
function searchSix(row: Float32Array, at: number, importance: Float32Array | undefined): number {
  for (let g = 0; g < 16; g++) {
    const from = at + g * group;
    for (let i = 0; i < group; i++) {
      weights[i] = importance ? importance[from + i] : f(row[from + i] * row[from + i]);
    }
    scales[g] = signedScale(group, 32, row, from, weights, levels, g * group);
  }
  const most = signedMaximum(scales, 0, 16);
  if (Math.abs(most) < leastMagnitude) return 0;
  const inverse = f(-128 / most);
  for (let g = 0; g < 16; g++) scaleLevels[g] = Math.min(127, nearest(f(inverse * scales[g])));
  return f(1 / inverse);
}

export const q6_k: BlockType = {
  name: 'Q6_K',
  id: 14,
  length,
  bytes: 210,
  fileType: 18,
  halves: [208],
  encode(row, importance, out) {
    for (let at = 0, to = 0; at < row.length; at += length, to += 210) {
      const d = searchSix(row, at, importance);
      out.fill(0, to, to + 210);
      if (!d) continue;
      requantize(row, at, putHalf(out, to + 208, d), 32);
      for (let half = 0; half < 2; half++) {
        for (let l = 0; l < 32; l++) {
          const from = 128 * half + l;
          const [a, b, c, e] = [levels[from], levels[from + 32], levels[from + 64], levels[from + 96]];
          out[to + 64 * half + l] = (a & 15) | ((c & 15) << 4);
          out[to + 64 * half + l + 32] = (b & 15) | ((e & 15) << 4);
          out[to + 128 + 32 * half + l] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6);
        }
      }
      for (let g = 0; g < 16; g++) out[to + 192 + g] = scaleLevels[g];
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += length, from += 210) {
      for (let i = 0; i < length; i++) {
        const half = i >> 7;
        const quarter = (i >> 5) & 3;
        const low = blocks[from + 64 * half + (quarter & 1) * 32 + (i & 31)] >> (quarter < 2 ? 0 : 4);
        const high = blocks[from + 128 + 32 * half + (i & 31)] >> (2 * quarter);
        levels[i] = (low & 15) | ((high & 3) << 4);
      }
      for (let g = 0; g < 16; g++) scaleLevels[g] = blocks[from + 192 + g];
      decodeLevels(out, at, getHalf(blocks, from + 208), 32);
    }
  },
};
