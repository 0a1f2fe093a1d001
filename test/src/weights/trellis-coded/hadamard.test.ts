/** The random Hadamard transform and feedback through a Hessian, against golden examples and their definitions. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../../src/errors.js';
import { roundHalfEven } from '../../../../src/weights/rounding.js';
import {
  hadamardBlocks,
  inverseRandomHadamard,
  randomHadamard,
  randomSigns,
  transformHessian,
} from '../../../../src/weights/trellis-coded/hadamard.js';
import { blockLdl, quantizeBlocks } from '../../../../src/weights/trellis-coded/ldlq.js';
import { golden } from '../support.js';
import { Random } from './support.js';

interface Examples {
  readonly rht: { W: number[][]; SU_in: number[]; SV_out: number[]; Wt: number[][]; back: number[][] };
  readonly ldlq: {
    H: number[][];
    W: number[][];
    block: Record<string, { L: number[][]; hatW: number[][]; proxy: number }>;
    proxy_rtn: number;
  };
}

const { rht, ldlq } = golden<Examples>('misc_examples');

describe('random Hadamard transform', () => {
  it('is the golden example, and back', () => {
    const values = Float64Array.from(rht.W.flat());
    const signs = { rows: Int8Array.from(rht.SV_out), columns: Int8Array.from(rht.SU_in) };
    randomHadamard(values, signs);
    expect(Array.from(values)).toEqual(rht.Wt.flat());
    inverseRandomHadamard(values, signs);
    expect(Array.from(values)).toEqual(rht.back.flat());
  });

  it('returns matrices of any size, and keeps their energy', () => {
    const random = new Random(71);
    for (const [rows, columns] of [
      [1, 1],
      [3, 7],
      [16, 100],
      [48, 37],
      [1, 255],
      [0, 4],
    ]) {
      const matrix = Float64Array.from({ length: rows * columns }, () => random.normal());
      const values = matrix.slice();
      const signs = randomSigns(random.below(1000), rows, columns);
      randomHadamard(values, signs);
      const energy = (list: Float64Array): number => list.reduce((sum, value) => sum + value * value, 0);
      expect(energy(values)).toBeCloseTo(energy(matrix), 9);
      inverseRandomHadamard(values, signs);
      values.forEach((value, i) => {
        expect(Math.abs(value - matrix[i])).toBeLessThan(1e-12);
      });
    }
  });

  it('spreads one entry over all', () => {
    const values = new Float64Array(32 * 64);
    values[777] = 1;
    randomHadamard(values, randomSigns(5, 32, 64));
    for (const value of values) expect(Math.abs(value)).toBeCloseTo(1 / Math.sqrt(32 * 64), 12);
  });

  it('cuts sides by their binary digits', () => {
    expect([1, 12, 128, 255].map(hadamardBlocks)).toEqual([
      [1],
      [8, 4],
      [128],
      [128, 64, 32, 16, 8, 4, 2, 1],
    ]);
    expect(hadamardBlocks(0)).toEqual([]);
  });

  it('draws signs that depend on the seed and are balanced', () => {
    const { rows, columns } = randomSigns(7, 2000, 3000);
    expect(Math.abs(rows.reduce((sum, sign) => sum + sign, 0))).toBeLessThan(200);
    expect(Math.abs(columns.reduce((sum, sign) => sum + sign, 0))).toBeLessThan(200);
    expect(rows.every((sign) => Math.abs(sign) === 1)).toBe(true);
    expect(randomSigns(8, 2000, 3000).columns).not.toEqual(columns);
    expect(randomSigns(7, 2000, 3000).columns).toEqual(columns);
  });

  it('leaves the output error what it was', () => {
    const random = new Random(72);
    const [rows, columns] = [3, 10];
    const inputs = Array.from({ length: 40 }, () => Array.from({ length: columns }, () => random.normal()));
    const hessian = Float64Array.from({ length: columns * columns }, (_, i) =>
      inputs.reduce((sum, x) => sum + x[Math.floor(i / columns)] * x[i % columns], 0),
    );
    const error = Float64Array.from({ length: rows * columns }, () => random.normal());
    const signs = randomSigns(3, rows, columns);
    const before = proxy(error, hessian, rows, columns);
    const metric = transformHessian(hessian, signs);
    randomHadamard(error, signs);
    expect(proxy(error, metric, rows, columns)).toBeCloseTo(before, 8);
  });
});

/** tr(E H E^T). */
function proxy(error: Float64Array, hessian: Float64Array, rows: number, columns: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        sum += error[row * columns + i] * hessian[i * columns + j] * error[row * columns + j];
      }
    }
  }
  return sum;
}

describe('feedback', () => {
  const hessian = Float64Array.from(ldlq.H.flat());
  const weights = Float64Array.from(ldlq.W.flat());
  const round = (block: Float64Array): Float64Array => block.map(roundHalfEven);
  const proxyOf = (back: Float64Array): number =>
    proxy(
      weights.map((w, i) => w - back[i]),
      hessian,
      3,
      4,
    );

  it.each(['1', '2'])('in blocks of %s columns is the golden example', (width) => {
    const { L, hatW, proxy: loss } = ldlq.block[width];
    blockLdl(hessian, 4, Number(width)).forEach((value, i) => {
      expect(value).toBeCloseTo(L.flat()[i], 12);
    });
    const back = quantizeBlocks(weights, 3, 4, Number(width), round, hessian);
    expect(Array.from(back, (value) => value + 0)).toEqual(hatW.flat().map((value) => value + 0));
    expect(proxyOf(back)).toBeCloseTo(loss, 12);
  });

  it('without a Hessian is rounding', () => {
    expect(proxyOf(quantizeBlocks(weights, 3, 4, 3, round))).toBeCloseTo(ldlq.proxy_rtn, 12);
  });

  it('factors a Hessian whose size is no multiple of the block', () => {
    const random = new Random(73);
    const size = 11;
    const square = Float64Array.from({ length: size * size }, () => random.normal());
    const metric = Float64Array.from({ length: size * size }, (_, i) => {
      let sum = i % (size + 1) === 0 ? 0.5 : 0;
      for (let k = 0; k < size; k++)
        sum += square[Math.floor(i / size) * size + k] * square[(i % size) * size + k];
      return sum;
    });
    const lower = blockLdl(metric, size, 4);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        const inBlock = Math.floor(i / 4) === Math.floor(j / 4);
        if (inBlock || j > i) expect(lower[i * size + j]).toBe(i === j ? 1 : 0);
      }
    }
    expect(() => blockLdl(new Float64Array(4), 2, 1)).toThrow(
      new UsageError('hessian: expected a positive definite matrix of 2 columns, got another'),
    );
  });
});
