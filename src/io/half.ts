/**
 * 16-bit floats without Float16Array: IEEE 754 binary16 ("F16") and bfloat16 ("BF16") to and from float32.
 *
 * Units: bit patterns in Uint16Array on the 16-bit side, values in Float32Array on the other.
 * Invariants: narrowing rounds to nearest, ties to even, and overflows to infinity; widening is exact; NaN stays
 * NaN with its sign. Speed comes from two tables built on first use: 65,536 float32 values for widening, 512
 * (shift, base, hidden bit) triples, one per sign and exponent, for narrowing.
 * Source: IEEE 754-2019 section 3.4; the table layout follows J. van der Zijp, "Fast Half Float Conversions",
 * with round-to-nearest-even in place of truncation.
 */

import { UsageError } from '../errors.js';

interface NarrowTables {
  /** Result bits before the shifted mantissa is added. */
  readonly base: Uint16Array;
  /** How far the mantissa is shifted right, 13..25. */
  readonly shift: Uint8Array;
  /** The hidden bit, where the result is subnormal and must show it. */
  readonly hidden: Uint32Array;
}

let wideTable: Float32Array | undefined;
let narrowTables: NarrowTables | undefined;

function widenBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

function wide(): Float32Array {
  if (!wideTable) {
    wideTable = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) wideTable[bits] = widenBits(bits);
  }
  return wideTable;
}

function narrow(): NarrowTables {
  if (narrowTables) return narrowTables;
  const tables = { base: new Uint16Array(512), shift: new Uint8Array(512), hidden: new Uint32Array(512) };
  for (let index = 0; index < 512; index++) {
    const sign = (index & 256) << 7;
    const exponent = index & 255;
    if (exponent < 113) {
      // Below 2^-14: subnormal; a shift of 25 rounds everything below 2^-25 to zero.
      tables.base[index] = sign;
      tables.shift[index] = Math.min(25, 126 - exponent);
      tables.hidden[index] = exponent === 0 ? 0 : 0x800000;
    } else if (exponent < 143) {
      // A carry out of the mantissa moves into the exponent, up to infinity, as it should.
      tables.base[index] = sign | ((exponent - 112) << 10);
      tables.shift[index] = 13;
    } else {
      tables.base[index] = sign | 0x7c00;
      tables.shift[index] = 25;
    }
  }
  narrowTables = tables;
  return tables;
}

function checkOut(out: { length: number }, length: number, name: string): void {
  if (out.length !== length) {
    throw new UsageError(`Expected ${length} elements for out of ${name} but received ${out.length}`);
  }
}

/**
 * Widens binary16 bit patterns to float32, exactly.
 *
 * @param bits bit patterns, any length
 * @param out where to put the values, of the same length; a new array by default
 * @throws UsageError when `out` has another length
 * @example
 * float16ToFloat32(Uint16Array.of(0x3c00, 0xc000)); // Float32Array [1, -2]
 */
export function float16ToFloat32(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  checkOut(out, bits.length, 'float16ToFloat32');
  const table = wide();
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
  return out;
}

/**
 * Rounds float32 values to binary16 bit patterns: nearest, ties to even; magnitudes from 65520 become infinity.
 *
 * @param values any length
 * @param out where to put the bit patterns, of the same length; a new array by default
 * @throws UsageError when `out` has another length
 * @example
 * float32ToFloat16(Float32Array.of(1, 65504, 1e6)); // Uint16Array [0x3c00, 0x7bff, 0x7c00]
 */
export function float32ToFloat16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  checkOut(out, values.length, 'float32ToFloat16');
  const tables = narrow();
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) out[i] = narrowWord(words[i], tables);
  return out;
}

/** Bits of a float32 to bits of the nearest binary16. */
function narrowWord(word: number, { base, shift, hidden }: NarrowTables): number {
  if ((word & 0x7fffffff) > 0x7f800000) return ((word >>> 16) & 0x8000) | 0x7e00 | ((word >>> 13) & 0x1ff);
  const index = word >>> 23;
  const places = shift[index];
  const mantissa = (word & 0x7fffff) | hidden[index];
  const rounding = (1 << (places - 1)) - 1 + ((mantissa >>> places) & 1);
  return base[index] + ((mantissa + rounding) >>> places);
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/**
 * Bit pattern of the binary16 nearest to one number, as `float32ToFloat16` for arrays.
 *
 * @param value rounded to float32 first
 * @returns 0..65535
 * @example
 * float16Bits(1); // 0x3c00
 */
export function float16Bits(value: number): number {
  single[0] = value;
  return narrowWord(singleBits[0], narrow());
}

/**
 * The number behind one binary16 bit pattern.
 *
 * @param bits 0..65535
 * @example
 * float16Value(0xc000); // -2
 */
export function float16Value(bits: number): number {
  return wide()[bits];
}

/**
 * Widens bfloat16 bit patterns (the upper half of a float32) to float32, exactly.
 *
 * @throws UsageError when `out` has another length
 * @example
 * bfloat16ToFloat32(Uint16Array.of(0x3f80)); // Float32Array [1]
 */
export function bfloat16ToFloat32(bits: Uint16Array, out = new Float32Array(bits.length)): Float32Array {
  checkOut(out, bits.length, 'bfloat16ToFloat32');
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return out;
}

/**
 * Rounds float32 values to bfloat16 bit patterns: nearest, ties to even.
 *
 * @throws UsageError when `out` has another length
 * @example
 * float32ToBfloat16(Float32Array.of(1.00390625)); // Uint16Array [0x3f80], a tie that goes to even
 */
export function float32ToBfloat16(values: Float32Array, out = new Uint16Array(values.length)): Uint16Array {
  checkOut(out, values.length, 'float32ToBfloat16');
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const notANumber = (word & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}
