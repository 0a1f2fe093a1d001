/**
 * Small whole numbers as bytes: codes of 1 to 8 bits back to back, lowest bits first, and ternary codes five to a byte
 * (3^5 = 243 of 256 patterns). The last byte is filled with zeros. Reading checks what writing guarantees: no set bits in
 * the filling, no byte above 242.
 */
import { FormatError } from '../errors.js';

/** Bytes that `count` codes of `width` bits take. */
export const packedLength = (count: number, width: number): number => Math.ceil((count * width) / 8);

/**
 * Packs codes of `width` bits.
 *
 * @param codes each below 2^width
 * @param out where to put packedLength(codes.length, width) bytes
 * @example
 * Array.from(packBits(Uint8Array.of(1, 2, 15), 4)); // => [33, 15]
 */
export function packBits(
  codes: Uint8Array,
  width: number,
  out = new Uint8Array(packedLength(codes.length, width)),
): Uint8Array {
  if (width === 8) {
    out.set(codes);
  } else if (width === 4) {
    const pairs = Math.floor(codes.length / 2);
    for (let k = 0; k < pairs; k++) out[k] = codes[2 * k] | (codes[2 * k + 1] << 4);
    if (codes.length % 2 === 1) out[pairs] = codes[codes.length - 1];
  } else {
    let held = 0;
    let bits = 0;
    let position = 0;
    for (let i = 0; i < codes.length; i++) {
      held |= codes[i] << bits;
      bits += width;
      if (bits >= 8) {
        out[position++] = held;
        held >>>= 8;
        bits -= 8;
      }
    }
    if (bits > 0) out[position] = held;
  }
  return out;
}

/**
 * Unpacks `count` codes of `width` bits.
 *
 * @throws FormatError where bits after the last code are set
 * @example
 * Array.from(unpackBits(Uint8Array.of(33, 15), 3, 4)); // => [1, 2, 15]
 */
export function unpackBits(bytes: Uint8Array, count: number, width: number): Uint8Array {
  const codes = new Uint8Array(count);
  const mask = (1 << width) - 1;
  let held = 0;
  let bits = 0;
  let position = 0;
  for (let i = 0; i < count; i++) {
    if (bits < width) {
      held |= bytes[position++] << bits;
      bits += 8;
    }
    codes[i] = held & mask;
    held >>>= width;
    bits -= width;
  }
  if (held !== 0) throw new FormatError(`Expected zeros after ${count} codes of ${width} bits, got set bits`);
  return codes;
}

/**
 * Exchanges the halves of every byte: some formats put the first code into the high half.
 *
 * @example
 * Array.from(swapNibbles(Uint8Array.of(0x1f, 7))); // => [241, 112]
 */
export function swapNibbles(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => (byte << 4) | (byte >> 4));
}

/** Codes of three values in a byte. */
const perByte = 5;

/** Bytes that `count` ternary codes take. */
export const packedTritsLength = (count: number): number => Math.ceil(count / perByte);

/**
 * Packs ternary codes 0, 1, 2 five to a byte, the first one the least significant.
 *
 * @example
 * Array.from(packTrits(Uint8Array.of(1, 2, 0, 0, 0, 2))); // => [7, 2]
 */
export function packTrits(
  codes: Uint8Array,
  out = new Uint8Array(packedTritsLength(codes.length)),
): Uint8Array {
  for (let k = 0, i = 0; k < out.length; k++, i += perByte) {
    let byte = 0;
    for (let j = Math.min(codes.length, i + perByte) - 1; j >= i; j--) byte = byte * 3 + codes[j];
    out[k] = byte;
  }
  return out;
}

/**
 * Unpacks `count` ternary codes.
 *
 * @throws FormatError for bytes that five ternary codes do not give, and for codes after the last one
 * @example
 * Array.from(unpackTrits(Uint8Array.of(7, 2), 6)); // => [1, 2, 0, 0, 0, 2]
 */
export function unpackTrits(bytes: Uint8Array, count: number): Uint8Array {
  const codes = new Uint8Array(count);
  for (let k = 0, i = 0; i < count; k++) {
    let byte = bytes[k];
    for (const end = Math.min(count, i + perByte); i < end; i++) {
      const rest = (byte / 3) | 0;
      codes[i] = byte - 3 * rest;
      byte = rest;
    }
    if (byte > 0) {
      throw new FormatError(`Expected five codes of three values in a byte, got ${bytes[k]}`);
    }
  }
  return codes;
}
