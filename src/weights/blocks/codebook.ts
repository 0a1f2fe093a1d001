/**
 * GGUF's blocks whose codes index a table of values: IQ4_NL and IQ4_XS (16 signed levels, half-float scales), MXFP4
 * (E2M1, power-of-two scales) and NVFP4 (E2M1, E4M3 scales).
 *
 * Nibbles as in the classic blocks: byte j holds weight j low and weight j + 16 (j + 8 in NVFP4) high. The table of E2M1 is
 * doubled to integers and its scales are halved. MXFP4 takes the scale that OCP's minimum asks for, so values between
 * 6 and 8 scales saturate. Source: ggml, src/ggml-quants.c; OCP Microscaling Formats 1.0.
 */

import { type BlockType, getHalf, putHalf } from './block-type.js';
import { leastMagnitude, nearest, signedMaximum } from './search.js';

const f = Math.fround;
const table = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
const doubledE2m1 = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
const levels = new Uint8Array(256);
const weights = new Float32Array(256);
const scales = new Float32Array(8);

/** Index of the nearest table entry; ties go to the upper one. */
function indexOf(value: number): number {
  if (value <= table[0]) return 0;
  if (value >= table[15]) return 15;
  let low = 0;
  let high = 15;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value < table[middle]) high = middle;
    else low = middle;
  }
  return f(value - table[low]) < f(table[high] - value) ? low : high;
}

/** Scale of 32 weights: the best of sixteen starts, each followed by least squares. */
function tableScale(row: Float32Array, at: number): number {
  const most = signedMaximum(row, at, 32);
  if (Math.abs(most) < leastMagnitude) return 0;
  let scale = 0;
  let best = 0;
  const offset = at & 255;
  for (let trial = -8; trial <= 7; trial++) {
    const inverse = trial === -8 ? f(1 / f(-most / table[0])) : f(f(trial + table[0]) / most);
    let sumX = 0;
    let sum2 = 0;
    for (let j = 0; j < 32; j++) {
      const value = row[at + j];
      const level = table[indexOf(f(inverse * value))];
      const weighted = f(weights[offset + j] * level);
      sumX = f(sumX + f(weighted * value));
      sum2 = f(sum2 + f(weighted * level));
    }
    if (trial === -8 || (sum2 > 0 && f(sumX * sumX) > f(best * sum2))) {
      scale = f(sumX / sum2);
      best = f(scale * sumX);
    }
  }
  return scale;
}

/** Weights of the squared errors of a block, at the positions of its weights modulo 256. */
function weigh(row: Float32Array, at: number, count: number, importance: Float32Array | undefined): void {
  let variance = 0;
  for (let i = at; i < at + count; i++) variance = f(variance + f(row[i] * row[i]));
  variance = f(variance * f(2 / count));
  for (let i = at; i < at + count; i++) {
    const square = f(row[i] * row[i]);
    weights[i & 255] = importance ? f(importance[i] * f(Math.sqrt(f(variance + square)))) : square;
  }
}

function putNibbles(out: Uint8Array, at: number, half: number, from: number): void {
  for (let j = 0; j < half; j++) out[at + j] = levels[from + j] | (levels[from + half + j] << 4);
}

/** Decodes nibbles with a table and a scale. */
function decodeNibbles(
  blocks: Uint8Array,
  from: number,
  half: number,
  values: Int8Array,
  scale: number,
  out: Float32Array,
  at: number,
): void {
  for (let j = 0; j < half; j++) {
    out[at + j] = scale * values[blocks[from + j] & 15];
    out[at + half + j] = scale * values[blocks[from + j] >> 4];
  }
}

export const iq4_nl: BlockType = {
  name: 'IQ4_NL',
  id: 20,
  length: 32,
  bytes: 18,
  fileType: 25,
  halves: [0],
  encode(row, importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 32, to += 18) {
      weigh(row, at, 32, importance);
      const scale = tableScale(row, at);
      putHalf(out, to, scale);
      const inverse = scale ? f(1 / scale) : 0;
      for (let j = 0; j < 32; j++) levels[j] = indexOf(f(inverse * row[at + j]));
      putNibbles(out, to + 2, 16, 0);
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 32, from += 18) {
      decodeNibbles(blocks, from + 2, 16, table, getHalf(blocks, from), out, at);
    }
  },
};

