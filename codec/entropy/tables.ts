/**
 * Integer frequency tables for the entropy coder, a whole set flattened into typed arrays.
 * Table t gives frequencies to the integers from firstSymbols[t] on and, as its last entry, to the escape.
 * Invariants, checked once when a set is made: every frequency is at least 1, each table sums to exactly 65536,
 * symbols lie within ±2^30. The decoder leans on them: any 16 bits land in some entry, so it cannot run away.
 * Look-up: each table has 256 to 4096 buckets over 0..65535, about twice its entries or more (measured best);
 * a bucket names the entry that holds its first slot, from where the decoder walks. Worst walk: one bucket.
 * Integers only; costs in bits for the encoder's search come from costs.ts.
 */
import { FormatError, UsageError } from '../../src/errors.js';
import { entryCosts } from './costs.js';
import { escapeBits } from './escape.js';

/** All frequencies of a table sum to this: probabilities have 16 bits. */
export const FREQUENCY_TOTAL = 65536;

const SYMBOL_LIMIT = 1 << 30;
const MIN_BUCKET_BITS = 8;
const MAX_BUCKET_BITS = 12;

/** One table, readable: frequencies of `firstSymbol`, `firstSymbol + 1`, ..., and last of the escape. */
export interface FrequencyTable {
  readonly firstSymbol: number;
  /** 1..65536 each, sum 65536; one entry per symbol plus the escape. */
  readonly frequencies: Uint32Array;
}

/** A set of tables as a model file stores it. */
export interface TableTensors {
  /** Frequency - 1 of every entry, tables one after the other: 65536 does not fit 16 bits, 0 never happens. */
  readonly frequenciesMinusOne: Uint16Array;
  /** Smallest symbol, per table. */
  readonly firstSymbols: Int32Array;
  /** Entries including the escape, per table. */
  readonly sizes: Int32Array;
}

/**
 * An immutable set of frequency tables. The arrays are public for the coder's and the quantizers' inner loops;
 * they are never to be written.
 *
 * @example
 * const tables = TableSet.fromTables([{ firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) }]);
 * tables.bits(0, 0); // => 1
 * tables.bits(0, 3); // => 7
 * tables.symbolIndex(0, 1); // => 2
 */
export class TableSet {
  /** Number of tables. */
  readonly count: number;
  /** Smallest symbol of each table, `[count]`. */
  readonly firstSymbols: Int32Array;
  /** Entries of each table, escape included, `[count]`. */
  readonly sizes: Int32Array;
  /** Where each table begins in `entries` and `costs`, `[count + 1]`. */
  readonly offsets: Int32Array;
  /** `start | (frequency - 1) << 16` of every entry, tables one after the other. */
  readonly entries: Uint32Array;
  /** Index into `entries` per bucket, tables one after the other. */
  readonly buckets: Uint32Array;
  /** Four int32 per table: first bucket, shift from slot to bucket, symbol minus entry index, escape's entry. */
  readonly rows: Int32Array;
  #costs: Float32Array | undefined;

  private constructor(entries: Uint32Array, firstSymbols: Int32Array, sizes: Int32Array) {
    this.count = sizes.length;
    this.entries = entries;
    this.firstSymbols = firstSymbols;
    this.sizes = sizes;
    this.offsets = new Int32Array(sizes.length + 1);
    for (let t = 0; t < sizes.length; t++) this.offsets[t + 1] = this.offsets[t] + sizes[t];
    this.rows = new Int32Array(4 * sizes.length);
    this.buckets = this.#makeBuckets();
  }

