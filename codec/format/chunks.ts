/**
 * Signature and chunks, the outer layer of a .tlc file (docs/FORMAT.md, "Chunks").
 *
 * A chunk is type (4 ASCII bytes), length of the payload in bytes (32 bit, most significant byte first),
 * payload, CRC32C over type and payload. An upper-case first letter marks a chunk that a decoder must
 * understand. Reading makes views and copies nothing; offsets are bytes from the start of the file.
 */

import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../src/errors.js';
import { crc32c } from '../../src/io/crc32c.js';

/** Registered extension and MIME type. */
export const fileExtension = '.tlc';
export const mimeType = 'image/x-tlc';

/** The first eight bytes of every file: 0x8B "TLC" CR LF SUB LF. */
export const signature: readonly number[] = Object.freeze([0x8b, 0x54, 0x4c, 0x43, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Bytes of a chunk besides its payload: type, length and CRC. */
export const chunkOverhead = 12;

const maxPayload = 0x7fffffff;

/** One chunk, as views of the file. */
export interface Chunk {
  /** Four printable ASCII characters; the case of the first says whether the chunk is critical. */
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
 * Read the chunk at an offset. Its CRC is not looked at: see `chunkIsIntact`.
 *
 * @param bytes the whole file
 * @param offset where the chunk starts, in bytes
 * @throws FormatError where the file ends first or no chunk type stands there
 * @example
 * const bytes = new Uint8Array(12);
 * putChunk(bytes, 0, 'TEND', []);
 * readChunk(bytes, 0).type; // => 'TEND'
 */
export function readChunk(bytes: Uint8Array, offset: number): Chunk {
  if (offset + 8 > bytes.length) {
    throw new FormatError(
      `expected a chunk at byte ${offset}, but the file ends after ${bytes.length} bytes: it is truncated`,
    );
  }
  const type = readType(bytes, offset);
  const length = readU32(bytes, offset + 4);
  const end = offset + chunkOverhead + length;
  if (end > bytes.length) {
    throw new FormatError(
      `chunk "${type}" at byte ${offset}: expected ${length} bytes of payload, but the file ends after ${bytes.length} bytes: it is truncated or damaged`,
    );
  }
  const payload = bytes.subarray(offset + 8, end - 4);
  return { type, payload, storedCrc: readU32(bytes, end - 4), offset, end };
}

/**
 * Whether a chunk's CRC fits its type and payload.
 *
 * @example
 * chunkIsIntact({ type: 'TEND', payload: new Uint8Array(0), storedCrc: 0x0050fc7e }); // => true
 */
export function chunkIsIntact(chunk: Pick<Chunk, 'type' | 'payload' | 'storedCrc'>): boolean {
  return chunkCrc(chunk.type, [chunk.payload]) === chunk.storedCrc;
}

/**
 * Refuse a damaged chunk.
 *
 * @throws IntegrityError where the CRC does not fit
 */
export function requireIntact(chunk: Chunk): void {
  if (chunkIsIntact(chunk)) return;
  const got = hex32(chunkCrc(chunk.type, [chunk.payload]));
  throw new IntegrityError(
    `chunk "${chunk.type}" at byte ${chunk.offset}: expected CRC32C ${hex32(chunk.storedCrc)}, got ${got}: the file is damaged`,
  );
}

/**
 * Whether a decoder must understand chunks of this type.
 *
 * @param type four ASCII characters
 * @example
 * ['TILE', 'exif'].map(isCritical); // => [true, false]
 */
export function isCritical(type: string): boolean {
  return type[0] >= 'A' && type[0] <= 'Z';
}

/**
 * Write a chunk into a buffer.
 *
 * @param target at least `chunkOverhead` bytes and the payload long, from `offset` on
 * @param offset where the chunk shall start, in bytes
 * @param type four ASCII characters
 * @param parts the payload, in pieces
 * @returns the offset behind the chunk
 * @throws UnsupportedError where the payload is 2^31 bytes or longer
 * @example
 * putChunk(new Uint8Array(14), 0, 'text', [Uint8Array.of(65, 0)]); // => 14
 */
export function putChunk(
  target: Uint8Array,
  offset: number,
  type: string,
  parts: readonly Uint8Array[],
): number {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > maxPayload) {
    throw new UnsupportedError(`chunk "${type}": expected at most ${maxPayload} bytes, got ${length}`);
  }
  putType(target, offset, type);
  putU32(target, offset + 4, length);
  let at = offset + 8;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  putU32(target, at, chunkCrc(type, parts));
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

function chunkCrc(type: string, parts: readonly Uint8Array[]): number {
  const typeBytes = new Uint8Array(4);
  putType(typeBytes, 0, type);
  return parts.reduce((crc, part) => crc32c(part, crc), crc32c(typeBytes));
}

function putType(target: Uint8Array, offset: number, type: string): void {
  if (!/^[A-Za-z][ -~]{3}$/.test(type)) {
    throw new UsageError(`chunk type: expected a letter and three printable ASCII characters, got "${type}"`);
  }
  for (let i = 0; i < 4; i++) target[offset + i] = type.charCodeAt(i);
}

function readType(bytes: Uint8Array, offset: number): string {
  const type = String.fromCharCode(bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]);
  if (!/^[A-Za-z][ -~]{3}$/.test(type)) {
    throw new FormatError(
      `expected a chunk type at byte ${offset}, got ${hex32(readU32(bytes, offset))}: the file is damaged`,
    );
  }
  return type;
}
