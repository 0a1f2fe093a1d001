/**
 * rANS entropy coder: one 32-bit state, bytes, 16-bit probabilities.
 * READ ME FIRST: (1) operations are pushed in decode order; the encoder keeps them and codes backwards in `finish`.
 * (2) Stream: the decoder's first state in four bytes, highest first, then the bytes in reading order.
 * (3) The encoder starts at 2^23, so a decoder that ends anywhere else has read damaged bytes.
 * Invariant between operations: 2^23 <= state < 2^31; with frequency f in 1..65536 and slot = state mod 65536
 *   encode: while state >= f * 2^15, emit a byte;  state = floor(state / f) * 2^16 + start + state mod f
 *   decode: state = f * floor(state / 2^16) + slot - start;  while state < 2^23, read a byte
 * so an operation moves at most two bytes, f = 65536 costs nothing, int32 never overflows. Integers only.
 * Bytes rather than 16-bit words: words allow states down to 2^16, where the floor wastes 0.14 % of the bits
 * (Gaussian tables at 1.2 bits a symbol; bytes: 0.002 %) and decode at the same speed.
 * Source: J. Duda, "Asymmetric numeral systems", 2013; F. Giesen, ryg_rans (rans_byte).
 */
import { FormatError, IntegrityError, UsageError } from '../../src/errors.js';
import { type BitSink, type BitSource, getEscape, putEscape } from './escape.js';
import { checkTable, type TableSet } from './tables.js';

/** One table index per value; bytes are enough for up to 256 tables. */
export type TableIndices = Uint8Array | Uint16Array;

/**
 * A finite-state machine that the parity of each value drives and that chooses between two tables (trellis-coded
 * quantization, trellis/machines.ts). It starts in state 0.
 */
export interface TableMachine {
  /** Table of a pair, 0 or 1, by state. */
  readonly quantizerOf: Uint8Array;
  /** Next state at `2 * state + parity`. */
  readonly next: Uint16Array;
}

/** Always the first table: what coding without a machine amounts to. */
const oneState: TableMachine = { quantizerOf: Uint8Array.of(0), next: Uint16Array.of(0, 0) };

/** Lower bound of every state, first state of the encoder and last of the decoder. */
const LOWEST_STATE = 1 << 23;
const STATE_BYTES = 4;
const MAX_BYTES_PER_OPERATION = 2;

/**
 * Collects operations in decode order and codes them.
 *
 * @example
 * const tables = TableSet.fromTables([{ firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) }]);
 * const encoder = new RansEncoder();
 * encoder.putIndices(tables, new Uint8Array(4), Int32Array.of(0, -1, 1, 300), 0, 4);
 * encoder.putBits(5, 3);
 * Array.from(encoder.finish()); // => [32, 62, 64, 4, 43, 160, 0]
 */
export class RansEncoder implements BitSink {
  /** `start | (frequency - 1) << 16` per operation. */
  #operations = new Uint32Array(1024);
  #count = 0;

  /**
   * Push one entry of a table: 0 is the table's first symbol, `size - 1` its escape (whose bits the caller pushes).
   *
   * @throws UsageError if there is no such table or entry
   */
  putSymbol(tables: TableSet, table: number, symbolIndex: number): void {
    checkTable(tables, table);
    if (!(Number.isInteger(symbolIndex) && symbolIndex >= 0 && symbolIndex < tables.sizes[table])) {
      const last = tables.sizes[table] - 1;
      throw new UsageError(`Expected 0 to ${last} for the symbol index but received ${symbolIndex}`);
    }
    this.#push(tables.entries[tables.offsets[table] + symbolIndex]);
  }

