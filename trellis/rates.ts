/**
 * Prices of indices, in a form that knows no coder: table t has one row of costs per quantizer (row 2 t + q).
 *
 * A row lists the costs of k = first, first + 1, ..., in units of 2^-16 bit, as int32. Any other k is an escape: the
 * row's escape cost, then 2 + 2 floor(log2 n) bits, n >= 1 being the distance beyond the row (a sign and an Elias-gamma
 * code). Costs are integers so that the last bit of a logarithm, which differs between machines, cannot change a
 * decision; costs are 0 to 1000 bits, larger ones are cut to that.
 */
import { UsageError } from '../src/errors.js';

/** Units of cost per bit. */
export const costPerBit = 65536;

/** No index costs more, before the code of its distance beyond the row. */
export const maxBits = 1000;

/** Cost in bits of the escape where a row names none. */
export const defaultEscapeBits = 24;

/** Costs of one table under one quantizer, readable. */
export interface RateRow {
  /** Smallest k with a cost of its own, within ±2^20. */
  readonly first: number;
  /** Bits of first, first + 1, ...; 0 or more, infinity allowed. At most 2^20 entries. */
  readonly bits: ArrayLike<number>;
  /** Bits of saying that k is outside; default `defaultEscapeBits`. */
  readonly escapeBits?: number;
}

const rowLimit = 1 << 20;

function fixed(bits: number, row: number): number {
  if (!(bits >= 0)) throw new UsageError(`rates: expected 0 or more bits in row ${row}, got ${bits}`);
  return Math.round(Math.min(bits, maxBits) * costPerBit);
}

/**
 * Costs of all indices under all tables; immutable.
 *
 * @example
 * const rates = RateTables.fromRows([
 *   { first: -1, bits: [2, 0.5, 2], escapeBits: 6 },
 *   { first: -1, bits: [1, 1, 3], escapeBits: 6 },
 * ]);
 * rates.count; // => 1
 * rates.bits(0, 1, -1); // => 1
 * rates.bits(0, 0, 3); // => 10
 */
export class RateTables {
  /** Number of tables; there are twice as many rows. */
  readonly count: number;
  /** Smallest k of each row, `[2 * count]`. */
  readonly first: Int32Array;
  /** Where each row begins in `costs`, `[2 * count + 1]`. */
  readonly offsets: Int32Array;
  /** Costs of all rows, one after the other, in 2^-16 bit. */
  readonly costs: Int32Array;
  /** Cost of the escape of each row, in 2^-16 bit. */
  readonly escapes: Int32Array;

  private constructor(rows: readonly RateRow[]) {
    this.count = rows.length / 2;
    this.first = Int32Array.from(rows, ({ first }) => first);
    this.escapes = Int32Array.from(rows, ({ escapeBits = defaultEscapeBits }, r) => fixed(escapeBits, r));
    this.offsets = new Int32Array(rows.length + 1);
    rows.forEach(({ bits }, r) => {
      this.offsets[r + 1] = this.offsets[r] + bits.length;
    });
    this.costs = new Int32Array(this.offsets[rows.length]);
    rows.forEach(({ bits }, r) => {
      for (let i = 0; i < bits.length; i++) this.costs[this.offsets[r] + i] = fixed(bits[i], r);
    });
  }

  /**
   * @param rows two per table: quantizer 0, then quantizer 1
   * @throws UsageError for no rows, an odd number of them, more than 256 tables, a row that is too long or starts out
   *   of range, and costs that are negative or NaN
   * @example
   * RateTables.fromRows([{ first: 0, bits: [1] }, { first: 0, bits: [1] }]).count; // => 1
   */
  static fromRows(rows: readonly RateRow[]): RateTables {
    if (rows.length === 0 || rows.length % 2 || rows.length > 512) {
      throw new UsageError(`rates: expected two rows for each of 1 to 256 tables, got ${rows.length} rows`);
    }
    rows.forEach(({ first, bits }, r) => {
      if (!(Number.isInteger(first) && Math.abs(first) <= rowLimit && bits.length <= rowLimit)) {
        throw new UsageError(
          `rates: expected at most 2^20 costs from an integer within ±2^20 in row ${r}, got ${bits.length} from ${first}`,
        );
      }
    });
    return new RateTables(rows);
  }

  /** Cost of any int32 k in row `2 * table + quantizer`, in 2^-16 bit; rows are not checked. */
  cost(row: number, k: number): number {
    const { first, offsets, costs, escapes } = this;
    const start = offsets[row];
    const size = offsets[row + 1] - start;
    const position = k - first[row];
    if (position >= 0 && position < size) return costs[start + position];
    const beyond = position < 0 ? -position : position - size + 1;
    return escapes[row] + costPerBit * (2 + 2 * (31 - Math.clz32(beyond)));
  }

  /**
   * Bits of index k.
   *
   * @throws UsageError for a table or quantizer that is not there
   * @example
   * RateTables.fromRows([{ first: 0, bits: [1] }, { first: 0, bits: [1] }]).bits(0, 1, 1); // => 26
   */
  bits(table: number, quantizer: number, k: number): number {
    if (
      !(Number.isInteger(table) && table >= 0 && table < this.count && (quantizer === 0 || quantizer === 1))
    ) {
      throw new UsageError(
        `rates: expected table 0 to ${this.count - 1} and quantizer 0 or 1, got ${table} and ${quantizer}`,
      );
    }
    return this.cost(2 * table + quantizer, k) / costPerBit;
  }
}
