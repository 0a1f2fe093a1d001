/** What schemes stand on: rounding, packing, layouts, scales, nearest levels, triangular factors. */
import { describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../src/errors.js';
import { choleskyLower, inverseUpper } from '../../../src/weights/cholesky.js';
import { layoutOf } from '../../../src/weights/layout.js';
import { NearestLevel } from '../../../src/weights/levels.js';
import {
  packBits,
  packedLength,
  packTrits,
  swapNibbles,
  unpackBits,
  unpackTrits,
} from '../../../src/weights/packing.js';
import { floorLog2, powerOfTwo, roundHalfEven } from '../../../src/weights/rounding.js';
import { packScales, roundScale, roundScales, scaleBits, unpackScales } from '../../../src/weights/scales.js';
import { congruential } from './support.js';

describe('rounding', () => {
  it('goes half to even for large and small numbers', () => {
    for (const whole of [0, 1, 2, 7, 1000, 2 ** 40]) {
      const even = whole % 2 === 0 ? whole : whole + 1;
      expect(roundHalfEven(whole + 0.5)).toBe(even);
      expect(roundHalfEven(-whole - 0.5) + 0).toBe(-even + 0);
      expect(roundHalfEven(whole + 0.4999)).toBe(whole);
    }
  });

  it('knows powers of two from end to end', () => {
    for (let exponent = -1022; exponent <= 1023; exponent++) {
      expect(floorLog2(powerOfTwo(exponent))).toBe(exponent);
    }
    expect(powerOfTwo(-1022)).toBe(2 ** -1022);
    expect(floorLog2(Math.fround(1e-45))).toBe(-149);
  });
});

describe('packing', () => {
  const uniform = congruential(4);

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('gives codes of %i bits back, for any number of them', (width) => {
    for (let count = 0; count < 40; count++) {
      const codes = Uint8Array.from({ length: count }, () => Math.floor(uniform() * 2 ** width));
      const bytes = packBits(codes, width);
      expect(bytes.length).toBe(packedLength(count, width));
      expect(unpackBits(bytes, count, width)).toEqual(codes);
    }
  });

  it('puts the first code into the lowest bits', () => {
    expect([...packBits(Uint8Array.of(5, 1, 7), 3)]).toEqual([0b11001101, 1]);
    expect([...packBits(Uint8Array.of(1, 2, 3), 4)]).toEqual([0x21, 0x03]);
  });

  it('puts five ternary codes into a byte', () => {
    for (let count = 0; count < 23; count++) {
      const codes = Uint8Array.from({ length: count }, () => Math.floor(uniform() * 3));
      const bytes = packTrits(codes);
      expect(bytes.length).toBe(Math.ceil(count / 5));
      expect(unpackTrits(bytes, count)).toEqual(codes);
    }
    expect([...packTrits(Uint8Array.of(2, 2, 2, 2, 2))]).toEqual([242]);
  });

  it('refuses bytes that it does not write', () => {
    expect(() => unpackBits(Uint8Array.of(0x10), 1, 4)).toThrow(FormatError);
    expect(() => unpackBits(Uint8Array.of(0x80), 2, 3)).toThrow('Expected zeros after 2 codes of 3 bits');
    expect(() => unpackTrits(Uint8Array.of(243), 5)).toThrow(FormatError);
    expect(() => unpackTrits(Uint8Array.of(3), 1)).toThrow('Expected five codes of three values in a byte');
  });

  it('exchanges nibbles and back', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, k) => k);
    expect(swapNibbles(swapNibbles(bytes))).toEqual(bytes);
  });
});

describe('layouts', () => {
  it('cut rows into groups, the last one shorter', () => {
    expect([...layoutOf([2, 7], { group: 3 }).starts]).toEqual([0, 3, 6, 7, 10, 13, 14]);
    expect([...layoutOf([2, 7], { group: 9 }).starts]).toEqual([0, 7, 14]);
    expect([...layoutOf([2, 7], 'row').starts]).toEqual([0, 7, 14]);
    expect([...layoutOf([2, 7], 'tensor').starts]).toEqual([0, 14]);
    expect(layoutOf([4, 2, 3, 3], 'row')).toMatchObject({ rows: 4, columns: 18 });
    expect(layoutOf([5], 'row')).toMatchObject({ rows: 1, columns: 5 });
    expect(layoutOf([], 'row')).toMatchObject({ rows: 1, columns: 1 });
    expect(layoutOf([0, 5], 'row')).toMatchObject({ rows: 0, columns: 5 });
  });

  it('refuse groups that are none', () => {
    for (const group of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      expect(() => layoutOf([2, 2], { group })).toThrow(UsageError);
    }
  });
});

