import { expect, it } from 'vitest';
import { RansEncoder, TableSet } from '../../../codec/entropy/index.js';
import { seededNumbers } from './samples.js';

const lowest = 2n ** 23n;

/** A decoder written from docs/FORMAT.md ("Entropy coding") alone, in big integers and without any shortcut. */
function decodeSegment(segment: Uint8Array, tables: { first: bigint; frequencies: bigint[] }[]): bigint[] {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
  let state = BigInt(view.getUint32(0));
  let position = 4;
  const refill = () => {
    while (state < lowest) state = state * 256n + BigInt(segment[position++]);
  };
  const entryOf = (frequencies: bigint[]) => {
    const slot = state % 65536n;
    let start = 0n;
    let entry = 0;
    while (slot >= start + frequencies[entry]) start += frequencies[entry++];
    state = frequencies[entry] * (state / 65536n) + slot - start;
    refill();
    return entry;
  };
  const bits = (k: bigint) => {
    const slot = state % 65536n;
    const unit = 2n ** (16n - k);
    state = unit * (state / 65536n) + (slot % unit);
    refill();
    return slot / unit;
  };
  const values = tables.map(({ first, frequencies }) => {
    const entry = entryOf(frequencies);
    const escapeEntry = frequencies.length - 1;
    if (entry !== escapeEntry) return first + BigInt(entry);
    const sign = bits(1n);
    let m = 0n;
    while (bits(1n) === 0n) m++;
    const high = m > 16n ? bits(m - 16n) : 0n;
    const low = m >= 1n ? bits(m > 16n ? 16n : m) : 0n;
    const n = 2n ** m + high * 65536n + low;
    return sign === 0n ? first + BigInt(escapeEntry) - 1n + n : first - n;
  });
  expect(position).toBe(segment.length);
  expect(state).toBe(lowest);
  return values;
}

it('is coded as docs/FORMAT.md says', () => {
  const next = seededNumbers(5);
  const readable = [
    { firstSymbol: -2, frequencies: Uint32Array.of(1000, 9000, 50000, 5000, 500, 36) },
    { firstSymbol: 0, frequencies: Uint32Array.of(65535, 1) },
    { firstSymbol: 7, frequencies: Uint32Array.of(65536) },
  ];
  const tables = TableSet.fromTables(readable);
  const indices = Uint8Array.from({ length: 3000 }, () => next() % 3);
  const extremes = [2 ** 31 - 1, -(2 ** 31), 65536, -65537, 131071];
  const values = Int32Array.from(indices, (_, i) => extremes[i] ?? (next() | 0) >> (next() % 32));
  const encoder = new RansEncoder();
  encoder.putIndices(tables, indices, values, 0, values.length);
  const expected = Array.from(indices, (index) => ({
    first: BigInt(readable[index].firstSymbol),
    frequencies: Array.from(readable[index].frequencies, BigInt),
  }));
  expect(decodeSegment(encoder.finish(), expected)).toEqual(Array.from(values, BigInt));
});
