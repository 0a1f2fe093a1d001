/**
 * GGUF's classic blocks of 32 weights: Q4_0, Q5_0 (scale), Q4_1, Q5_1 (scale and minimum), Q8_0 (bytes).
 *
 * Layout: d as a half float, m as a half float where there is a minimum, the fifth bits as 32 bits (weight j is bit j)
 * where there are five, then nibbles, byte j holding weight j in its low half and weight j + 16 in its high half.
 * y = d (q - 2^(bits-1)) or d q + m. With importance, squared errors weigh importance * sqrt(mean of the row's
 * squares + x^2). Source: ggml, src/ggml-quants.c.
 */

import { type BlockType, getHalf, putHalf } from './block-type.js';
import { scaleAndMinimum, signedMaximum, signedScale } from './search.js';

const f = Math.fround;
const length = 32;
const levels = new Uint8Array(length);
const weights = new Float32Array(length);
const minimum = new Float32Array(1);

/** Mean of the squares of a row, summed in order. */
function meanSquare(row: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum = f(sum + f(row[i] * row[i]));
  return f(sum / row.length);
}

function weigh(row: Float32Array, at: number, importance: Float32Array, variance: number): void {
  for (let j = 0; j < length; j++) {
    const value = row[at + j];
    weights[j] = f(importance[at + j] * f(Math.sqrt(f(variance + f(value * value)))));
  }
}

/** Stores fifth bits, where there are any, and nibbles of `levels`. */
function putLevels(out: Uint8Array, at: number, bits: 4 | 5): void {
  let from = at;
  if (bits === 5) {
    out.fill(0, at, at + 4);
    for (let j = 0; j < length; j++) out[at + (j >> 3)] |= (levels[j] >> 4) << (j & 7);
    from += 4;
  }
  for (let j = 0; j < 16; j++) out[from + j] = (levels[j] & 15) | ((levels[j + 16] & 15) << 4);
}

function getLevels(blocks: Uint8Array, at: number, bits: 4 | 5): void {
  const from = bits === 5 ? at + 4 : at;
  for (let j = 0; j < 16; j++) {
    levels[j] = blocks[from + j] & 15;
    levels[j + 16] = blocks[from + j] >> 4;
  }
  if (bits === 4) return;
  for (let j = 0; j < length; j++) levels[j] |= ((blocks[at + (j >> 3)] >> (j & 7)) & 1) << 4;
}

/** Q4_0 and Q5_0. */
function symmetric(name: string, id: number, fileType: number, bits: 4 | 5): BlockType {
  const half = 2 ** (bits - 1);
  const bytes = bits === 5 ? 22 : 18;
  return {
    name,
    id,
    length,
    bytes,
    fileType,
    halves: [0],
    encode(row, importance, out) {
      const variance = importance ? meanSquare(row) : 0;
      for (let at = 0, to = 0; at < row.length; at += length, to += bytes) {
        if (importance) {
          weigh(row, at, importance, variance);
          putHalf(out, to, signedScale(length, half, row, at, weights, levels, 0));
        } else {
          const d = f(signedMaximum(row, at, length) / -half);
          const inverse = d ? f(1 / d) : 0;
          for (let j = 0; j < length; j++) {
            levels[j] = Math.min(2 * half - 1, Math.trunc(f(f(row[at + j] * inverse) + f(half + 0.5))));
          }
          putHalf(out, to, d);
        }
        putLevels(out, to + 2, bits);
      }
    },
    decode(blocks, out) {
      for (let at = 0, from = 0; at < out.length; at += length, from += bytes) {
        const d = getHalf(blocks, from);
        getLevels(blocks, from + 2, bits);
        for (let j = 0; j < length; j++) out[at + j] = d * (levels[j] - half);
      }
    },
  };
}

/** Q4_1 and Q5_1. */
function affine(name: string, id: number, fileType: number, bits: 4 | 5): BlockType {
  const most = 2 ** bits - 1;
  const bytes = bits === 5 ? 24 : 20;
  return {
    name,
    id,
    length,
    bytes,
    fileType,
    halves: [0, 2],
    encode(row, importance, out) {
      const variance = importance ? meanSquare(row) : 0;
      for (let at = 0, to = 0; at < row.length; at += length, to += bytes) {
        if (importance) {
          weigh(row, at, importance, variance);
          const search = { first: -0.9, step: 0.05, steps: 36 };
          const d = scaleAndMinimum(length, most, row, at, weights, levels, 0, minimum, 0, search);
          putHalf(out, to, d);
          putHalf(out, to + 2, -minimum[0]);
        } else {
          let least = row[at];
          let largest = row[at];
          for (let j = 1; j < length; j++) {
            least = Math.min(least, row[at + j]);
            largest = Math.max(largest, row[at + j]);
          }
          const d = f(f(largest - least) / most);
          const inverse = d ? f(1 / d) : 0;
          for (let j = 0; j < length; j++) {
            const level = Math.trunc(f(f(f(row[at + j] - least) * inverse) + 0.5));
            levels[j] = Math.min(most, level);
          }
          putHalf(out, to, d);
          putHalf(out, to + 2, least);
        }
        putLevels(out, to + 4, bits);
      }
    },
    decode(blocks, out) {
      for (let at = 0, from = 0; at < out.length; at += length, from += bytes) {
        const d = getHalf(blocks, from);
        const m = getHalf(blocks, from + 2);
        getLevels(blocks, from + 4, bits);
        for (let j = 0; j < length; j++) out[at + j] = f(d * levels[j]) + m;
      }
    },
  };
}

export const q4_0 = symmetric('Q4_0', 2, 2, 4);
export const q4_1 = affine('Q4_1', 3, 3, 4);
export const q5_0 = symmetric('Q5_0', 6, 8, 5);
export const q5_1 = affine('Q5_1', 7, 9, 5);

export const q8_0: BlockType = {
  name: 'Q8_0',
  id: 8,
  length,
  bytes: 34,
  fileType: 7,
  halves: [0],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += length, to += 34) {
      let most = 0;
      for (let j = 0; j < length; j++) most = Math.max(most, Math.abs(row[at + j]));
      const d = f(most / 127);
      const inverse = d ? f(1 / d) : 0;
      putHalf(out, to, d);
      for (let j = 0; j < length; j++) {
        const scaled = f(row[at + j] * inverse);
        // Halves go away from zero.
        const magnitude = Math.floor(Math.abs(scaled) + 0.5);
        out[to + 2 + j] = scaled < 0 ? -magnitude : magnitude;
      }
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += length, from += 34) {
      const d = getHalf(blocks, from);
      for (let j = 0; j < length; j++) out[at + j] = d * ((blocks[from + 2 + j] << 24) >> 24);
    }
  },
};
