/** Floats of 8 and 4 bits: every pattern comes back, and the nearest is found. */
import { describe, expect, it } from 'vitest';
import {
  e2m1FromFloat,
  e2m1Levels,
  e4m3FromFloat,
  e4m3Levels,
  e8m0FromExponent,
  e8m0ToFloat,
} from '../../../src/weights/small-floats.js';

describe('E4M3', () => {
  it('gives every pattern back', () => {
    for (let bits = 0; bits < 256; bits++) {
      const expected = (bits & 0x7f) === 0x7f ? 0x7f : bits;
      expect(e4m3FromFloat(e4m3Levels[bits])).toBe(expected);
    }
  });

  it('knows its landmarks', () => {
    expect([0x38, 0x7e, 0x08, 0x01, 0xb8].map((bits) => e4m3Levels[bits])).toEqual([
      1,
      448,
      2 ** -6,
      2 ** -9,
      -1,
    ]);
    expect(e4m3Levels[0x7f]).toBeNaN();
  });

  it('rounds to the nearest, ties to even, and saturates', () => {
    for (let low = 0; low < 0x7e; low++) {
      const [below, above] = [e4m3Levels[low], e4m3Levels[low + 1]];
      const middle = (below + above) / 2;
      expect(e4m3FromFloat(middle)).toBe(low % 2 === 0 ? low : low + 1);
      expect(e4m3FromFloat(middle * (1 - 1e-9))).toBe(low);
      expect(e4m3FromFloat(-middle * (1 + 1e-9))).toBe(0x80 | (low + 1));
    }
    expect([449, 1e9, Number.POSITIVE_INFINITY].map(e4m3FromFloat)).toEqual([0x7e, 0x7e, 0x7e]);
    expect(e4m3FromFloat(-0)).toBe(0x80);
  });
});

describe('E2M1 and E8M0', () => {
  it('give every pattern back', () => {
    expect(Array.from(e2m1Levels, e2m1FromFloat)).toEqual([...Array(16).keys()]);
    for (let byte = 0; byte < 255; byte++) {
      expect(e8m0FromExponent(Math.log2(e8m0ToFloat(byte)))).toBe(byte);
    }
    expect(e8m0ToFloat(255)).toBeNaN();
  });

  it('saturate', () => {
    expect(e2m1Levels[e2m1FromFloat(-1e9)]).toBe(-6);
    expect([e8m0FromExponent(-500), e8m0FromExponent(500)]).toEqual([0, 254]);
  });
});
