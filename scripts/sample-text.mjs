/**
 * The print on the card of the sample picture: a 5x7 dot font and four lines of text.
 *
 * Units: card coordinates, u from -1 (left) to 1 (right), v from 0 (bottom) to 1 (top); ink is 0 or 1.
 * Each glyph is seven rows of five bits, the leftmost dot in the highest bit; drawn for this project.
 */

const glyphs = {
  A: [14, 17, 17, 31, 17, 17, 17],
  B: [30, 17, 17, 30, 17, 17, 30],
  C: [14, 17, 16, 16, 16, 17, 14],
  D: [30, 17, 17, 17, 17, 17, 30],
  E: [31, 16, 16, 30, 16, 16, 31],
  F: [31, 16, 16, 30, 16, 16, 16],
  G: [14, 17, 16, 23, 17, 17, 15],
  H: [17, 17, 17, 31, 17, 17, 17],
  I: [14, 4, 4, 4, 4, 4, 14],
  L: [16, 16, 16, 16, 16, 16, 31],
  M: [17, 27, 21, 21, 17, 17, 17],
  N: [17, 25, 21, 19, 17, 17, 17],
  O: [14, 17, 17, 17, 17, 17, 14],
  P: [30, 17, 17, 30, 16, 16, 16],
  Q: [14, 17, 17, 17, 21, 18, 13],
  R: [30, 17, 17, 30, 20, 18, 17],
  S: [15, 16, 16, 14, 1, 1, 30],
  T: [31, 4, 4, 4, 4, 4, 4],
  U: [17, 17, 17, 17, 17, 17, 14],
  V: [17, 17, 17, 17, 17, 10, 4],
  W: [17, 17, 17, 21, 21, 27, 17],
  X: [17, 17, 10, 4, 10, 17, 17],
  Y: [17, 17, 10, 4, 4, 4, 4],
  J: [7, 2, 2, 2, 2, 18, 12],
  K: [17, 18, 20, 24, 20, 18, 17],
  Z: [31, 1, 2, 4, 8, 16, 31],
  0: [14, 17, 19, 21, 25, 17, 14],
  1: [4, 12, 4, 4, 4, 4, 14],
  2: [14, 17, 1, 6, 8, 16, 31],
  3: [30, 1, 1, 14, 1, 1, 30],
  4: [2, 6, 10, 18, 31, 2, 2],
  6: [14, 16, 16, 30, 17, 17, 14],
  8: [14, 17, 17, 14, 17, 17, 14],
  '.': [0, 0, 0, 0, 0, 12, 12],
  '-': [0, 0, 0, 31, 0, 0, 0],
};

const lines = [
  { text: 'TRELLIS', top: 0.88, height: 0.17 },
  { text: 'STILL LIFE NO. 8', top: 0.6, height: 0.076 },
  { text: 'ORANGES - VASE - MARBLE', top: 0.45, height: 0.054 },
  { text: '0123468 QUANTIZED BY HAND', top: 0.35, height: 0.049 },
  { text: 'SMOOTH SKY AND SHARP WORDS', top: 0.25, height: 0.046 },
];

/** Height of the card over half its width, so that dots come out nearly square. */
const ASPECT = 1.6;

/** Ink of the card at a place: 1 printed, 0 paper. */
export function glyphAt(u, v) {
  const ruled = Math.abs(u) < 0.86 && (Math.abs(v - 0.645) < 0.004 || Math.abs(v - 0.14) < 0.004);
  const frame = Math.max(Math.abs(u) / 0.95, Math.abs(2 * v - 1) / 0.94);
  if (ruled || (frame < 1 && frame > 0.985)) return 1;
  for (const { text, top, height } of lines) {
    const row = Math.floor(((top - v) / height) * 7);
    if (row < 0 || row > 6) continue;
    const dot = (height / 7) * ASPECT;
    const column = Math.floor(u / dot + (text.length * 6 - 1) / 2);
    const letter = text[Math.floor(column / 6)];
    const bits = column >= 0 && letter !== undefined ? glyphs[letter] : undefined;
    if (bits && column % 6 < 5) return (bits[row] >> (4 - (column % 6))) & 1;
  }
  return 0;
}
