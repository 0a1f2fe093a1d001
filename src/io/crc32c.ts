/**
 * CRC32C (Castagnoli), the checksum of chunks and of decoded latents (docs/FORMAT.md, "Checksums"; docs/WEIGHTS.md).
 *
 * Reflected polynomial 0x82F63B78, initial value and final xor 0xFFFFFFFF: the function of iSCSI, ext4 and
 * the SSE4.2 `crc32` instruction; crc32c("123456789") = 0xE3069283. Eight tables of 256 entries take eight
 * bytes per step ("slicing-by-8", Kounavis and Berry 2005). Results are unsigned 32-bit numbers.
 */

const polynomial = 0x82f63b78;

/** Row k at `k * 256`: the effect of one byte that is followed by k zero bytes. */
const tables = buildTables();

function buildTables(): Int32Array {
  const rows = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    rows[byte] = crc;
  }
  for (let i = 256; i < rows.length; i++) rows[i] = (rows[i - 256] >>> 8) ^ rows[rows[i - 256] & 0xff];
  return rows;
}

/**
 * CRC32C of bytes.
 *
 * @param bytes what to sum; may be empty (the result is then `previous`)
 * @param previous the CRC32C of what came before, 0..2^32-1, so that pieces chain:
 *   `crc32c(b, crc32c(a))` is the checksum of a followed by b
 * @returns 0..2^32-1
 * @example
 * crc32c(new TextEncoder().encode('123456789')); // => 0xe3069283
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const word = crc ^ (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24));
    crc =
      tables[1792 + (word & 0xff)] ^
      tables[1536 + ((word >>> 8) & 0xff)] ^
      tables[1280 + ((word >>> 16) & 0xff)] ^
      tables[1024 + (word >>> 24)] ^
      tables[768 + bytes[i + 4]] ^
      tables[512 + bytes[i + 5]] ^
      tables[256 + bytes[i + 6]] ^
      tables[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[i]) & 0xff];
  return ~crc >>> 0;
}

/**
 * CRC32C of integers, each taken as a 32-bit two's complement number in little-endian order, on machines of
 * either byte order.
 *
 * @param values integers; 16-bit ones are widened to 32 bits first, so that the container type never shows
 * @param previous the CRC32C of what came before, 0..2^32-1
 * @returns 0..2^32-1
 * @example
 * crc32cOfIntegers(Int32Array.of(1, -1)); // => crc32c(Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255))
 */
export function crc32cOfIntegers(values: Int32Array | Int16Array, previous = 0): number {
  let crc = ~previous;
  for (let i = 0; i < values.length; i++) {
    const word = crc ^ values[i];
    crc =
      tables[768 + (word & 0xff)] ^
      tables[512 + ((word >>> 8) & 0xff)] ^
      tables[256 + ((word >>> 16) & 0xff)] ^
      tables[word >>> 24];
  }
  return ~crc >>> 0;
}
