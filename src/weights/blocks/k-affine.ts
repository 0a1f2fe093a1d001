/**
 * GGUF's super-blocks of 256 weights whose groups have a scale and a minimum: Q2_K, Q4_K, Q5_K.
 *
 * y = d s q - dmin m, with a scale s and a minimum m for every group (of 16 weights with 4 bits each in Q2_K, of 32
 * with 6 bits each in Q4_K and Q5_K) and half floats d and dmin for the super-block. Encoders find s and m group by
 * group, round them to the super-block's, and round the weights again with what came out; a group whose rounded scale
 * is 0 keeps the levels of its search. Source: ggml, src/ggml-quants.c.
 */

import { type BlockType, getHalf, putHalf } from './block-type.js';
import { nearest, nonNegativeScale, type ScaleSearch, scaleAndMinimum } from './search.js';

const f = Math.fround;
const length = 256;
const levels = new Uint8Array(length);
const weights = new Float32Array(32);
const scales = new Float32Array(16);
const minimums = new Float32Array(16);
const groupWeights = new Float32Array(16);
const scaleLevels = new Uint8Array(16);
const minimumLevels = new Uint8Array(16);

interface Layout {
  readonly name: string;
  readonly id: number;
  readonly fileType: number;
  readonly bytes: number;
  /** Weights of a group. */
  readonly group: number;
  /** Largest level of a weight, and of a group's scale and minimum. */
  readonly most: number;
  readonly mostScale: number;
  /** Search without importance. */
  readonly search: ScaleSearch;
  /** Weights of squared errors without importance: |x|, or |x| plus the group's root mean square. */
  readonly addRms: boolean;
  /** Factor of the mean square in the weights with importance. */
  readonly varianceFactor: number;
  /** Where d stands; dmin follows. */
  readonly dAt: number;
  /** Stores `scaleLevels` and `minimumLevels`, then `levels`. */
  putGroups(out: Uint8Array, at: number): void;
  getGroups(blocks: Uint8Array, at: number): void;
  putLevels(out: Uint8Array, at: number): void;
  getLevels(blocks: Uint8Array, at: number): void;
}

const importanceSearch: ScaleSearch = { first: -0.9, step: 0.05, steps: 36 };

/** Root mean square of a group. */
function rms(row: Float32Array, at: number, count: number): number {
  let sum = 0;
  for (let i = at; i < at + count; i++) sum = f(sum + f(row[i] * row[i]));
  return f(Math.sqrt(f(sum / count)));
}

/** Scales, minimums and levels of all groups. */
function searchGroups(
  row: Float32Array,
  at: number,
  importance: Float32Array | undefined,
  type: Layout,
): void {
  const { group, most, addRms, search, varianceFactor } = type;
  let variance = 0;
  if (importance) {
    for (let i = at; i < at + length; i++) variance = f(variance + f(row[i] * row[i]));
    variance = f(f(varianceFactor * variance) / length);
  }
  for (let g = 0; g < length / group; g++) {
    const from = at + g * group;
    const base = addRms && !importance ? rms(row, from, group) : 0;
    let sum = 0;
    for (let i = 0; i < group; i++) {
      const value = row[from + i];
      weights[i] = importance
        ? f(importance[from + i] * f(Math.sqrt(f(variance + f(value * value)))))
        : f(base + Math.abs(value));
      sum = f(sum + weights[i]);
    }
    groupWeights[g] = sum;
    const how = importance ? importanceSearch : search;
    scales[g] = scaleAndMinimum(group, most, row, from, weights, levels, g * group, minimums, g, how);
  }
}

/** Levels of the groups' values relative to the largest of them, and the step of these levels. */
function roundGroups(values: Float32Array, count: number, most: number, out: Uint8Array): number {
  let maximum = 0;
  for (let g = 0; g < count; g++) maximum = Math.max(maximum, values[g]);
  const inverse = maximum > 0 ? f(most / maximum) : 0;
  for (let g = 0; g < count; g++) out[g] = Math.min(most, nearest(f(inverse * values[g])));
  return f(maximum / most);
}

function superBlock(type: Layout): BlockType {
  const { name, id, fileType, bytes, group, most, mostScale, dAt } = type;
  const count = length / group;
  return {
    name,
    id,
    length,
    bytes,
    fileType,
    halves: [dAt, dAt + 2],
    encode(row, importance, out) {
      for (let at = 0, to = 0; at < row.length; at += length, to += bytes) {
        searchGroups(row, at, importance, type);
        const step = importance
          ? nonNegativeScale(count, mostScale, scales, groupWeights, scaleLevels)
          : roundGroups(scales, count, mostScale, scaleLevels);
        const minimumStep = importance
          ? nonNegativeScale(count, mostScale, minimums, groupWeights, minimumLevels)
          : roundGroups(minimums, count, mostScale, minimumLevels);
        const d = putHalf(out, to + dAt, step);
        const dmin = putHalf(out, to + dAt + 2, minimumStep);
        for (let g = 0; g < count; g++) {
          const scale = f(d * scaleLevels[g]);
          if (!scale) continue;
          const offset = f(dmin * minimumLevels[g]);
          for (let i = g * group; i < (g + 1) * group; i++) {
            const level = nearest(f(f(row[at + i] + offset) / scale));
            levels[i] = level < 0 ? 0 : level > most ? most : level;
          }
        }
        type.putGroups(out, to);
        type.putLevels(out, to);
      }
    },
    decode(blocks, out) {
      for (let at = 0, from = 0; at < out.length; at += length, from += bytes) {
        const d = getHalf(blocks, from + dAt);
        const dmin = getHalf(blocks, from + dAt + 2);
        type.getGroups(blocks, from);
        type.getLevels(blocks, from);
        for (let g = 0; g < count; g++) {
          const scale = f(d * scaleLevels[g]);
          const offset = f(dmin * minimumLevels[g]);
          for (let i = g * group; i < (g + 1) * group; i++) out[at + i] = f(scale * levels[i]) - offset;
        }
      }
    },
  };
}

