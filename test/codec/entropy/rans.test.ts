/** Round trips of the rANS coder, its readable twin, its golden bytes and its refusal of misuse. */
import { describe, expect, it } from 'vitest';
import {
  gaussianTables,
  quantizeFrequencies,
  RansDecoder,
  RansEncoder,
  scaleTable,
  TableSet,
} from '../../../codec/entropy/index.js';
import { FormatError, IntegrityError, UsageError } from '../../../src/errors.js';
import { machines, TrellisState } from '../../../trellis/index.js';
import { Random } from './random.js';
import { referenceEncode } from './reference-rans.js';

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const small = TableSet.fromTables([
  { firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) },
  { firstSymbol: 5, frequencies: Uint32Array.of(65536) },
  { firstSymbol: 7, frequencies: Uint32Array.of(65535, 1) },
  { firstSymbol: -3, frequencies: Uint32Array.of(1, 65535) },
  { firstSymbol: -(2 ** 30), frequencies: Uint32Array.of(65536) },
  { firstSymbol: 2 ** 30, frequencies: Uint32Array.of(30000, 35536) },
]);

function randomTables(random: Random, sizes: readonly number[]): TableSet {
  return TableSet.fromTables(
    sizes.map((size) => ({
      firstSymbol: random.below(2001) - 1000,
      frequencies: quantizeFrequencies(Float64Array.from({ length: size }, () => random.uniform() ** 4)),
    })),
  );
}

function expectRoundTrip(
  tables: TableSet,
  tableIndices: Uint8Array | Uint16Array,
  values: Int32Array,
): Uint8Array {
  const count = values.length;
  const bulk = new RansEncoder();
  bulk.putIndices(tables, tableIndices, values, 0, count);
  const single = new RansEncoder();
  values.forEach((value, i) => {
    single.putValue(tables, tableIndices[i], value);
  });
  const bytes = bulk.finish();
  expect(single.finish()).toEqual(bytes);

  const decoded = new Int32Array(count);
  const bulkDecoder = new RansDecoder(bytes);
  bulkDecoder.getIndices(tables, tableIndices, decoded, 0, count);
  bulkDecoder.finish();
  expect(decoded).toEqual(values);
  const singleDecoder = new RansDecoder(bytes);
  expect(Int32Array.from(values, (_, i) => singleDecoder.getValue(tables, tableIndices[i]))).toEqual(values);
  singleDecoder.finish();
  return bytes;
}

describe('golden bytes', () => {
  it('codes the example of the documentation to these bytes', () => {
    const encoder = new RansEncoder();
    encoder.putIndices(small, new Uint8Array(4), Int32Array.of(0, -1, 1, 300), 0, 4);
    encoder.putBits(5, 3);
    expect(Array.from(encoder.finish())).toEqual([32, 62, 64, 4, 43, 160, 0]);
  });

  it('codes nothing to the initial state', () => {
    expect(Array.from(new RansEncoder().finish())).toEqual([0, 128, 0, 0]);
    new RansDecoder(Uint8Array.of(0, 128, 0, 0)).finish();
  });
});

