/** Rate tables: rows, escapes, models of normal latents, counting. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.js';
import { countedRates, gaussianRates, quantizersOf, RateTables, searchTrellis } from '../../trellis/index.js';
import { randomTask } from './support.js';

/** Sum of 2^-bits over everything near zero. */
function total(rates: RateTables, table: number, q: number, reach = 400): number {
  let sum = 0;
  for (let k = -reach; k <= reach; k++) sum += 2 ** -rates.bits(table, q, k);
  return sum;
}

describe('RateTables', () => {
  it('prices escapes by their distance beyond the row, on both sides and around empty rows', () => {
    const row = { first: -1, bits: [3, 1, 2], escapeBits: 5 };
    const rates = RateTables.fromRows([row, { first: 4, bits: [], escapeBits: 0 }]);
    expect([-2, -3, -4, -5, 2, 3, 5].map((k) => rates.bits(0, 0, k))).toEqual([7, 9, 9, 11, 7, 9, 11]);
    expect([3, 4, 5, 0].map((k) => rates.bits(0, 1, k))).toEqual([2, 2, 4, 6]);
  });

  it('keeps costs of impossible indices finite', () => {
    const rates = RateTables.fromRows([
      { first: 0, bits: [0, Infinity] },
      { first: 0, bits: [] },
    ]);
    expect(rates.bits(0, 0, 1)).toBe(1000);
  });

  it('refuses what makes no sense', () => {
    const good = { first: 0, bits: [1] };
    expect(() => RateTables.fromRows([])).toThrow(UsageError);
    expect(() => RateTables.fromRows([good])).toThrow(/two rows/);
    expect(() => RateTables.fromRows([good, { first: 0, bits: [-1] }])).toThrow(/row 1, got -1/);
    expect(() => RateTables.fromRows([good, { first: 0, bits: [Number.NaN] }])).toThrow(/NaN/);
    expect(() => RateTables.fromRows([good, { first: 0.5, bits: [1] }])).toThrow(/from 0.5/);
    const rates = RateTables.fromRows([good, good]);
    expect(() => rates.bits(1, 0, 0)).toThrow(/table 0 to 0/);
    expect(() => rates.bits(0, 2, 0)).toThrow(/quantizer 0 or 1/);
  });
});

describe('gaussianRates', () => {
  it.each(['cell', 'grid'] as const)('%s: probabilities sum to 1 under both quantizers', (model) => {
    const rates = gaussianRates([0.05, 0.3, 1, 7, 60], model);
    for (let t = 0; t < 5; t++) {
      for (let q = 0; q < 2; q++) expect(total(rates, t, q)).toBeCloseTo(1, 4);
    }
  });

  it('is the entropy of the cells for wide distributions', () => {
    const rates = gaussianRates([50], 'cell');
    const density = Math.exp(-0.5 * (20 / 50) ** 2) / (50 * Math.sqrt(2 * Math.PI));
    expect(rates.bits(0, 0, 10)).toBeCloseTo(-Math.log2(2 * density), 3);
  });

  it('refuses scales out of range', () => {
    for (const sigma of [0, -1, Number.NaN, 5000]) expect(() => gaussianRates([sigma])).toThrow(UsageError);
  });
});

describe('countedRates', () => {
  it('code the indices they were counted on in fewer bits than the prior', () => {
    const task = randomTask(3, 20000);
    const { indices } = searchTrellis(task);
    const counted = countedRates(indices, { prior: task.tables, tableIndices: task.tableIndices });
    const quantizers = quantizersOf(indices);
    const bits = (rates: RateTables) =>
      indices.reduce((sum, k, n) => sum + rates.bits(task.tableIndices[n], quantizers[n], k), 0);
    expect(bits(counted)).toBeLessThan(0.99 * bits(task.tables));
  });

  it('refuse lengths and tables that do not fit', () => {
    const prior = gaussianRates([1]);
    expect(() => countedRates(new Int32Array(2), { prior, tableIndices: new Uint8Array(1) })).toThrow(
      UsageError,
    );
    expect(() => countedRates(new Int32Array(1), { prior, tableIndices: Uint8Array.of(1) })).toThrow(
      /0 to 0/,
    );
  });
});