describe('scales', () => {
  const uniform = congruential(8);
  const scales = Float32Array.from({ length: 300 }, () => uniform() * 2 ** (20 * uniform() - 18));

  it.each([1, 2 ** -60, 2 ** -130, 2 ** 90])('keep eleven bits in float16, times %f', (factor) => {
    const moved = scales.map((scale) => scale * factor);
    const rounded = roundScales(moved, 'float16');
    rounded.forEach((scale, k) => {
      const unit = factor === 2 ** -130 ? 2 ** -149 : 0;
      expect(Math.abs(scale - moved[k])).toBeLessThanOrEqual(moved[k] * 2 ** -11 + unit);
    });
    expect(roundScales(rounded, 'float16')).toEqual(rounded);
    const bytes = packScales(rounded, 'float16');
    expect(bytes.length * 8).toBe(scaleBits(300, 'float16'));
    expect(unpackScales(bytes, 'float16')).toEqual(rounded);
  });

  it('round alike alone and together, up to the next power of two', () => {
    const close = Float32Array.of(1.9999, 0.3, 1e-3, 0);
    const rounded = roundScales(close, 'float16');
    expect(Array.from(close, (scale) => roundScale(scale, 'float16'))).toEqual([...rounded]);
    expect(rounded[0]).toBe(2);
    expect(unpackScales(packScales(rounded, 'float16'), 'float16')).toEqual(rounded);
  });

  it('are exact in float32', () => {
    expect(unpackScales(packScales(scales, 'float32'), 'float32')).toEqual(scales);
  });
});

describe('nearest levels', () => {
  it('are those of a full search', () => {
    const levels = [-1, -0.7, -0.69, 0, 0.1, 0.5, 2];
    const nearest = new NearestLevel(levels);
    for (let x = -1.5; x < 2.5; x += 1 / 512) {
      const distances = levels.map((level) => Math.abs(level - x));
      expect(distances[nearest.of(x)]).toBeCloseTo(Math.min(...distances), 12);
    }
    expect([nearest.of(-1e9), nearest.of(1e9), nearest.of(0.05), nearest.of(0.3)]).toEqual([0, 6, 4, 5]);
  });
});

describe('triangular factors', () => {
  const n = 12;
  const uniform = congruential(6);
  const root = Float64Array.from({ length: n * n }, () => uniform() - 0.5);
  const product = (a: Float64Array, b: Float64Array): Float64Array =>
    Float64Array.from({ length: n * n }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[Math.floor(at / n) * n + k] * b[k * n + (at % n)];
      return sum;
    });
  const transposed = (a: Float64Array): Float64Array =>
    Float64Array.from({ length: n * n }, (_, at) => a[(at % n) * n + Math.floor(at / n)]);
  const matrix = product(root, transposed(root)).map((value, at) => value + (at % (n + 1) === 0 ? 0.1 : 0));

  it('multiply to the matrix and to its inverse', () => {
    const lower = choleskyLower(matrix, n) as Float64Array;
    expect([...product(lower, transposed(lower))]).toEqual([...matrix].map((v) => expect.closeTo(v, 10)));
    const upper = inverseUpper(matrix, n) as Float64Array;
    const identity = product(matrix, product(transposed(upper), upper));
    identity.forEach((value, at) => {
      expect(value).toBeCloseTo(at % (n + 1) === 0 ? 1 : 0, 9);
    });
    for (let at = 0; at < n * n; at++) if (at % n < Math.floor(at / n)) expect(upper[at] + 0).toBe(0);
  });

  it('do not exist for indefinite matrices', () => {
    expect(choleskyLower(Float64Array.of(1, 2, 2, 1), 2)).toBeUndefined();
    expect(inverseUpper(Float64Array.of(0, 0, 0, 1), 2)).toBeUndefined();
  });
});