/** Eight scales and eight minimums of 6 bits in 12 bytes. */
function putSixBits(out: Uint8Array, at: number): void {
  for (let j = 0; j < 4; j++) {
    const [scale, minimum] = [scaleLevels[j + 4], minimumLevels[j + 4]];
    out[at + j] = scaleLevels[j] | ((scale >> 4) << 6);
    out[at + j + 4] = minimumLevels[j] | ((minimum >> 4) << 6);
    out[at + j + 8] = (scale & 15) | ((minimum & 15) << 4);
  }
}

function getSixBits(blocks: Uint8Array, at: number): void {
  for (let j = 0; j < 4; j++) {
    const [low, middle, high] = [blocks[at + j], blocks[at + j + 4], blocks[at + j + 8]];
    scaleLevels[j] = low & 63;
    minimumLevels[j] = middle & 63;
    scaleLevels[j + 4] = (high & 15) | ((low >> 6) << 4);
    minimumLevels[j + 4] = (high >> 4) | ((middle >> 6) << 4);
  }
}

/** Nibbles, 64 weights in 32 bytes: the first 32 low, the others high. */
function putNibbles(out: Uint8Array, at: number): void {
  for (let chunk = 0; chunk < 4; chunk++) {
    for (let j = 0; j < 32; j++) {
      const [low, high] = [levels[64 * chunk + j], levels[64 * chunk + 32 + j]];
      out[at + 32 * chunk + j] = (low & 15) | ((high & 15) << 4);
    }
  }
}

function getNibbles(blocks: Uint8Array, at: number): void {
  for (let chunk = 0; chunk < 4; chunk++) {
    for (let j = 0; j < 32; j++) {
      const byte = blocks[at + 32 * chunk + j];
      levels[64 * chunk + j] = byte & 15;
      levels[64 * chunk + 32 + j] = byte >> 4;
    }
  }
}

export const q4_k = superBlock({
  name: 'Q4_K',
  id: 12,
  fileType: 14,
  bytes: 144,
  group: 32,
  most: 15,
  mostScale: 63,
  search: { first: -1, step: 0.1, steps: 20 },
  addRms: true,
  varianceFactor: 2,
  dAt: 0,
  putGroups: (out, at) => putSixBits(out, at + 4),
  getGroups: (blocks, at) => getSixBits(blocks, at + 4),
  putLevels: (out, at) => putNibbles(out, at + 16),
  getLevels: (blocks, at) => getNibbles(blocks, at + 16),
});

export const q5_k = superBlock({
  name: 'Q5_K',
  id: 13,
  fileType: 16,
  bytes: 176,
  group: 32,
  most: 31,
  mostScale: 63,
  search: { first: -0.5, step: 0.1, steps: 15 },
  addRms: true,
  varianceFactor: 2,
  dAt: 0,
  putGroups: (out, at) => putSixBits(out, at + 4),
  getGroups: (blocks, at) => getSixBits(blocks, at + 4),
  putLevels(out, at) {
    // Fifth bits: byte j has those of weights j, j + 32, j + 64, ...
    for (let j = 0; j < 32; j++) {
      let bits = 0;
      for (let k = 0; k < 8; k++) bits |= (levels[32 * k + j] >> 4) << k;
      out[at + 16 + j] = bits;
    }
    putNibbles(out, at + 48);
  },
  getLevels(blocks, at) {
    getNibbles(blocks, at + 48);
    for (let i = 0; i < length; i++) levels[i] |= ((blocks[at + 16 + (i & 31)] >> (i >> 5)) & 1) << 4;
  },
});

export const q2_k = superBlock({
  name: 'Q2_K',
  id: 10,
  fileType: 10,
  bytes: 84,
  group: 16,
  most: 3,
  mostScale: 15,
  search: { first: -0.5, step: 0.1, steps: 15, absolute: true },
  addRms: false,
  varianceFactor: 1,
  dAt: 80,
  putGroups(out, at) {
    for (let g = 0; g < 16; g++) out[at + g] = scaleLevels[g] | (minimumLevels[g] << 4);
  },
  getGroups(blocks, at) {
    for (let g = 0; g < 16; g++) {
      scaleLevels[g] = blocks[at + g] & 15;
      minimumLevels[g] = blocks[at + g] >> 4;
    }
  },
  putLevels(out, at) {
    for (let j = 0; j < 64; j++) {
      const from = (j >> 5) * 128 + (j & 31);
      out[at + 16 + j] =
        levels[from] | (levels[from + 32] << 2) | (levels[from + 64] << 4) | (levels[from + 96] << 6);
    }
  },
  getLevels(blocks, at) {
    for (let i = 0; i < length; i++) {
      const byte = blocks[at + 16 + (i >> 7) * 32 + (i & 31)];
      levels[i] = (byte >> (2 * ((i >> 5) & 3))) & 3;
    }
  },
});
