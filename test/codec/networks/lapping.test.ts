/** Lapping: against its definition as a matrix, orthogonal, and worth the coding gain that its header names. */
import { describe, expect, it } from 'vitest';
import { lap, lapAngles, lapBlock, unlap } from '../../../codec/networks/lapping.js';
import { UsageError } from '../../../src/errors.js';
import { Random } from '../../../src/training/random.js';

type Matrix = number[][];
const half = lapBlock / 2;
const square = (n: number, at: (row: number, column: number) => number): Matrix =>
  Array.from({ length: n }, (_, row) => Array.from({ length: n }, (_, column) => at(row, column)));
const identity = (n: number): Matrix => square(n, (row, column) => (row === column ? 1 : 0));
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, column) => row.reduce((sum, value, k) => sum + value * b[k][column], 0)));
const transposed = (a: Matrix): Matrix => a[0].map((_, column) => a.map((row) => row[column]));

/** The filter of the 16 samples around a border: P = 1/2 [I J; J -I] [I 0; 0 V] [I J; J -I]. */
function borderMatrix(fraction: number): Matrix {
  let rotation = identity(half);
  for (let k = half - 2; k >= 0; k--) {
    const [c, s] = [Math.cos(fraction * lapAngles[k]), Math.sin(fraction * lapAngles[k])];
    const turn = identity(half);
    [turn[k][k], turn[k][k + 1], turn[k + 1][k], turn[k + 1][k + 1]] = [c, s, -s, c];
    rotation = product(turn, rotation);
  }
  const butterfly = square(lapBlock, (row, column) => {
    if (row + column === lapBlock - 1) return 1;
    if (row !== column) return 0;
    return row < half ? 1 : -1;
  });
  const middle = square(lapBlock, (row, column) => {
    if (row < half || column < half) return row === column ? 1 : 0;
    return rotation[row - half][column - half];
  });
  return product(butterfly, product(middle, butterfly)).map((row) => row.map((value) => value / 2));
}

/** The filter of a whole row of `length` samples. */
function rowMatrix(length: number, fraction: number): Matrix {
  const matrix = identity(length);
  const border = borderMatrix(fraction);
  for (let start = half; start + lapBlock < length; start += lapBlock) {
    border.forEach((row, k) => {
      row.forEach((value, j) => {
        matrix[start + k][start + j] = value;
      });
    });
  }
  return matrix;
}

function noise(length: number): Float32Array {
  const random = Random.of(7, length);
  return Float32Array.from({ length }, () => random.normal());
}

describe('lapping', () => {
  it.each([0.25, 0.6, 1])('is its matrix along rows and columns, at fraction %d', (fraction) => {
    const [height, width] = [32, 64];
    const size = { planes: 2, height, width };
    const values = noise(2 * height * width);
    const lapped = values.slice();
    lap(lapped, size, fraction);
    for (let plane = 0; plane < 2; plane++) {
      const rows = Array.from({ length: height }, (_, y) => [
        ...values.subarray((plane * height + y) * width, (plane * height + y + 1) * width),
      ]);
      const along = product(rows, transposed(rowMatrix(width, fraction)));
      const expected = product(rowMatrix(height, fraction), along).flat();
      const found = lapped.subarray(plane * height * width, (plane + 1) * height * width);
      expect(Math.max(...expected.map((value, k) => Math.abs(value - found[k])))).toBeLessThan(2e-6);
    }
    unlap(lapped, size, fraction);
    expect(Math.max(...values.map((value, k) => Math.abs(value - lapped[k])))).toBeLessThan(2e-6);
  });

  it('is orthogonal, and nothing at fraction 0', () => {
    const border = borderMatrix(1);
    const unit = product(border, transposed(border));
    identity(lapBlock).forEach((row, k) => {
      row.forEach((value, j) => {
        expect(unit[k][j]).toBeCloseTo(value, 12);
      });
    });
    const values = noise(48 * 48);
    const same = values.slice();
    lap(same, { planes: 1, height: 48, width: 48 }, 0);
    expect(same).toEqual(values);
  });

  it('leaves the outer 8 pixels of a picture and flat pictures alone', () => {
    const size = { planes: 1, height: 16, width: 48 };
    const values = noise(16 * 48);
    const lapped = values.slice();
    lap(lapped, size, 1);
    for (let y = 0; y < 16; y++) {
      expect(lapped.subarray(y * 48, y * 48 + half)).toEqual(values.subarray(y * 48, y * 48 + half));
    }
    const flat = new Float32Array(64 * 64).fill(0.75);
    lap(flat, { planes: 1, height: 64, width: 64 }, 1);
    expect(new Set(flat)).toEqual(new Set([0.75]));
  });

  it('gives a DCT of 16 the coding gain that it is chosen for', () => {
    const blocks = 5;
    const length = blocks * lapBlock;
    const correlation = square(length, (row, column) => 0.95 ** Math.abs(row - column));
    const middle = Math.floor(blocks / 2) * lapBlock;
    const transform = Array.from({ length: lapBlock }, (_, k) =>
      Array.from({ length }, (_, x) => {
        const n = x - middle;
        if (n < 0 || n >= lapBlock) return 0;
        return (
          Math.sqrt((k === 0 ? 1 : 2) / lapBlock) * Math.cos(((2 * n + 1) * k * Math.PI) / (2 * lapBlock))
        );
      }),
    );
    const gain = (fraction: number): number => {
      const basis = product(transform, rowMatrix(length, fraction));
      const covariance = product(product(basis, correlation), transposed(basis));
      const logs = covariance.map((row, k) => Math.log10(row[k]));
      return (-10 * logs.reduce((sum, value) => sum + value, 0)) / lapBlock;
    };
    expect(gain(0)).toBeCloseTo(9.455, 2);
    expect(gain(0.5)).toBeCloseTo(9.648, 2);
    expect(gain(1)).toBeCloseTo(9.801, 2);
  });

  it('says what it expects', () => {
    const values = new Float32Array(3 * 16 * 16);
    const size = { planes: 3, height: 16, width: 16 };
    for (const fraction of [-0.1, 1.5, Number.NaN])
      expect(() => lap(values, size, fraction)).toThrow(UsageError);
    expect(() => lap(values, { ...size, planes: 2 }, 1)).toThrow(
      /lapping: expected 2 planes with sides in multiples of 16, got 768 values of 16x16/,
    );
    expect(() => unlap(new Float32Array(3 * 24 * 16), { ...size, height: 24 }, 1)).toThrow(/multiples of 16/);
  });
});
