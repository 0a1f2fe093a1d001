/**
 * What the first bytes of a file tell: whether it is a .tlc file and what picture it holds.
 *
 * Version 1.0 files need their first 51 bytes for this; 64 are enough for all of version 1.x that is planned.
 * Also home of the limit on the number of pixels, which is checked before anything is done with a size.
 */

import { FormatError, UnsupportedError, UsageError } from '../../src/errors.js';
import {
  type Chunk,
  chunkOverhead,
  readChunk,
  readU32,
  requireIntact,
  signature,
  startsLikeSignature,
} from './chunks.js';
import { type Header, headerBytes, readHeader } from './header.js';

/** Pixels of a picture that readers accept unless told otherwise: 16384 x 16384. */
export const defaultMaxPixels = 2 ** 28;

/** Longest HEAD payload a reader accepts, in bytes: room for later minor versions, none for nonsense. */
const maxHeadPayload = 1024;

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
 * @throws UnsupportedError for another major version or an unknown quantizer
 * @throws FormatError where HEAD is missing or a field is out of range
 * @throws IntegrityError where HEAD is damaged
 * @example
 * readInfo(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)); // => { status: 'foreign' }
 */
export function readInfo(bytes: Uint8Array): Info {
  if (!startsLikeSignature(bytes)) return { status: 'foreign' };
  const lengthEnd = signature.length + 8;
  if (bytes.length < lengthEnd) {
    return { status: 'incomplete', bytesNeeded: signature.length + chunkOverhead + headerBytes };
  }
  const bytesNeeded = signature.length + chunkOverhead + headPayloadLength(bytes);
  if (bytes.length < bytesNeeded) return { status: 'incomplete', bytesNeeded };
  return { status: 'ok', header: readHead(bytes).header };
}

/** Read the HEAD chunk of a file that has the signature. */
export function readHead(bytes: Uint8Array): { header: Header; chunk: Chunk } {
  if (bytes.length >= signature.length + 8) headPayloadLength(bytes);
  const chunk = readChunk(bytes, signature.length);
  requireIntact(chunk);
  return { header: readHeader(chunk.payload), chunk };
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

function headPayloadLength(bytes: Uint8Array): number {
  const type = String.fromCharCode(...bytes.subarray(8, 12));
  if (type !== 'HEAD') throw new FormatError(`expected chunk "HEAD" at byte 8, got ${JSON.stringify(type)}`);
  const length = readU32(bytes, 12);
  if (length > maxHeadPayload) {
    throw new FormatError(`HEAD: expected at most ${maxHeadPayload} bytes of payload, got ${length}`);
  }
  return length;
}
