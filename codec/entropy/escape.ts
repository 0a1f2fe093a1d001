/**
 * Escape codes: values outside a table's range. After the escape symbol come, all as bypass bits:
 * one sign bit (0 above the range, 1 below), then the distance beyond the range as Exp-Golomb of order 0,
 * which is Elias-gamma of n = distance + 1: floor(log2 n) zeros, a one, the bits of n below its leading one.
 * Invariants: every int32 value has exactly one code, of at most 64 bits; a code that no encoder writes
 * (more than 31 zeros, a value outside int32) is a FormatError, never a wrapped number. Integers only.
 * Source: P. Elias, "Universal codeword sets and representations of the integers", 1975.
 */
import { FormatError } from '../../src/errors.js';

/** Where bypass bits go; `RansEncoder` is one. */
export interface BitSink {
  /** Append the `count` (0..16) low bits of `value`. */
  putBits(value: number, count: number): void;
}

/** Where bypass bits come from; `RansDecoder` is one. */
export interface BitSource {
  /** The next `count` (0..16) bits as an integer. */
  getBits(count: number): number;
}

const MAX_ZEROS = 31;
const INT32_MIN = -0x80000000;
const INT32_MAX = 0x7fffffff;

/**
 * Write the escape code of `value`, an int32 outside `first..last`. The table's bounds lie within ±2^30
 * (`last` = `first - 1` for an empty range), so that distance + 1 fits 32 bits.
 *
 * @example
 * const bits = [];
 * putEscape({ putBits: (value, count) => bits.push([value, count]) }, 12, -2, 9);
 * bits; // => [[0, 1], [0, 1], [1, 1], [1, 1]]
 */
export function putEscape(sink: BitSink, value: number, first: number, last: number): void {
  const below = value < first;
  const n = below ? first - value : value - last;
  const width = 31 - Math.clz32(n);
  sink.putBits(below ? 1 : 0, 1);
  for (let zero = 0; zero < width; zero++) sink.putBits(0, 1);
  sink.putBits(1, 1);
  if (width > 16) sink.putBits((n >>> 16) & ((1 << (width - 16)) - 1), width - 16);
  const low = Math.min(width, 16);
  sink.putBits(n & ((1 << low) - 1), low);
}

/**
 * Read an escape code: an int32 outside `first..last`.
 *
 * @throws FormatError if the code has more than 31 zeros or its value does not fit int32
 * @example
 * const bits = [0, 0, 1, 1];
 * getEscape({ getBits: (count) => (count === 0 ? 0 : bits.shift()) }, -2, 9); // => 12
 */
export function getEscape(source: BitSource, first: number, last: number): number {
  const below = source.getBits(1) === 1;
  let width = 0;
  while (source.getBits(1) === 0) {
    if (++width > MAX_ZEROS) {
      throw new FormatError(
        `Expected at most ${MAX_ZEROS} zeros for the prefix of an escape code but found more`,
      );
    }
  }
  const high = width > 16 ? source.getBits(width - 16) : 0;
  const lowWidth = Math.min(width, 16);
  const n = ((1 << width) >>> 0) + high * 65536 + source.getBits(lowWidth);
  const value = below ? first - n : last + n;
  if (value < INT32_MIN || value > INT32_MAX) {
    throw new FormatError(`Expected a 32-bit integer for an escaped value but found ${value}`);
  }
  return value;
}

/**
 * Number of bypass bits that `putEscape` writes for `value`, 2..64; the escape symbol itself not included.
 *
 * @example
 * escapeBits(12, -2, 9); // => 4
 */
export function escapeBits(value: number, first: number, last: number): number {
  const n = value < first ? first - value : value - last;
  return 2 + 2 * (31 - Math.clz32(n));
}