  #makeBuckets(): Uint32Array {
    const bits = Array.from(this.sizes, bucketBits);
    const buckets = new Uint32Array(bits.reduce((sum, b) => sum + (1 << b), 0));
    let next = 0;
    for (let t = 0; t < this.count; t++) {
      const shift = 16 - bits[t];
      const offset = this.offsets[t];
      const escapeEntry = offset + this.sizes[t] - 1;
      this.rows.set([next, shift, this.firstSymbols[t] - offset, escapeEntry], 4 * t);
      let entry = offset;
      for (let slot = 0; slot < FREQUENCY_TOTAL; slot += 1 << shift) {
        while (entry < escapeEntry && (this.entries[entry + 1] & 0xffff) <= slot) entry++;
        buckets[next++] = entry;
      }
    }
    return buckets;
  }

  /**
   * Make a set from flattened frequencies.
   *
   * @param frequencies - 1..65536 each, tables one after the other, each table ending with its escape
   * @param firstSymbols - smallest symbol of each table, `[count]`
   * @param sizes - entries of each table including the escape, `[count]`, 1..65536
   * @throws FormatError if lengths disagree, a frequency is 0, a table does not sum to 65536, or a symbol is beyond ±2^30
   * @example
   * const tables = TableSet.fromFrequencies(Uint16Array.of(65535, 1), Int32Array.of(0), Int32Array.of(2));
   * tables.count; // => 1
   */
  static fromFrequencies(
    frequencies: Uint16Array | Uint32Array,
    firstSymbols: Int32Array,
    sizes: Int32Array,
  ): TableSet {
    checkLayout(frequencies.length, firstSymbols, sizes);
    const entries = new Uint32Array(frequencies.length);
    let entry = 0;
    for (let t = 0; t < sizes.length; t++) {
      let start = 0;
      for (const end = entry + sizes[t]; entry < end; entry++) {
        const frequency = frequencies[entry];
        if (frequency < 1 || frequency > FREQUENCY_TOTAL - start) {
          const room = FREQUENCY_TOTAL - start;
          throw new FormatError(
            `Expected 1 to ${room} for frequency ${entry} of table ${t} but found ${frequency}`,
          );
        }
        entries[entry] = start | ((frequency - 1) << 16);
        start += frequency;
      }
      if (start !== FREQUENCY_TOTAL) {
        throw new FormatError(
          `Expected ${FREQUENCY_TOTAL} for the sum of frequency table ${t} but found ${start}`,
        );
      }
    }
    return new TableSet(entries, firstSymbols.slice(), sizes.slice());
  }

  /**
   * Make a set from readable tables.
   *
   * @throws FormatError as `fromFrequencies`
   * @example
   * TableSet.fromTables([{ firstSymbol: 0, frequencies: Uint32Array.of(65536) }]).bits(0, 0); // => 2
   */
  static fromTables(tables: readonly FrequencyTable[]): TableSet {
    const sizes = Int32Array.from(tables, (table) => table.frequencies.length);
    const frequencies = new Uint32Array(sizes.reduce((sum, size) => sum + size, 0));
    let offset = 0;
    for (const table of tables) {
      frequencies.set(table.frequencies, offset);
      offset += table.frequencies.length;
    }
    const firstSymbols = tables.map((table) => table.firstSymbol);
    firstSymbols.forEach(checkSymbol);
    return TableSet.fromFrequencies(frequencies, Int32Array.from(firstSymbols), sizes);
  }

  /**
   * Make a set from what `toTensors` gave.
   *
   * @throws FormatError as `fromFrequencies`
   * @example
   * const tables = gaussianTables([1, 2]);
   * TableSet.fromTensors(tables.toTensors()).bits(1, 0) === tables.bits(1, 0); // => true
   */
  static fromTensors(tensors: TableTensors): TableSet {
    const frequencies = Uint32Array.from(tensors.frequenciesMinusOne, (f) => f + 1);
    return TableSet.fromFrequencies(frequencies, tensors.firstSymbols, tensors.sizes);
  }

  /**
   * The set as plain typed arrays (copies) for a model file.
   *
   * @example
   * Array.from(gaussianTables([0.11]).toTensors().frequenciesMinusOne); // => [65534, 0]
   */
  toTensors(): TableTensors {
    return {
      frequenciesMinusOne: Uint16Array.from(this.entries, (entry) => entry >>> 16),
      firstSymbols: this.firstSymbols.slice(),
      sizes: this.sizes.slice(),
    };
  }

  /**
   * One table of the set, as a copy.
   *
   * @throws UsageError if there is no such table
   * @example
   * Array.from(gaussianTables([0.11]).table(0).frequencies); // => [65535, 1]
   */
  table(table: number): FrequencyTable {
    checkTable(this, table);
    const packed = this.entries.subarray(this.offsets[table], this.offsets[table + 1]);
    return {
      firstSymbol: this.firstSymbols[table],
      frequencies: Uint32Array.from(packed, (entry) => (entry >>> 16) + 1),
    };
  }

  /**
   * Index of an int32 `value` within its table: `value - firstSymbol`, or `size - 1` (the escape) outside the range.
   *
   * @throws UsageError if there is no such table
   * @example
   * gaussianTables([0.11]).symbolIndex(0, 5); // => 1
   */
  symbolIndex(table: number, value: number): number {
    checkTable(this, table);
    const escapeIndex = this.sizes[table] - 1;
    const index = value - this.firstSymbols[table];
    return index >= 0 && index < escapeIndex ? index : escapeIndex;
  }

  /**
   * Cost of coding an int32 `value` with a table, in bits (float32 precision), the escape code included. The coder
   * comes within a few parts in 10^5 of the sum of these, plus 4 bytes per stream.
   *
   * @throws UsageError if there is no such table
   * @example
   * gaussianTables([1]).bits(0, 0).toFixed(2); // => "1.38"
   */
  bits(table: number, value: number): number {
    const index = this.symbolIndex(table, value);
    const cost = this.costs[this.offsets[table] + index];
    if (index < this.sizes[table] - 1) return cost;
    const first = this.firstSymbols[table];
    return cost + escapeBits(value, first, first + this.sizes[table] - 2);
  }

  /** Bits of every entry, aligned with `entries`; made on first use. An escape's bypass bits are not in it. */
  get costs(): Float32Array {
    this.#costs ??= entryCosts(this.entries);
    return this.#costs;
  }
}

