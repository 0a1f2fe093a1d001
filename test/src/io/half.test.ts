import { describe, expect, it } from 'vitest';
import {
  bfloat16ToFloat32,
  float16Bits,
  float16ToFloat32,
  float16Value,
  float32ToBfloat16,
  float32ToFloat16,
} from '../../../src/io/half.js';

const everyPattern = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** Slow and obvious: the nearest of two neighbours, the even one on a tie. */
function slowNarrow(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 1e-30)));
  const unit = 2 ** (exponent - 10);
  const steps = size / unit;
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const rounded = floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
  const value16 = rounded * unit;
  const low = Math.max(-14, Math.floor(Math.log2(value16 || 1e-30)));
  if (value16 < 2 ** -14) return sign | (value16 / 2 ** -24);
  return sign | ((low + 15) << 10) | (value16 / 2 ** (low - 10) - 1024);
}

describe('float16', () => {
  it('gives back every one of the 65,536 patterns', () => {
    const back = float32ToFloat16(float16ToFloat32(everyPattern));
    for (const pattern of everyPattern) {
      const notANumber = (pattern & 0x7fff) > 0x7c00;
      // Widening keeps no payload: every NaN comes back as the quiet one.
      expect(notANumber ? back[pattern] & 0x7e00 : back[pattern]).toBe(notANumber ? 0x7e00 : pattern);
    }
  });

  it('knows the landmarks', () => {
    const cases: [number, number][] = [
      [0, 0],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [-1e30, 0xfc00],
      [Number.POSITIVE_INFINITY, 0x7c00],
      [Number.NEGATIVE_INFINITY, 0xfc00],
      [2 ** -14, 0x0400],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 1],
      [3 * 2 ** -25, 2],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1e-45, 0],
    ];
    const bits = float32ToFloat16(Float32Array.from(cases, ([value]) => value));
    expect([...bits]).toEqual(cases.map(([, pattern]) => pattern));
    expect(float32ToFloat16(Float32Array.of(Number.NaN))[0] & 0x7e00).toBe(0x7e00);
  });

  it('rounds as the slow way does', () => {
    const values = new Float32Array(20000);
    let state = 1;
    for (let i = 0; i < values.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      values[i] = (state & 1 ? -1 : 1) * 2 ** ((state >>> 8) % 44) * 2 ** -27 * (1 + (state >>> 9) / 2 ** 23);
    }
    expect([...float32ToFloat16(values)]).toEqual([...values].map(slowNarrow));
  });

  it('works on views that do not start at the buffer', () => {
    const values = Float32Array.of(9, 1, 2).subarray(1);
    expect([...float32ToFloat16(values)]).toEqual([0x3c00, 0x4000]);
  });

  it('does the same with single numbers', () => {
    const values = Float32Array.of(0.1, -65519, 65520, 2 ** -25, 3 * 2 ** -25, -0);
    expect([...values].map(float16Bits)).toEqual([...float32ToFloat16(values)]);
    expect([0x3c00, 0x8001, 0xfc00].map(float16Value)).toEqual([1, -(2 ** -24), Number.NEGATIVE_INFINITY]);
  });

  it('refuses an output of another length', () => {
    expect(() => float16ToFloat32(everyPattern, new Float32Array(1))).toThrow(/65536 elements/);
  });
});

describe('bfloat16', () => {
  it('gives back every pattern', () => {
    const back = float32ToBfloat16(bfloat16ToFloat32(everyPattern));
    for (const pattern of everyPattern) {
      const notANumber = (pattern & 0x7fff) > 0x7f80;
      expect(back[pattern]).toBe(notANumber ? pattern | 0x40 : pattern);
    }
  });

  it('rounds ties to even and overflows to infinity', () => {
    const values = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38, -3.4e38, Number.NaN);
    const bits = float32ToBfloat16(values);
    expect([...bits.subarray(0, 4)]).toEqual([0x3f80, 0x3f82, 0x7f80, 0xff80]);
    expect(bfloat16ToFloat32(bits)[4]).toBeNaN();
  });
});