  /**
   * Push one int32 value, with its escape code if the table does not hold it.
   *
   * @throws UsageError if there is no such table or the value is not an int32
   */
  putValue(tables: TableSet, table: number, value: number): void {
    checkTable(tables, table);
    if ((value | 0) !== value)
      throw new UsageError(`Expected a 32-bit integer to code but received ${value}`);
    const index = tables.symbolIndex(table, value);
    this.#push(tables.entries[tables.offsets[table] + index]);
    if (index === tables.sizes[table] - 1) {
      putEscape(this, value, tables.firstSymbols[table], tables.firstSymbols[table] + index - 1);
    }
  }

  /**
   * Push `count` equiprobable bits.
   *
   * @param value - 0 .. 2^count - 1
   * @param count - 0..16
   * @throws UsageError if either is out of range
   */
  putBits(value: number, count: number): void {
    checkBitCount(count);
    if (!(Number.isInteger(value) && value >= 0 && value < 1 << count)) {
      throw new UsageError(`Expected 0 to ${(1 << count) - 1} for ${count} bits but received ${value}`);
    }
    const shift = 16 - count;
    this.#push((value << shift) | (((1 << shift) - 1) << 16));
  }

  /**
   * Push `values[offset .. offset + count)`, value i with table `tableIndices[i]`, escapes included: the fast path,
   * equal to calling `putValue` for each.
   *
   * @param tableIndices - table per value, aligned with `values`
   * @throws UsageError if the range leaves either array or a table index is not below `tables.count`
   */
  putIndices(
    tables: TableSet,
    tableIndices: TableIndices,
    values: Int32Array,
    offset: number,
    count: number,
  ): void {
    checkRange(tableIndices, values, offset, count);
    const { entries, rows, firstSymbols } = tables;
    const tableCount = tables.count;
    let operations = this.#reserve(count);
    let pushed = this.#count;
    for (let i = offset; i < offset + count; i++) {
      const table = tableIndices[i];
      if (table >= tableCount) checkTable(tables, table);
      const row = table << 2;
      const value = values[i];
      const first = firstSymbols[table];
      const start = first - rows[row + 2];
      const escapeEntry = rows[row + 3];
      // Symbols lie within ±2^30, so the wrapped difference of two int32 is small only for values in the table.
      const index = (value - first) >>> 0;
      if (index < escapeEntry - start) {
        operations[pushed++] = entries[start + index];
      } else {
        operations[pushed++] = entries[escapeEntry];
        this.#count = pushed;
        putEscape(this, value, first, first + (escapeEntry - start) - 1);
        operations = this.#reserve(offset + count - i);
        pushed = this.#count;
      }
    }
    this.#count = pushed;
  }

  /**
   * Code everything pushed so far. The encoder keeps its operations: pushing more and finishing again is fine.
   *
   * @returns at least 4 bytes; exactly 4 for an empty stream, about 3.5 more than the information otherwise
   */
  finish(): Uint8Array {
    const operations = this.#operations;
    let bytes = new Uint8Array(this.#count + 64);
    let free = bytes.length;
    let state = LOWEST_STATE;
    for (let i = this.#count - 1; i >= 0; i--) {
      const operation = operations[i];
      const frequency = (operation >>> 16) + 1;
      if (state >>> 15 >= frequency) {
        if (free < MAX_BYTES_PER_OPERATION + STATE_BYTES) {
          const grown = new Uint8Array(2 * bytes.length);
          grown.set(bytes, bytes.length);
          free += bytes.length;
          bytes = grown;
        }
        do {
          bytes[--free] = state;
          state >>>= 8;
        } while (state >>> 15 >= frequency);
      }
      // Exact: the quotient's distance below the next integer is at least 2^-16, far above a double's resolution.
      const quotient = (state / frequency) | 0;
      const remainder = state - Math.imul(quotient, frequency);
      state = (quotient << 16) + remainder + (operation & 0xffff);
    }
    for (let i = 0; i < STATE_BYTES; i++) bytes[--free] = state >>> (8 * i);
    return bytes.slice(free);
  }

  #push(operation: number): void {
    this.#reserve(1)[this.#count++] = operation;
  }

