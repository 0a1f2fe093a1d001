/** Gaussian tables: accuracy of the tails, symmetry, optimality of the integers, distance from the entropy. */
import { describe, expect, it } from 'vitest';
import {
  erfc,
  gaussianTables,
  quantizeFrequencies,
  RansEncoder,
  roundedNormalProbability,
  scaleTable,
} from '../../../codec/entropy/index.js';
import { UsageError } from '../../../src/errors.js';
import { Random } from './random.js';

const scales = scaleTable();
const tables = gaussianTables(scales);

describe('erfc', () => {
  it.each([
    [-1, 1.8427007929497148],
    [0, 1],
    [0.5, 0.4795001221869535],
    [1, 0.15729920705028513],
    [2, 0.004677734981047266],
    [3, 2.209049699858544e-5],
    [5, 1.5374597944280349e-12],
    [10, 2.088487583762545e-45],
    [25, 8.300172571196522e-274],
  ])('erfc(%f) is right to 12 digits', (x, expected) => {
    expect(Math.abs(erfc(x) / expected - 1)).toBeLessThan(1e-12);
  });

  it('is smooth where the methods meet', () => {
    const slope = (erfc(2 - 1e-6) - erfc(2)) / 1e-6;
    expect(slope).toBeCloseTo((2 / Math.sqrt(Math.PI)) * Math.exp(-4), 6);
  });
});

describe('scaleTable', () => {
  it('runs from 0.11 to 256 in 64 equal ratios', () => {
    expect([scales.length, scales[0], scales[63]]).toEqual([64, 0.11, 256]);
    for (let i = 1; i < 64; i++) expect(scales[i] / scales[i - 1]).toBeCloseTo((256 / 0.11) ** (1 / 63), 12);
  });

  it('refuses nonsense', () => {
    expect(() => scaleTable(1)).toThrow(UsageError);
    expect(() => scaleTable(8, 0)).toThrow(UsageError);
    expect(() => scaleTable(8, 2, 1)).toThrow(UsageError);
    expect(() => gaussianTables([0])).toThrow(UsageError);
    expect(() => gaussianTables([Number.NaN])).toThrow(UsageError);
  });
});

describe('gaussianTables', () => {
  it('has the golden frequencies of a small scale', () => {
    expect(Array.from(tables.table(6).frequencies)).toEqual([977, 63581, 977, 1]);
    expect(Array.from(gaussianTables([0.5]).table(0).frequencies)).toEqual([88, 10309, 44741, 10309, 88, 1]);
  });

  it('is symmetric, falls from the centre and cuts below 2^-16 per side', () => {
    for (let t = 0; t < 64; t++) {
      const { firstSymbol, frequencies } = tables.table(t);
      const symbols = frequencies.subarray(0, -1);
      expect(symbols.length).toBe(1 - 2 * firstSymbol);
      expect(symbols.slice().reverse()).toEqual(symbols);
      for (let i = 1; i <= -firstSymbol; i++) expect(symbols[i]).toBeGreaterThanOrEqual(symbols[i - 1]);
      const tail = (k: number) => 0.5 * erfc((k + 0.5) / scales[t] / Math.SQRT2);
      expect(tail(-firstSymbol)).toBeLessThan(2 ** -16);
      if (firstSymbol < 0) expect(tail(-firstSymbol - 1)).toBeGreaterThanOrEqual(2 ** -16);
    }
  });

  it('costs within 0.1 % of the entropy on a million samples of the mixture', () => {
    const random = new Random(31);
    const count = 1_000_000;
    const indices = new Uint8Array(count);
    const values = new Int32Array(count);
    let entropy = 0;
    for (let i = 0; i < count; i++) {
      const t = Math.floor(random.uniform() ** 2 * 33);
      indices[i] = t;
      values[i] = Math.round(random.normal() * scales[t]);
      entropy -= Math.log2(roundedNormalProbability(values[i], scales[t]));
    }
    const encoder = new RansEncoder();
    encoder.putIndices(tables, indices, values, 0, count);
    const bits = 8 * encoder.finish().length;
    expect(entropy / count).toBeGreaterThan(1);
    expect(entropy / count).toBeLessThan(1.3);
    expect(Math.abs(bits / entropy - 1)).toBeLessThan(0.0002);
  });
});

describe('quantizeFrequencies', () => {
  it('is the best of all sums for small problems', () => {
    const random = new Random(32);
    for (let trial = 0; trial < 20; trial++) {
      const weights = Float64Array.from({ length: 5 }, () => random.uniform() ** 8);
      const best = quantizeFrequencies(weights);
      const cost = (f: ArrayLike<number>) => -weights.reduce((sum, w, i) => sum + w * Math.log(f[i]), 0);
      expect(best.reduce((sum, f) => sum + f, 0)).toBe(65536);
      for (let from = 0; from < 5; from++) {
        for (let to = 0; to < 5; to++) {
          const moved = best.slice();
          if (from === to || moved[from] === 1) continue;
          moved[from]--;
          moved[to]++;
          expect(cost(moved)).toBeGreaterThanOrEqual(cost(best) - 1e-12);
        }
      }
    }
  });

  it('handles one weight, zero weights and as many weights as units', () => {
    expect(Array.from(quantizeFrequencies([7]))).toEqual([65536]);
    expect(Array.from(quantizeFrequencies([0, 1, 0]))).toEqual([1, 65534, 1]);
    expect(quantizeFrequencies(new Float64Array(65536).fill(1)).every((f) => f === 1)).toBe(true);
  });

  it.each([[[]], [[0, 0]], [[1, -1]], [[Number.NaN]], [[Number.POSITIVE_INFINITY]]])(
    'refuses %j',
    (weights) => {
      expect(() => quantizeFrequencies(weights)).toThrow(UsageError);
    },
  );
});
