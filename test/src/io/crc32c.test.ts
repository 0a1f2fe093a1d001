import { describe, expect, it } from 'vitest';
import { pictureChecksum } from '../../../codec/format/index.js';
import { crc32c, crc32cOfIntegers } from '../../../src/io/crc32c.js';
import { seededBytes } from '../../codec/format/samples.js';

/** The definition, one bit at a time. */
function crc32cBitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  // RFC 3720, appendix B.4, and the "check" value of the catalogue of CRC algorithms.
  it.each([
    ['"123456789"', new TextEncoder().encode('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0..31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31..0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('gives the published value for %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('equals the bitwise definition for every length up to 70', () => {
    for (let length = 0; length <= 70; length++) {
      const bytes = seededBytes(length, length);
      expect(crc32c(bytes)).toBe(crc32cBitwise(bytes));
    }
  });

  it('chains over every split', () => {
    const bytes = seededBytes(40, 1);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes));
    }
  });

  it('sums integers as 32-bit little-endian numbers, whatever holds them', () => {
    const values = [0, 1, -1, 255, -32768, 32767];
    const bytes = new Uint8Array(4 * values.length);
    const view = new DataView(bytes.buffer);
    values.forEach((value, i) => {
      view.setInt32(4 * i, value, true);
    });
    expect(crc32cOfIntegers(Int32Array.from(values))).toBe(crc32c(bytes));
    expect(crc32cOfIntegers(Int16Array.from(values))).toBe(crc32c(bytes));
    expect(crc32cOfIntegers(new Int32Array(0), 5)).toBe(5);
    expect(crc32cOfIntegers(Int32Array.of(-(2 ** 31), 2 ** 31 - 1))).toBe(
      crc32c(Uint8Array.of(0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f)),
    );
  });

  it('sums a tile in pieces, and a picture tile by tile', () => {
    expect(crc32cOfIntegers(Int32Array.of(5), crc32cOfIntegers(Int32Array.of(3, 4)))).toBe(
      crc32cOfIntegers(Int32Array.of(3, 4, 5)),
    );
    expect(pictureChecksum([0x01020304, 0xfffefdfc])).toBe(
      crc32c(Uint8Array.of(1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc)),
    );
    expect(pictureChecksum([])).toBe(0);
  });
});