  /** The operations, with room for `count` more. */
  #reserve(count: number): Uint32Array {
    const needed = this.#count + count;
    if (needed > this.#operations.length) {
      const grown = new Uint32Array(Math.max(needed, 2 * this.#operations.length));
      grown.set(this.#operations.subarray(0, this.#count));
      this.#operations = grown;
    }
    return this.#operations;
  }
}

/**
 * Reads what a `RansEncoder` wrote, by the same calls in the same order. Never reads outside its slice; on damaged
 * bytes it returns wrong values or throws, and `finish` catches what went unnoticed. After a throw it is unusable.
 *
 * @example
 * const tables = TableSet.fromTables([{ firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) }]);
 * const decoder = new RansDecoder(Uint8Array.of(32, 62, 64, 4, 43, 160, 0));
 * const values = new Int32Array(4);
 * decoder.getIndices(tables, new Uint8Array(4), values, 0, 4);
 * Array.from(values); // => [0, -1, 1, 300]
 * decoder.getBits(3); // => 5
 * decoder.finish();
 */
export class RansDecoder implements BitSource {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  #state: number;

  /**
   * @param bytes - holds the stream
   * @param offset - first byte of the stream
   * @param length - bytes of the stream, at least 4
   * @throws UsageError if the slice is not inside `bytes`
   * @throws FormatError if the length or the first state cannot come from an encoder
   */
  constructor(bytes: Uint8Array, offset = 0, length = bytes.length - offset) {
    const inside = Number.isInteger(offset) && offset >= 0 && Number.isInteger(length) && length >= 0;
    if (!inside || offset + length > bytes.length) {
      const slice = `${length} bytes at ${offset}`;
      throw new UsageError(
        `Expected a slice of ${bytes.length} bytes for the entropy stream but received ${slice}`,
      );
    }
    if (length < STATE_BYTES) {
      throw new FormatError(
        `Expected at least ${STATE_BYTES} bytes for an entropy stream but found ${length}`,
      );
    }
    this.#bytes = bytes;
    this.#end = offset + length;
    this.#position = offset + STATE_BYTES;
    this.#state =
      (bytes[offset] << 24) | (bytes[offset + 1] << 16) | (bytes[offset + 2] << 8) | bytes[offset + 3];
    if (this.#state < LOWEST_STATE) {
      const state = this.#state >>> 0;
      throw new FormatError(
        `Expected 2^23 to 2^31 - 1 for the entropy coder's first state but found ${state}`,
      );
    }
  }

  /**
   * Next entry of a table: 0 is its first symbol, `size - 1` its escape (whose bits the caller reads).
   *
   * @throws UsageError if there is no such table
   * @throws FormatError if the stream ends
   */
  getSymbol(tables: TableSet, table: number): number {
    checkTable(tables, table);
    const { entries, rows } = tables;
    const row = table << 2;
    const slot = this.#state & 0xffff;
    let entry = tables.buckets[rows[row] + (slot >>> rows[row + 1])];
    while (slot - (entries[entry] & 0xffff) > entries[entry] >>> 16) entry++;
    this.#advance((entries[entry] >>> 16) + 1, slot - (entries[entry] & 0xffff));
    return entry - tables.offsets[table];
  }

  /**
   * Next int32 value, escape code included.
   *
   * @throws UsageError if there is no such table
   * @throws FormatError if the stream ends or an escape code is damaged
   */
  getValue(tables: TableSet, table: number): number {
    const index = this.getSymbol(tables, table);
    const first = tables.firstSymbols[table];
    return index < tables.sizes[table] - 1 ? first + index : getEscape(this, first, first + index - 1);
  }

  /**
   * Next `count` equiprobable bits, 0..16, as an integer.
   *
   * @throws UsageError if `count` is out of range
   * @throws FormatError if the stream ends
   */
  getBits(count: number): number {
    checkBitCount(count);
    const shift = 16 - count;
    const slot = this.#state & 0xffff;
    this.#advance(1 << shift, slot & ((1 << shift) - 1));
    return slot >>> shift;
  }

  /**
   * Decode `count` values into `values[offset ..]`, value i with table `tableIndices[i]`, escapes included: the fast
   * path, equal to calling `getValue` for each.
   *
   * @param tableIndices - table per value, aligned with `values`; with a machine, pair of tables per value
   * @param machine - where given, value i has table `2 * tableIndices[i] + quantizer of the state`
   * @throws UsageError if the range leaves either array or a table index is not below `tables.count`
   * @throws FormatError if the stream ends or an escape code is damaged; `values` is then partly written
   */
  getIndices(
    tables: TableSet,
    tableIndices: TableIndices,
    values: Int32Array,
    offset: number,
    count: number,
    machine?: TableMachine,
  ): void {
    checkRange(tableIndices, values, offset, count);
    const { entries, buckets, rows, firstSymbols } = tables;
    const { quantizerOf, next } = machine ?? oneState;
    const pair = machine ? 1 : 0;
    const tableCount = tables.count;
    let machineState = 0;
    const bytes = this.#bytes;
    const end = this.#end;
    let position = this.#position;
    let state = this.#state;
    for (let i = offset; i < offset + count; i++) {
      const table = (tableIndices[i] << pair) + quantizerOf[machineState];
      if (table >= tableCount) checkTable(tables, table);
      const row = table << 2;
      const slot = state & 0xffff;
      let entry = buckets[rows[row] + (slot >>> rows[row + 1])];
      let packed = entries[entry];
      let above = slot - (packed & 0xffff);
      while (above > packed >>> 16) {
        above -= (packed >>> 16) + 1;
        packed = entries[++entry];
      }
      state = Math.imul((packed >>> 16) + 1, state >>> 16) + above;
      while (state < LOWEST_STATE) {
        if (position >= end) throw endOfStream(position);
        state = (state << 8) | bytes[position++];
      }
      let value = entry + rows[row + 2];
      if (entry === rows[row + 3]) {
        this.#position = position;
        this.#state = state;
        value = getEscape(this, firstSymbols[table], value - 1);
        position = this.#position;
        state = this.#state;
      }
      values[i] = value;
      machineState = next[2 * machineState + (value & 1)];
    }
    this.#position = position;
    this.#state = state;
  }

  /**
   * Check that the stream ends here.
   *
   * @throws IntegrityError if bytes are left or the state is not the encoder's first
   */
  finish(): void {
    const left = this.#end - this.#position;
    if (left !== 0) {
      throw new IntegrityError(`Expected the end of the entropy stream but ${left} bytes are left`);
    }
    if (this.#state !== LOWEST_STATE) {
      throw new IntegrityError(`Expected 2^23 for the entropy coder's last state but found ${this.#state}`);
    }
  }

  #advance(frequency: number, above: number): void {
    let state = Math.imul(frequency, this.#state >>> 16) + above;
    while (state < LOWEST_STATE) {
      if (this.#position >= this.#end) throw endOfStream(this.#position);
      state = (state << 8) | this.#bytes[this.#position++];
    }
    this.#state = state;
  }
}

function endOfStream(position: number): FormatError {
  return new FormatError(`Expected more bytes for the entropy stream but it ends at offset ${position}`);
}

function checkBitCount(count: number): void {
  if (!(Number.isInteger(count) && count >= 0 && count <= 16)) {
    throw new UsageError(`Expected 0 to 16 for the number of bypass bits but received ${count}`);
  }
}

function checkRange(tableIndices: TableIndices, values: Int32Array, offset: number, count: number): void {
  const room = Math.min(tableIndices.length, values.length);
  const valid = Number.isInteger(offset) && offset >= 0 && Number.isInteger(count) && count >= 0;
  if (!valid || offset + count > room) {
    throw new UsageError(`Expected a range inside ${room} values but received ${count} values at ${offset}`);
  }
}