describe('round trips', () => {
  it('brings back Gaussian values of every scale', () => {
    const random = new Random(1);
    const scales = scaleTable();
    const indices = Uint8Array.from({ length: 50_000 }, () => random.below(64));
    const values = Int32Array.from(indices, (t) => Math.round(random.normal() * scales[t]));
    expectRoundTrip(gaussianTables(scales), indices, values);
  });

  it('brings back values of random tables, 16-bit table indices', () => {
    const random = new Random(2);
    const sizes = Array.from({ length: 300 }, () => 1 + random.below(random.below(8) === 0 ? 2000 : 12));
    const indices = Uint16Array.from({ length: 20_000 }, () => random.below(300));
    const tables = randomTables(random, sizes);
    const values = Int32Array.from(indices, (t) => tables.firstSymbols[t] + random.below(sizes[t] + 4) - 2);
    expectRoundTrip(tables, indices, values);
  });

  it('brings back a table of 65536 entries', () => {
    const tables = TableSet.fromTables([{ firstSymbol: -100, frequencies: new Uint32Array(65536).fill(1) }]);
    const values = Int32Array.of(-101, -100, 0, 30_000, 65_434, 65_435);
    expectRoundTrip(tables, new Uint8Array(values.length), values);
  });

  it('brings back the ends of int32 from every kind of table', () => {
    const extremes = [
      INT32_MIN,
      INT32_MIN + 1,
      -(2 ** 30) - 1,
      -(2 ** 30),
      -1,
      0,
      1,
      2 ** 30,
      2 ** 30 + 1,
      INT32_MAX,
    ];
    const values = Int32Array.from(
      { length: small.count * extremes.length },
      (_, i) => extremes[i % extremes.length],
    );
    expectRoundTrip(
      small,
      Uint8Array.from(values, (_, i) => Math.floor(i / extremes.length)),
      values,
    );
  });

  it('spends nothing on a symbol with frequency 65536', () => {
    const encoder = new RansEncoder();
    for (let i = 0; i < 1000; i++) encoder.putSymbol(small, 1, 0);
    const bytes = encoder.finish();
    expect(bytes.length).toBe(4);
    const decoder = new RansDecoder(bytes);
    for (let i = 0; i < 1000; i++) expect(decoder.getSymbol(small, 1)).toBe(0);
    decoder.finish();
  });

  it('brings back the empty stream', () => {
    expect(expectRoundTrip(small, new Uint8Array(0), new Int32Array(0)).length).toBe(4);
  });

  it('brings back a sub-range and leaves the rest alone', () => {
    const values = Int32Array.of(9, 0, 1, 9);
    const encoder = new RansEncoder();
    encoder.putIndices(small, new Uint8Array(4), values, 1, 2);
    const decoder = new RansDecoder(encoder.finish());
    const decoded = new Int32Array(4).fill(-7);
    decoder.getIndices(small, new Uint8Array(4), decoded, 1, 2);
    decoder.finish();
    expect(Array.from(decoded)).toEqual([-7, 0, 1, -7]);
  });

  it('brings back symbols, values and bits in any mixture, as its twin codes them', () => {
    const random = new Random(3);
    const tables = randomTables(random, [1, 2, 3, 10, 100, 1000]);
    const encoder = new RansEncoder();
    const operations: [number, number][] = [];
    const reads: ((decoder: RansDecoder) => void)[] = [];
    for (let i = 0; i < 20_000; i++) {
      if (random.below(3) === 0) {
        const count = random.below(17);
        const value = random.below(2 ** count);
        encoder.putBits(value, count);
        operations.push([value * 2 ** (16 - count), 2 ** (16 - count)]);
        reads.push((decoder) => expect(decoder.getBits(count)).toBe(value));
      } else {
        const t = random.below(6);
        const index = random.below(tables.sizes[t]);
        const { frequencies } = tables.table(t);
        encoder.putSymbol(tables, t, index);
        operations.push([frequencies.subarray(0, index).reduce((sum, f) => sum + f, 0), frequencies[index]]);
        reads.push((decoder) => expect(decoder.getSymbol(tables, t)).toBe(index));
      }
    }
    const bytes = encoder.finish();
    expect(bytes).toEqual(referenceEncode(operations));
    const padded = new Uint8Array(bytes.length + 10).fill(255);
    padded.set(bytes, 3);
    const decoder = new RansDecoder(padded, 3, bytes.length);
    for (const read of reads) read(decoder);
    decoder.finish();
  });

  it('can be finished, continued and finished again', () => {
    const encoder = new RansEncoder();
    encoder.putBits(3, 2);
    expect(encoder.finish()).toEqual(encoder.finish());
    encoder.putBits(1, 1);
    const decoder = new RansDecoder(encoder.finish());
    expect([decoder.getBits(2), decoder.getBits(1)]).toEqual([3, 1]);
    decoder.finish();
  });
});

describe.each(['vvc4', 'av2-8', 'ungerboeck16', 'ungerboeck32', 'ungerboeck64'] as const)(
  'with the state machine %s',
  (name) => {
    /** Pairs of tables, narrow enough that one value in ten escapes. */
    function stream(seed: number, count: number) {
      const random = new Random(seed);
      const pairs = 9;
      const tables = randomTables(
        random,
        Array.from({ length: 2 * pairs }, () => 2 + random.below(12)),
      );
      const tableIndices = Uint8Array.from({ length: count }, () => random.below(pairs));
      const extremes = [INT32_MIN, INT32_MIN + 1, INT32_MAX - 1, INT32_MAX];
      const values = Int32Array.from(tableIndices, (pair) => {
        if (random.below(50) === 0) return extremes[random.below(4)];
        const table = 2 * pair + random.below(2);
        return tables.firstSymbols[table] + random.below(tables.sizes[table] + 1) - 1;
      });
      const state = new TrellisState(name);
      const encoder = new RansEncoder();
      const used = values.map((value, i) => {
        const table = 2 * tableIndices[i] + state.quantizer;
        encoder.putValue(tables, table, value);
        state.step(value);
        return table;
      });
      return { tables, tableIndices, values, used, bytes: encoder.finish() };
    }

    it('reads what was coded symbol by symbol with the table of the state', () => {
      const { tables, tableIndices, values, used, bytes } = stream(21, 20_000);
      const decoder = new RansDecoder(bytes);
      const decoded = new Int32Array(values.length);
      decoder.getIndices(tables, tableIndices, decoded, 0, values.length, machines[name]);
      decoder.finish();
      expect(decoded).toEqual(values);

      const state = new TrellisState(name);
      const single = new RansDecoder(bytes);
      for (const [i, value] of values.entries()) {
        const table = 2 * tableIndices[i] + state.quantizer;
        const found = single.getValue(tables, table);
        state.step(found);
        if (found !== value || table !== used[i]) expect([i, table, found]).toEqual([i, used[i], value]);
      }
      single.finish();
      const escapes = values.filter(
        (value, i) => tables.symbolIndex(used[i], value) === tables.sizes[used[i]] - 1,
      );
      expect(escapes.length).toBeGreaterThan(1000);
    });

    it('starts in state 0 with every call and leaves other values alone', () => {
      const first = stream(22, 7);
      const second = stream(22, 7);
      const encoder = new RansEncoder();
      for (const { tables, used, values } of [first, second]) {
        encoder.putIndices(tables, Uint16Array.from(used), values, 0, values.length);
      }
      const decoder = new RansDecoder(encoder.finish());
      for (const { tables, tableIndices, values } of [first, second]) {
        const decoded = new Int32Array(values.length + 2).fill(-9);
        const shifted = Uint8Array.of(0, ...tableIndices, 0);
        decoder.getIndices(tables, shifted, decoded, 1, values.length, machines[name]);
        expect(Array.from(decoded)).toEqual([-9, ...values, -9]);
      }
      decoder.finish();
    });

    it('refuses pairs that are not there', () => {
      const { tables, bytes } = stream(23, 3);
      const read = (pair: number) => () =>
        new RansDecoder(bytes).getIndices(
          tables,
          Uint8Array.of(pair),
          new Int32Array(1),
          0,
          1,
          machines[name],
        );
      expect(read(8)).not.toThrow();
      expect(read(9)).toThrow(UsageError);
      expect(read(255)).toThrow(UsageError);
    });
  },
);

