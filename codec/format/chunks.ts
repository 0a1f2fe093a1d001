/**
 * Signature and chunks, the outer layer of a .tlc file (docs/FORMAT.md, "Chunks").
 *
 * A chunk is type (one ASCII letter), length of the payload in bytes (a varint), payload, CRC32C over type and payload.
 * An upper-case letter marks a chunk that a decoder must understand. The CRC of a tile goes on from its `tie`, so that it
 * fits in one place of one file only. Reading makes views and copies nothing; offsets are bytes from the start of the file.
 */

import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../src/errors.js';
import { crc32c } from '../../src/io/crc32c.js';
import { readVarint, varint, varintBytes, varintLimit } from './varint.js';

/** Registered extension and MIME type. */
export const fileExtension = '.tlc';
export const mimeType = 'image/x-tlc';

/** The first eight bytes of every file: 0x8B "TLC" CR LF SUB LF. */
export const signature: readonly number[] = Object.freeze([0x8b, 0x54, 0x4c, 0x43, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Types of chunks that this library knows, with their names for people. */
export const chunkNames: Readonly<Record<string, string>> = Object.freeze({
  T: 'tile',
  A: 'alpha',
  i: 'ICC',
  e: 'EXIF',
  x: 'XMP',
  t: 'text',
});

/** Bytes of type and CRC. */
const frame = 5;

/** One chunk, as views of the file. */
export interface Chunk {
  /** An ASCII letter; its case says whether the chunk is critical. */
  readonly type: string;
  readonly payload: Uint8Array;
  /** The CRC32C that the file claims. */
  readonly storedCrc: number;
  /** Where the chunk starts and where the next one starts, in bytes. */
  readonly offset: number;
  readonly end: number;
}

/**
 * Whether bytes start with the signature of a .tlc file.
 *
 * @param bytes a file or its first 8 bytes; fewer than 8 give false
 * @example
 * hasSignature(Uint8Array.from(signature)); // => true
 */
export function hasSignature(bytes: Uint8Array): boolean {
  return bytes.length >= signature.length && startsLikeSignature(bytes);
}

/** Whether no byte that is there contradicts the signature; true for no bytes at all. */
export function startsLikeSignature(bytes: Uint8Array): boolean {
  return signature.every((byte, i) => i >= bytes.length || bytes[i] === byte);
}

/**
 * Bytes of a chunk with a payload of that length.
 *
 * @param length bytes of the payload, 0..2^31-1
 * @example
 * [0, 127, 128, 16383].map(chunkBytes); // => [6, 133, 135, 16390]
 */
export function chunkBytes(length: number): number {
  return frame + varintBytes(length) + length;
}

/**
 * Read the chunk at an offset. Its CRC is not looked at: see `chunkIsIntact`.
 *
 * @param bytes the whole file
 * @param offset where the chunk starts, in bytes
 * @throws FormatError where the file ends first, or no chunk type or no length stands there
 * @example
 * const bytes = new Uint8Array(8);
 * putChunk(bytes, 0, 'e', [Uint8Array.of(1, 2)]);
 * readChunk(bytes, 0).type; // => 'e'
 */
export function readChunk(bytes: Uint8Array, offset: number): Chunk {
  if (offset >= bytes.length) {
    throw new FormatError(
      `expected a chunk at byte ${offset}, but the file ends after ${bytes.length} bytes: it is truncated`,
    );
  }
  const type = String.fromCharCode(bytes[offset]);
  if (!isType(type)) {
    const got = `0x${bytes[offset].toString(16).padStart(2, '0')}`;
    throw new FormatError(`expected a chunk type at byte ${offset}, got ${got}: the file is damaged`);
  }
  const name = `chunk "${type}" at byte ${offset}`;
  const { value: length, end: start } = readVarint(bytes, offset + 1, `${name}: length`);
  const end = start + length + 4;
  if (end > bytes.length) {
    throw new FormatError(
      `${name}: expected ${length} bytes of payload, but the file ends after ${bytes.length} bytes: it is truncated or damaged`,
    );
  }
  return { type, payload: bytes.subarray(start, end - 4), storedCrc: readU32(bytes, end - 4), offset, end };
}

/**
 * Whether a chunk's CRC fits its type and payload.
 *
 * @param chunk as read
 * @param tie for tiles, what their CRC goes on from (`tieOfTile`)
 * @example
 * chunkIsIntact({ type: 'e', payload: new Uint8Array(0), storedCrc: crc32c(Uint8Array.of(0x65)) }); // => true
 */
export function chunkIsIntact(chunk: Pick<Chunk, 'type' | 'payload' | 'storedCrc'>, tie = 0): boolean {
  return chunkCrc(chunk.type, [chunk.payload], tie) === chunk.storedCrc;
}

/**
 * Refuse a damaged chunk.
 *
 * @param tie for tiles, what their CRC goes on from (`tieOfTile`)
 * @throws IntegrityError where the CRC does not fit
 */
export function requireIntact(chunk: Chunk, tie?: number): void {
  const { type, payload, storedCrc, offset } = chunk;
  if (chunkIsIntact(chunk, tie)) return;
  const got = hex32(chunkCrc(type, [payload], tie ?? 0));
  const why = tie === undefined ? '' : ', or the tile is from another place or file';
  throw new IntegrityError(
    `chunk "${type}" at byte ${offset}: expected CRC32C ${hex32(storedCrc)}, got ${got}: the file is damaged${why}`,
  );
}

/**
 * What the CRC of a tile's chunk goes on from: the CRC32C of the header's CRC32C and the tile's index, 32 bits each.
 *
 * @param headCrc the CRC32C of the header as the file has it, 0..2^32-1
 * @param index of the tile, 0..2^32-1
 * @returns 0..2^32-1
 * @example
 * tieOfTile(0x01020304, 5); // => crc32c(Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 5))
 */
export function tieOfTile(headCrc: number, index: number): number {
  const bytes = new Uint8Array(8);
  putU32(bytes, 0, headCrc);
  putU32(bytes, 4, index);
  return crc32c(bytes);
}

/**
 * Whether a decoder must understand chunks of this type.
 *
 * @param type an ASCII letter
 * @example
 * ['T', 'e'].map(isCritical); // => [true, false]
 */
export function isCritical(type: string): boolean {
  return type >= 'A' && type <= 'Z';
}

/**
 * Write a chunk into a buffer.
 *
 * @param target has room for the chunk (`chunkBytes`) from `offset` on
 * @param offset where the chunk shall start, in bytes
 * @param type an ASCII letter
 * @param parts the payload, in pieces
 * @param tie for tiles, what their CRC goes on from (`tieOfTile`)
 * @returns the offset behind the chunk
 * @throws UnsupportedError where the payload is 2^31 bytes or longer
 * @example
 * putChunk(new Uint8Array(8), 0, 't', [Uint8Array.of(65, 0)]); // => 8
 */
export function putChunk(
  target: Uint8Array,
  offset: number,
  type: string,
  parts: readonly Uint8Array[],
  tie = 0,
): number {
  if (!isType(type)) throw new UsageError(`chunk type: expected an ASCII letter, got "${type}"`);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > varintLimit) {
    throw new UnsupportedError(`chunk "${type}": expected at most ${varintLimit} bytes, got ${length}`);
  }
  let at = offset;
  for (const part of [Uint8Array.of(type.charCodeAt(0)), varint(length), ...parts]) {
    target.set(part, at);
    at += part.length;
  }
  putU32(target, at, chunkCrc(type, parts, tie));
  return at + 4;
}

/** Unsigned 32-bit number at an offset, most significant byte first. */
export function readU32(bytes: Uint8Array, offset: number): number {
  const high = (bytes[offset] << 24) | (bytes[offset + 1] << 16);
  return (high | (bytes[offset + 2] << 8) | bytes[offset + 3]) >>> 0;
}

/** Store an unsigned 32-bit number at an offset, most significant byte first. */
export function putU32(target: Uint8Array, offset: number, value: number): void {
  for (let i = 0; i < 4; i++) target[offset + i] = value >>> (24 - 8 * i);
}

/** A 32-bit number as 0x and eight hexadecimal digits, for messages. */
export function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

function chunkCrc(type: string, parts: readonly Uint8Array[], tie: number): number {
  const start = crc32c(Uint8Array.of(type.charCodeAt(0)), tie);
  return parts.reduce((crc, part) => crc32c(part, crc), start);
}

function isType(type: string): boolean {
  return /^[A-Za-z]$/.test(type);
}
