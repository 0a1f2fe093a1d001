/**
 * Checksums of decoded latents (docs/FORMAT.md, "Checksums").
 *
 * Every tile carries the CRC32C of the integers its entropy segment decodes to. A decoder that arrives at other
 * integers (another model, a machine that computes differently) then says so instead of showing a wrong picture.
 * The checksum of a picture is made of those of its tiles, and stands in no file: it is what people compare.
 */

import { crc32c } from '../../src/io/crc32c.js';

/**
 * Checksum of a picture: the CRC32C of its tiles' checksums in tile order, four bytes each, most significant
 * byte first (the way they stand in the file).
 *
 * @param tileChecksums one number 0..2^32-1 per tile, in raster order
 * @returns 0..2^32-1
 * @example
 * pictureChecksum([0x01020304]); // => crc32c(Uint8Array.of(1, 2, 3, 4))
 */
export function pictureChecksum(tileChecksums: Iterable<number>): number {
  const word = new Uint8Array(4);
  const view = new DataView(word.buffer);
  let crc = 0;
  for (const checksum of tileChecksums) {
    view.setUint32(0, checksum);
    crc = crc32c(word, crc);
  }
  return crc;
}
