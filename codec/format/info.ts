/**
 * What the first bytes of a file tell: whether it is a .tlc file and what picture it holds.
 *
 * Version 2.0 files need their first 29 to 41 bytes for this; 64 are enough for all of version 2.x that is planned.
 * Also home of the limit on the number of pixels, which is checked before anything is done with a size.
 */

import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../src/errors.js';
import { crc32c } from '../../src/io/crc32c.js';
import { hex32, putU32, readU32, signature, startsLikeSignature } from './chunks.js';
import { type Header, leastHeaderBytes, otherVersion, readHeader, writeHeader } from './header.js';
import { readVarint, varint } from './varint.js';

/** Pixels of a picture that readers accept unless told otherwise: 16384 x 16384. */
export const defaultMaxPixels = 2 ** 28;

/** Longest header a reader accepts, in bytes: room for later minor versions, none for nonsense. */
const maxHeadPayload = 1024;

/** Bytes of the shortest start of a file: signature, length of the header, header, CRC32C. */
const leastBytes = signature.length + 1 + leastHeaderBytes + 4;

/** Answer of `readInfo`. */
export type Info =
  /** Not a .tlc file. */
  | { readonly status: 'foreign' }
  /** Too few bytes to tell; ask again with at least the first `bytesNeeded`. */
  | { readonly status: 'incomplete'; readonly bytesNeeded: number }
  | { readonly status: 'ok'; readonly header: Header };

/**
 * Read the header from the first bytes of a file.
 *
 * @param bytes the file or its start, 64 bytes or more
 * @throws UnsupportedError for another major version, an unknown flag or an unknown quantizer
 * @throws FormatError where no header stands there or a field is out of range
 * @throws IntegrityError where the header is damaged
 * @example
 * readInfo(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)); // => { status: 'foreign' }
 * readInfo(Uint8Array.from(signature)); // => { status: 'incomplete', bytesNeeded: 29 }
 */
export function readInfo(bytes: Uint8Array): Info {
  if (!startsLikeSignature(bytes)) return { status: 'foreign' };
  if (bytes.length < leastBytes) return { status: 'incomplete', bytesNeeded: leastBytes };
  const bytesNeeded = headPlace(bytes).end;
  if (bytes.length < bytesNeeded) return { status: 'incomplete', bytesNeeded };
  return { status: 'ok', header: readHead(bytes).header };
}

/** What stands between the signature and the first chunk. */
export interface Head {
  readonly header: Header;
  /** CRC32C of the header's bytes as the file has it; tiles are tied to it. */
  readonly crc: number;
  /** Where the first chunk starts, in bytes. */
  readonly end: number;
}

/**
 * Read the head of a file that has the signature.
 *
 * @throws as `readInfo`, and FormatError where the file ends first
 */
export function readHead(bytes: Uint8Array): Head {
  const { start, end } = headPlace(bytes);
  if (end > bytes.length) {
    throw new FormatError(
      `HEAD: expected ${end - 4 - start} bytes and a CRC32C, but the file ends after ${bytes.length} bytes: it is truncated`,
    );
  }
  const payload = bytes.subarray(start, end - 4);
  const [crc, got] = [readU32(bytes, end - 4), crc32c(payload)];
  if (crc !== got) {
    throw new IntegrityError(`HEAD: expected CRC32C ${hex32(crc)}, got ${hex32(got)}: the file is damaged`);
  }
  return { header: readHeader(payload), crc, end };
}

/** The head of a file as bytes: length, header and CRC32C; and that CRC32C. */
export function headBytes(header: Header): { bytes: Uint8Array; crc: number } {
  const payload = writeHeader(header);
  const crc = crc32c(payload);
  const bytes = Uint8Array.of(...varint(payload.length), ...payload, 0, 0, 0, 0);
  putU32(bytes, bytes.length - 4, crc);
  return { bytes, crc };
}

/**
 * Refuse a picture that is too large to be worth trying.
 *
 * @param width, height in pixels, 1..2^31-1
 * @param maxPixels the largest `width * height` allowed, at least 1; Infinity for no limit
 * @throws UnsupportedError where the picture has more pixels
 * @throws UsageError where the limit is no such number
 * @example
 * checkPixelLimit(640, 480, defaultMaxPixels); // => undefined
 */
export function checkPixelLimit(width: number, height: number, maxPixels: number): void {
  if (!(maxPixels >= 1)) throw new UsageError(`maxPixels: expected a number of at least 1, got ${maxPixels}`);
  if (width * height <= maxPixels) return;
  const pixels = BigInt(width) * BigInt(height);
  throw new UnsupportedError(
    `picture has ${width} x ${height} = ${pixels} pixels, more than the limit of ${maxPixels}; raise it with --max-pixels`,
  );
}

/** Where the header starts and where its CRC32C ends, in bytes; the file may end before. */
function headPlace(bytes: Uint8Array): { start: number; end: number } {
  // Version 1 had a chunk of that name here. As a length and a major version it would be 72 and 69.
  if (String.fromCharCode(...bytes.subarray(8, 12)) === 'HEAD') throw otherVersion('1.x');
  const { value: length, end: start } = readVarint(bytes, signature.length, 'HEAD: length');
  if (length > maxHeadPayload) {
    throw new FormatError(`HEAD: expected at most ${maxHeadPayload} bytes of payload, got ${length}`);
  }
  return { start, end: start + length + 4 };
}