/**
 * Check a table index.
 *
 * @throws UsageError if it is no integer in 0 .. `tables.count - 1`
 */
export function checkTable(tables: TableSet, table: number): void {
  if (!(Number.isInteger(table) && table >= 0 && table < tables.count)) {
    throw new UsageError(`Expected 0 to ${tables.count - 1} for the table index but received ${table}`);
  }
}

function bucketBits(size: number): number {
  const wanted = 33 - Math.clz32(size - 1);
  return Math.min(MAX_BUCKET_BITS, Math.max(MIN_BUCKET_BITS, wanted));
}

function checkSymbol(symbol: number, table: number): void {
  if (!(Number.isInteger(symbol) && symbol >= -SYMBOL_LIMIT && symbol <= SYMBOL_LIMIT)) {
    throw new FormatError(
      `Expected an integer within ±2^30 for the symbols of table ${table} but found ${symbol}`,
    );
  }
}

function checkLayout(total: number, firstSymbols: Int32Array, sizes: Int32Array): void {
  if (firstSymbols.length !== sizes.length) {
    throw new FormatError(
      `Expected ${sizes.length} first symbols for as many tables but found ${firstSymbols.length}`,
    );
  }
  let sum = 0;
  for (let t = 0; t < sizes.length; t++) {
    if (sizes[t] < 1 || sizes[t] > FREQUENCY_TOTAL) {
      throw new FormatError(
        `Expected 1 to ${FREQUENCY_TOTAL} entries for frequency table ${t} but found ${sizes[t]}`,
      );
    }
    checkSymbol(firstSymbols[t], t);
    checkSymbol(firstSymbols[t] + Math.max(0, sizes[t] - 2), t);
    sum += sizes[t];
  }
  if (sum !== total)
    throw new FormatError(`Expected ${sum} frequencies for ${sizes.length} tables but found ${total}`);
}
