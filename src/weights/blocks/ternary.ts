/**
 * GGUF's blocks of one to two bits for weights that were trained so: TQ1_0, TQ2_0 and Q2_0 (ternary), Q1_0 (signs).
 *
 * y = d (q - 1) with q = round(x / d) + 1 and d the largest magnitude of the block; Q1_0: y = +-d with the mean
 * magnitude as d. On weights that are not ternary these are poor quantizers (1.9 dB on Gaussian ones).
 * Source: ggml, src/ggml-quants.c.
 */

import { type BlockType, getHalf, putHalf } from './block-type.js';
import { signedMaximum } from './search.js';

const f = Math.fround;
const trits = new Uint8Array(256);

/** Codes 0..most of a block around its largest magnitude, which is returned. */
function roundBlock(row: Float32Array, at: number, count: number, most: number): number {
  const d = Math.abs(signedMaximum(row, at, count));
  const inverse = d ? f(1 / d) : 0;
  for (let i = 0; i < count; i++) {
    const scaled = f(row[at + i] * inverse);
    const away = Math.floor(Math.abs(scaled) + 0.5);
    trits[i] = Math.max(0, Math.min(most, (scaled < 0 ? -away : away) + 1));
  }
  return d;
}

/** Places of the trits of TQ1_0: bytes of five (stride 32, then 16) and, last, of four. */
const runs = [
  { byte: 0, bytes: 32, first: 0, trits: 5 },
  { byte: 32, bytes: 16, first: 160, trits: 5 },
  { byte: 48, bytes: 4, first: 240, trits: 4 },
] as const;

export const tq1_0: BlockType = {
  name: 'TQ1_0',
  id: 34,
  length: 256,
  bytes: 54,
  fileType: 36,
  halves: [52],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 256, to += 54) {
      putHalf(out, to + 52, roundBlock(row, at, 256, 2));
      for (const run of runs) {
        for (let j = 0; j < run.bytes; j++) {
          let value = 0;
          for (let n = 0; n < 5; n++) {
            value = 3 * value + (n < run.trits ? trits[run.first + n * run.bytes + j] : 0);
          }
          // A fraction of 256 in place of one of 243: multiplications bring the trits out.
          out[to + run.byte + j] = Math.floor((256 * value + 242) / 243);
        }
      }
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 256, from += 54) {
      const d = getHalf(blocks, from + 52);
      for (const run of runs) {
        for (let j = 0; j < run.bytes; j++) {
          let byte = blocks[from + run.byte + j];
          for (let n = 0; n < run.trits; n++) {
            out[at + run.first + n * run.bytes + j] = d * (((byte * 3) >> 8) - 1);
            byte = (byte * 3) & 255;
          }
        }
      }
    }
  },
};

export const tq2_0: BlockType = {
  name: 'TQ2_0',
  id: 35,
  length: 256,
  bytes: 66,
  fileType: 37,
  halves: [64],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 256, to += 66) {
      putHalf(out, to + 64, roundBlock(row, at, 256, 2));
      out.fill(0, to, to + 64);
      for (let i = 0; i < 256; i++) out[to + (i >> 7) * 32 + (i & 31)] |= trits[i] << (2 * ((i >> 5) & 3));
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 256, from += 66) {
      const d = getHalf(blocks, from + 64);
      for (let i = 0; i < 256; i++) {
        const byte = blocks[from + (i >> 7) * 32 + (i & 31)];
        out[at + i] = d * (((byte >> (2 * ((i >> 5) & 3))) & 3) - 1);
      }
    }
  },
};

export const q1_0: BlockType = {
  name: 'Q1_0',
  id: 41,
  length: 128,
  bytes: 18,
  fileType: 40,
  halves: [0],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 128, to += 18) {
      let sum = 0;
      for (let i = 0; i < 128; i++) sum = f(sum + Math.abs(row[at + i]));
      putHalf(out, to, f(sum / 128));
      out.fill(0, to + 2, to + 18);
      for (let i = 0; i < 128; i++) if (row[at + i] >= 0) out[to + 2 + (i >> 3)] |= 1 << (i & 7);
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 128, from += 18) {
      const d = getHalf(blocks, from);
      for (let i = 0; i < 128; i++) out[at + i] = (blocks[from + 2 + (i >> 3)] >> (i & 7)) & 1 ? d : -d;
    }
  },
};

export const q2_0: BlockType = {
  name: 'Q2_0',
  id: 42,
  length: 64,
  bytes: 18,
  fileType: 41,
  halves: [0],
  encode(row, _importance, out) {
    for (let at = 0, to = 0; at < row.length; at += 64, to += 18) {
      putHalf(out, to, roundBlock(row, at, 64, 3));
      out.fill(0, to + 2, to + 18);
      for (let i = 0; i < 64; i++) out[to + 2 + (i >> 2)] |= trits[i] << (2 * (i & 3));
    }
  },
  decode(blocks, out) {
    for (let at = 0, from = 0; at < out.length; at += 64, from += 18) {
      const d = getHalf(blocks, from);
      for (let i = 0; i < 64; i++)
        out[at + i] = d * (((blocks[from + 2 + (i >> 2)] >> (2 * (i & 3))) & 3) - 1);
    }
  },
};
