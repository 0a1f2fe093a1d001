/** Table sets: validation, storage, look-ups, costs. */
import { describe, expect, it } from 'vitest';
import { gaussianTables, scaleTable, TableSet } from '../../../codec/entropy/index.js';
import { FormatError, UsageError } from '../../../src/errors.js';

const int32 = (...values: number[]) => Int32Array.of(...values);

describe('validation', () => {
  it.each([
    ['a zero frequency', Uint16Array.of(65535, 0, 1), int32(0), int32(3)],
    ['a sum too small', Uint16Array.of(65534, 1), int32(0), int32(2)],
    ['a sum too large', Uint32Array.of(65535, 2), int32(0), int32(2)],
    ['a huge frequency', Uint32Array.of(2 ** 32 - 1, 2), int32(0), int32(2)],
    ['an empty table', Uint16Array.of(), int32(0), int32(0)],
    ['a negative size', Uint16Array.of(65535, 1), int32(0, 0), int32(3, -1)],
    ['a size too large', new Uint32Array(65537).fill(1), int32(0), int32(65537)],
    ['sizes beyond the frequencies', Uint16Array.of(65535, 1), int32(0), int32(3)],
    ['frequencies beyond the sizes', Uint16Array.of(65535, 1, 1), int32(0), int32(2)],
    ['a missing first symbol', Uint16Array.of(65535, 1), int32(), int32(2)],
    ['a first symbol too small', Uint16Array.of(65535, 1), int32(-(2 ** 30) - 1), int32(2)],
    ['a last symbol too large', Uint16Array.of(65534, 1, 1), int32(2 ** 30), int32(3)],
  ])('refuses %s', (_, frequencies, firstSymbols, sizes) => {
    expect(() => TableSet.fromFrequencies(frequencies, firstSymbols, sizes)).toThrow(FormatError);
  });

  it('refuses a fractional first symbol and an unknown table', () => {
    const frequencies = Uint32Array.of(65536);
    expect(() => TableSet.fromTables([{ firstSymbol: 0.5, frequencies }])).toThrow(FormatError);
    const tables = TableSet.fromTables([{ firstSymbol: 0, frequencies }]);
    expect(() => tables.bits(1, 0)).toThrow(UsageError);
    expect(() => tables.table(-1)).toThrow(UsageError);
  });

  it('accepts no tables at all', () => {
    expect(TableSet.fromTables([]).count).toBe(0);
  });
});

describe('storage', () => {
  it('brings back the same set from its tensors, 65536 included', () => {
    const tables = TableSet.fromTables([
      { firstSymbol: 3, frequencies: Uint32Array.of(65536) },
      { firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) },
    ]);
    const tensors = tables.toTensors();
    expect(Array.from(tensors.frequenciesMinusOne)).toEqual([65535, 16383, 32767, 8191, 8191]);
    const again = TableSet.fromTensors(tensors);
    expect(again.entries).toEqual(tables.entries);
    expect(again.table(1)).toEqual({
      firstSymbol: -1,
      frequencies: Uint32Array.of(16384, 32768, 8192, 8192),
    });
  });

  it('keeps its own copies', () => {
    const firstSymbols = int32(0);
    const tables = TableSet.fromFrequencies(Uint16Array.of(65535, 1), firstSymbols, int32(2));
    firstSymbols[0] = 9;
    expect(tables.firstSymbols[0]).toBe(0);
  });
});

describe('look-up', () => {
  it('starts every bucket at the entry of its first slot', () => {
    const tables = gaussianTables(scaleTable());
    for (let t = 0; t < tables.count; t++) {
      const [bucket, shift, , escapeEntry] = tables.rows.subarray(4 * t, 4 * t + 4);
      for (let slot = 0; slot < 65536; slot += 1 << shift) {
        const entry = tables.buckets[bucket + (slot >>> shift)];
        const start = tables.entries[entry] & 0xffff;
        expect(entry >= tables.offsets[t] && entry <= escapeEntry).toBe(true);
        expect(start <= slot && slot <= start + (tables.entries[entry] >>> 16)).toBe(true);
      }
    }
  });

  it('stays small', () => {
    const tables = gaussianTables(scaleTable());
    const { buckets, entries } = tables;
    expect(buckets.byteLength + entries.byteLength).toBeLessThan(400_000);
  });
});

describe('costs', () => {
  it('are the logarithms of the frequencies, plus the escape code outside', () => {
    const tables = TableSet.fromTables([
      { firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) },
    ]);
    expect(Array.from(tables.costs)).toEqual([2, 1, 3, 3]);
    expect([-3, -2, -1, 0, 1, 2, 3].map((value) => tables.bits(0, value))).toEqual([7, 5, 2, 1, 3, 5, 7]);
    expect(tables.bits(0, -(2 ** 31))).toBe(3 + 62);
  });
});
