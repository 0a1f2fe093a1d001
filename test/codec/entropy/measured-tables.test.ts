/** Tables from probability mass functions and from counts. */
import { describe, expect, it } from 'vitest';
import {
  countSymbols,
  gaussianTables,
  TableSet,
  tablesFromCounts,
  tablesFromProbabilities,
} from '../../../codec/entropy/index.js';
import { UsageError } from '../../../src/errors.js';
import { Random } from './random.js';

describe('tablesFromProbabilities', () => {
  it('gives the rest to the escape and at least 1 to everything', () => {
    const tables = tablesFromProbabilities(
      [Float64Array.of(0.5, 0.25), Float64Array.of(1, 0), new Float64Array(0)],
      [3, 0, 0],
    );
    expect(Array.from(tables.table(0).frequencies)).toEqual([32768, 16384, 16384]);
    expect(Array.from(tables.table(1).frequencies)).toEqual([65534, 1, 1]);
    expect(Array.from(tables.table(2).frequencies)).toEqual([65536]);
    expect(Array.from(tables.firstSymbols)).toEqual([3, 0, 0]);
  });

  it('refuses sums above 1, negative probabilities and missing first symbols', () => {
    expect(() => tablesFromProbabilities([Float64Array.of(0.75, 0.5)], [0])).toThrow(UsageError);
    expect(() => tablesFromProbabilities([Float64Array.of(0.75, -0.5)], [0])).toThrow(UsageError);
    expect(() => tablesFromProbabilities([Float64Array.of(1)], [])).toThrow(UsageError);
  });
});

describe('tablesFromCounts', () => {
  const layout = gaussianTables([1, 3]);
  const firstSymbols = layout.firstSymbols;

  it('leaves no symbol without probability and follows the prior where nothing was seen', () => {
    const nothing = Array.from(layout.sizes, (size) => new Float64Array(size));
    expect(tablesFromCounts(nothing, firstSymbols, { prior: layout }).entries).toEqual(layout.entries);
    const flat = tablesFromCounts(nothing, firstSymbols);
    expect(new Set(flat.table(0).frequencies).size).toBeLessThanOrEqual(2);
  });

  it('approaches the counts where much was seen', () => {
    const random = new Random(41);
    const indices = Uint8Array.from({ length: 400_000 }, () => random.below(2));
    const values = Int32Array.from(indices, (t) => Math.round(random.normal() * (t === 0 ? 0.8 : 2.4)));
    const counts = countSymbols(layout, indices, values);
    const counted = tablesFromCounts(counts, firstSymbols, { prior: layout });
    const cost = (tables: TableSet) =>
      values.reduce((sum, value, i) => sum + tables.bits(indices[i], value), 0);
    expect(cost(counted)).toBeLessThan(cost(layout) * 0.98);
    expect(cost(counted)).toBeLessThan(cost(gaussianTables([0.8, 2.4])) * 1.001);
  });

  it('adds to earlier counts and counts what is outside as escape', () => {
    const table = TableSet.fromTables([{ firstSymbol: 0, frequencies: Uint32Array.of(65535, 1) }]);
    const counts = countSymbols(table, new Uint8Array(3), Int32Array.of(0, -1, 2 ** 31 - 1));
    countSymbols(table, new Uint8Array(1), Int32Array.of(0), counts);
    expect(Array.from(counts[0])).toEqual([2, 2]);
  });

  it('refuses what does not fit together', () => {
    const counts = Array.from(layout.sizes, (size) => new Float64Array(size));
    expect(() => tablesFromCounts(counts, [0])).toThrow(UsageError);
    expect(() => tablesFromCounts(counts, firstSymbols, { priorWeight: 0 })).toThrow(UsageError);
    expect(() => tablesFromCounts(counts, firstSymbols, { prior: gaussianTables([1]) })).toThrow(UsageError);
    expect(() => tablesFromCounts(counts, firstSymbols, { prior: gaussianTables([1, 9]) })).toThrow(
      UsageError,
    );
    expect(() => tablesFromCounts([Float64Array.of(-1, 2)], [0])).toThrow(UsageError);
    expect(() => countSymbols(layout, new Uint8Array(1), new Int32Array(2))).toThrow(UsageError);
    expect(() => countSymbols(layout, Uint8Array.of(2), new Int32Array(1))).toThrow(UsageError);
  });
});
