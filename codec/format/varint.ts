/**
 * Numbers of variable length, as lengths and sides of pictures stand in a .tlc file (docs/FORMAT.md, "Varints").
 *
 * A varint is an unsigned number 0..2^31-1 in groups of 7 bits, the most significant group first; all its bytes but
 * the last have the highest bit set. Only the shortest form is one, so that a number is written in one way alone.
 * Reading looks at five bytes at most, whatever stands there.
 */

import { FormatError } from '../../src/errors.js';

/** The largest number that a varint holds. */
export const varintLimit = 0x7fffffff;

/** Bytes of the longest varint, that of `varintLimit`. */
const longest = 5;

/**
 * Bytes that a number takes as a varint.
 *
 * @param value 0..`varintLimit`
 * @returns 1..5
 * @example
 * [0, 127, 128, 16383, 16384, varintLimit].map(varintBytes); // => [1, 1, 2, 2, 3, 5]
 */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/**
 * Read the varint at an offset.
 *
 * @param bytes where it stands
 * @param offset where it starts, in bytes
 * @param name what it is, for messages
 * @returns the number and the offset behind it
 * @throws FormatError where the bytes end first, a shorter form exists, or the number is above `varintLimit`
 * @example
 * readVarint(Uint8Array.of(9, 0x86, 0x00), 1, 'width'); // => { value: 768, end: 3 }
 */
export function readVarint(bytes: Uint8Array, offset: number, name: string): { value: number; end: number } {
  if (bytes[offset] === 0x80) {
    throw new FormatError(`${name}: expected a number in its shortest form, got one that starts with 0x80`);
  }
  let value = 0;
  for (let end = offset; end < offset + longest; ) {
    if (end >= bytes.length) {
      throw new FormatError(
        `${name}: expected a number, but it breaks off after ${bytes.length - offset} bytes: truncated or damaged`,
      );
    }
    const byte = bytes[end++];
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (value <= varintLimit) return { value, end };
    throw new FormatError(`${name}: expected at most ${varintLimit}, got ${value}`);
  }
  throw new FormatError(`${name}: expected a number of at most ${longest} bytes, got a longer one`);
}

/**
 * The bytes of a number as a varint.
 *
 * @param value 0..`varintLimit`
 * @example
 * varint(768); // => Uint8Array.of(0x86, 0x00)
 */
export function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintBytes(value));
  for (let i = bytes.length - 1, rest = value; i >= 0; i--, rest >>>= 7) {
    bytes[i] = (rest & 0x7f) | (i < bytes.length - 1 ? 0x80 : 0);
  }
  return bytes;
}