export const iq4_xs: BlockType = {
  name: 'IQ4_XS',
  id: 23,
  length: 256,
  bytes: 136,
  fileType: 30,
  halves: [0],
  encode(row, importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 256, to += 136) {
      weigh(row, at, 256, importance);
      for (let g = 0; g < 8; g++) scales[g] = tableScale(row, at + 32 * g);
      const d = f(-signedMaximum(scales, 0, 8) / 32);
      putHalf(out, to, d);
      const inverse = d ? f(1 / d) : 0;
      out.fill(0, to + 2, to + 8);
      for (let g = 0; g < 8; g++) {
        const level = Math.max(-32, Math.min(31, nearest(f(inverse * scales[g]))));
        const scale = f(d * level);
        const inner = scale ? f(1 / scale) : 0;
        for (let j = 0; j < 32; j++) levels[j] = indexOf(f(inner * row[at + 32 * g + j]));
        putNibbles(out, to + 8 + 16 * g, 16, 0);
        const code = level + 32;
        out[to + 4 + (g >> 1)] |= (code & 15) << (4 * (g & 1));
        out[to + 2 + (g >> 2)] |= (code >> 4) << (2 * (g & 3));
      }
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 256, from += 136) {
      const d = getHalf(blocks, from);
      for (let g = 0; g < 8; g++) {
        const low = (blocks[from + 4 + (g >> 1)] >> (4 * (g & 1))) & 15;
        const high = (blocks[from + 2 + (g >> 2)] >> (2 * (g & 3))) & 3;
        const scale = f(d * ((low | (high << 4)) - 32));
        decodeNibbles(blocks, from + 8 + 16 * g, 16, table, scale, out, at + 32 * g);
      }
    }
  },
};

/** Index of the first doubled E2M1 value that is nearest to `value` in units of `scale`. */
function indexOfE2m1(value: number, scale: number): number {
  let best = 0;
  let least = Math.abs(value);
  for (let i = 1; i < 16; i++) {
    const error = Math.abs(f(f(doubledE2m1[i] * scale) - value));
    if (error < least) {
      best = i;
      least = error;
    }
  }
  return best;
}

function magnitude(row: Float32Array, at: number, count: number): number {
  return Math.abs(signedMaximum(row, at, count));
}

const word = new Float32Array(1);
const wordBits = new Uint32Array(word.buffer);

/** Exponent byte of the floor of the logarithm: 0 for 0 and for subnormal numbers. */
function exponentOf(value: number): number {
  word[0] = value;
  return (wordBits[0] >>> 23) & 255;
}

/** Half of the power of two that a byte of E8M0 stands for: 2^(byte - 128). */
function halfE8m0(byte: number): number {
  wordBits[0] = byte < 2 ? 0x200000 << byte : (byte - 1) << 23;
  return word[0];
}

export const mxfp4: BlockType = {
  name: 'MXFP4',
  id: 39,
  length: 32,
  bytes: 17,
  fileType: 38,
  halves: [],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 32, to += 17) {
      const byte = Math.max(0, exponentOf(magnitude(row, at, 32)) - 2);
      out[to] = byte;
      const scale = halfE8m0(byte);
      for (let j = 0; j < 32; j++) levels[j] = indexOfE2m1(row[at + j], scale);
      putNibbles(out, to + 1, 16, 0);
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 32, from += 17) {
      decodeNibbles(blocks, from + 1, 16, doubledE2m1, halfE8m0(blocks[from]), out, at);
    }
  },
};

/** E4M3 without a sign, as ggml rounds it: mantissa half up, everything from 256 on to 448. */
function toE4m3(value: number): number {
  if (!(value > 0)) return 0;
  word[0] = Math.min(value, 448);
  const exponent = (wordBits[0] >>> 23) - 120;
  if (exponent <= 0) return Math.min(7, Math.trunc(f(f(word[0] * 512) + 0.5)));
  // A carry out of the mantissa moves into the exponent.
  const code = (exponent << 3) + ((wordBits[0] >>> 20) & 7) + ((wordBits[0] >>> 19) & 1);
  return code >= 0x78 ? 0x7e : code;
}

/** Half of what a byte of E4M3 stands for; 0 and NaN give 0. */
function halfE4m3(byte: number): number {
  if (byte === 0x7f) return 0;
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  return exponent === 0 ? mantissa / 1024 : ((8 + mantissa) * 2 ** exponent) / 2048;
}

export const nvfp4: BlockType = {
  name: 'NVFP4',
  id: 40,
  length: 64,
  bytes: 36,
  fileType: 39,
  halves: [],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 64, to += 36) {
      for (let g = 0; g < 4; g++) {
        const byte = toE4m3(f(magnitude(row, at + 16 * g, 16) / 6));
        out[to + g] = byte;
        const scale = halfE4m3(byte);
        for (let j = 0; j < 16; j++) levels[j] = indexOfE2m1(row[at + 16 * g + j], scale);
        putNibbles(out, to + 4 + 8 * g, 8, 0);
      }
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 64, from += 36) {
      for (let g = 0; g < 4; g++) {
        const scale = halfE4m3(blocks[from + g]);
        decodeNibbles(blocks, from + 4 + 8 * g, 8, doubledE2m1, scale, out, at + 16 * g);
      }
    }
  },
};