describe('cost', () => {
  it('comes within 0.01 % and 4 bytes of what the tables say', () => {
    const random = new Random(4);
    const scales = scaleTable();
    const tables = gaussianTables(scales);
    const indices = Uint8Array.from({ length: 200_000 }, () => Math.floor(random.uniform() ** 2 * 33));
    const values = Int32Array.from(indices, (t) => Math.round(random.normal() * scales[t]));
    const bits = values.reduce((sum, value, i) => sum + tables.bits(indices[i], value), 0);
    const bytes = expectRoundTrip(tables, indices, values);
    expect(8 * bytes.length).toBeGreaterThan(bits);
    expect(8 * bytes.length).toBeLessThan(bits * 1.0001 + 32);
  });
});

describe('misuse', () => {
  const encoder = new RansEncoder();
  const stream = encoder.finish();
  const two = new Int32Array(2);

  it.each([
    ['a table index too large', () => encoder.putIndices(small, Uint8Array.of(6, 0), two, 0, 2)],
    ['a range beyond the values', () => encoder.putIndices(small, new Uint8Array(9), two, 1, 2)],
    ['a range beyond the table indices', () => encoder.putIndices(small, new Uint8Array(1), two, 0, 2)],
    ['a negative offset', () => encoder.putIndices(small, new Uint8Array(2), two, -1, 1)],
    ['a negative table', () => encoder.putSymbol(small, -1, 0)],
    ['a symbol index too large', () => encoder.putSymbol(small, 0, 4)],
    ['a value beyond int32', () => encoder.putValue(small, 0, 2 ** 31)],
    ['a fraction', () => encoder.putValue(small, 0, 0.5)],
    ['too many bits', () => encoder.putBits(0, 17)],
    ['bits that do not fit', () => encoder.putBits(4, 2)],
    ['a slice beyond the bytes', () => new RansDecoder(stream, 1, 4)],
    ['a negative slice', () => new RansDecoder(stream, 6)],
    ['an unknown table when reading', () => new RansDecoder(stream).getSymbol(small, 6)],
    [
      'an unknown table when reading many',
      () => new RansDecoder(stream).getIndices(small, Uint8Array.of(6), two, 0, 1),
    ],
    ['too many bits when reading', () => new RansDecoder(stream).getBits(17)],
  ])('refuses %s', (_, misuse) => {
    expect(misuse).toThrow(UsageError);
  });

  it('tells a wrong start, a wrong end and left-over bytes apart', () => {
    expect(() => new RansDecoder(stream, 0, 3)).toThrow(FormatError);
    expect(() => new RansDecoder(Uint8Array.of(0, 127, 255, 255))).toThrow(FormatError);
    expect(() => new RansDecoder(Uint8Array.of(128, 0, 0, 0))).toThrow(FormatError);
    expect(() => new RansDecoder(Uint8Array.of(0, 128, 0, 1)).finish()).toThrow(IntegrityError);
    expect(() => new RansDecoder(Uint8Array.of(0, 128, 0, 0, 0)).finish()).toThrow(IntegrityError);
    expect(() => new RansDecoder(stream).getBits(16)).toThrow(FormatError);
  });
});
