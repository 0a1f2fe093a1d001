/**
 * Whole .tlc files: header, one entropy segment per tile, optional alpha and metadata (docs/FORMAT.md).
 *
 * Reading takes one pass over the chunk heads, makes views of the given bytes and copies nothing; what it
 * allocates is bounded by the number of chunks that are really there. Writing allocates the file once.
 * Nothing here knows networks or entropy coding: a segment is a string of bytes.
 */

import { FormatError, UnsupportedError, UsageError } from '../../src/errors.js';
import { checkAlphaPng } from './alpha.js';
import {
  type Chunk,
  chunkBytes,
  chunkIsIntact,
  hasSignature,
  isCritical,
  putChunk,
  putU32,
  readChunk,
  readU32,
  requireIntact,
  signature,
  tieOfTile,
} from './chunks.js';
import { formatVersion, type Header } from './header.js';
import { checkPixelLimit, defaultMaxPixels, headBytes, readHead } from './info.js';
import { pictureChecksum } from './latents-checksum.js';
import { type TileGrid, tileGrid } from './tile-grid.js';

/** Chunks beside the tiles that a reader accepts in one file. */
export const maxOtherChunks = 1024;

/** Bytes of a tile's payload before the entropy segment: the latents checksum. */
const tilePrefix = 4;

/** What the caller of `writeContainer` says about a picture; the rest of the header follows from the rest. */
export type PictureFields = Omit<Header, 'major' | 'minor' | 'alpha'>;

/** One tile to write. */
export interface EncodedTile {
  /** `latentsChecksum` of the tile, 0..2^32-1. */
  readonly latentsChecksum: number;
  /** Entropy segment; may be empty. */
  readonly segment: Uint8Array;
}

/** A keyword and a text, both without NUL. */
export interface TextEntry {
  readonly key: string;
  readonly value: string;
}

/** What may stand beside the tiles. */
export interface Extras {
  /** 8-bit gray PNG of the picture's size. */
  readonly alpha?: Uint8Array;
  /** ICC profile, not compressed. */
  readonly icc?: Uint8Array;
  /** EXIF from its TIFF header on, without "Exif\0\0". */
  readonly exif?: Uint8Array;
  /** XMP packet, UTF-8. */
  readonly xmp?: Uint8Array;
  readonly text?: readonly TextEntry[];
}

/** All parts of a file to write; `tiles` in raster order. */
export interface ContainerParts extends Extras {
  readonly header: PictureFields;
  readonly tiles: readonly EncodedTile[];
}

/** One tile as read: views of the file. */
export interface TileSegment extends EncodedTile {
  readonly index: number;
  /** The chunk itself and what its CRC goes on from, for `tileIsIntact`. */
  readonly chunk: Chunk;
  readonly tie: number;
}

/** A file as read. */
export interface Container extends Extras {
  readonly header: Header;
  readonly grid: TileGrid;
  /** One per tile of the grid, in raster order. */
  readonly tiles: readonly TileSegment[];
  readonly text: readonly TextEntry[];
  /** `pictureChecksum` of what the tiles say. */
  readonly latentsChecksum: number;
  /** Types of damaged chunks that were left out; empty unless damage is tolerated. */
  readonly damaged: readonly string[];
}

/** Options of `readContainer`. */
export interface ReadOptions {
  /** Largest picture accepted, in pixels. */
  readonly maxPixels?: number;
  /**
   * 'refuse' checks every chunk. 'tolerate' does not look at the payloads of tiles (ask `tileIsIntact` before
   * decoding one) and leaves out damaged alpha and metadata: for single regions and for damaged files.
   */
  readonly damage?: 'refuse' | 'tolerate';
}

/** Defaults of `readContainer`. */
export const defaultReadOptions = Object.freeze({ maxPixels: defaultMaxPixels, damage: 'refuse' } as const);

/** Metadata chunks whose payload is handed through, and the property they appear as. */
const opaqueChunks = { i: 'icc', e: 'exif', x: 'xmp' } as const;

/**
 * Write a file.
 *
 * @param parts see `ContainerParts`; one tile per tile of the header's grid
 * @returns the file; the same parts always give the same bytes
 * @throws UsageError where the tiles do not fit the grid, or a header field, alpha or text is not allowed
 * @throws UnsupportedError where a payload is 2^31 bytes or longer
 * @example
 * const header = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   quantizerParameter: 0, tileSide: 0 };
 * writeContainer({ header, tiles: [{ latentsChecksum: 0, segment: Uint8Array.of(1, 2) }] }).length; // => 41
 */
export function writeContainer(parts: ContainerParts): Uint8Array {
  const { header, tiles, alpha, text = [] } = parts;
  const { count } = tileGrid(header.width, header.height, header.tileSide);
  if (tiles.length !== count) {
    throw new UsageError(
      `tiles: expected ${count} for ${header.width}x${header.height} and tile side ${header.tileSide}, got ${tiles.length}`,
    );
  }
  const head = headBytes({ ...header, ...formatVersion, alpha: alpha ? 1 : 0 });
  const chunks: [type: string, payload: Uint8Array[], tie?: number][] = [];
  for (const [type, property] of Object.entries(opaqueChunks)) {
    const payload = parts[property];
    if (payload) chunks.push([type, [payload]]);
  }
  for (const entry of text) chunks.push(['t', [encodeText(entry)]]);
  if (alpha) {
    checkAlphaPng(alpha, header, UsageError);
    chunks.push(['A', [alpha]]);
  }
  tiles.forEach(({ latentsChecksum, segment }, index) => {
    if (latentsChecksum >>> 0 !== latentsChecksum) {
      throw new UsageError(
        `tile ${index}: expected a latents checksum 0..4294967295, got ${latentsChecksum}`,
      );
    }
    const prefix = new Uint8Array(tilePrefix);
    putU32(prefix, 0, latentsChecksum);
    chunks.push(['T', [prefix, segment], tieOfTile(head.crc, index)]);
  });

  const start = signature.length + head.bytes.length;
  const sizes = chunks.map(([, payload]) => chunkBytes(payload.reduce((sum, part) => sum + part.length, 0)));
  const file = new Uint8Array(sizes.reduce((sum, size) => sum + size, start));
  file.set(signature);
  file.set(head.bytes, signature.length);
  let offset = start;
  for (const [type, payload, tie] of chunks) offset = putChunk(file, offset, type, payload, tie);
  return file;
}

/**
 * Read a file. Everything returned is a view of `bytes`.
 *
 * @param bytes the whole file
 * @param options see `ReadOptions`; `defaultReadOptions` fills in
 * @throws FormatError where the bytes are no .tlc file, are truncated, or go on after the last tile
 * @throws IntegrityError where a chunk is damaged or a tile belongs to another place or to a file with another header
 * @throws UnsupportedError for another major version, an unknown flag, critical chunk or quantizer, too many pixels
 * @throws UsageError for a `maxPixels` below 1
 * @example
 * const header = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   quantizerParameter: 0, tileSide: 0 };
 * const file = writeContainer({ header, tiles: [{ latentsChecksum: 0, segment: Uint8Array.of(1, 2) }] });
 * readContainer(file).tiles[0].segment; // => Uint8Array.of(1, 2)
 */
export function readContainer(bytes: Uint8Array, options: ReadOptions = {}): Container {
  const { maxPixels = defaultReadOptions.maxPixels, damage = defaultReadOptions.damage } = options;
  requireSignature(bytes);
  const { header, crc, end: start } = readHead(bytes);
  checkPixelLimit(header.width, header.height, maxPixels);
  const grid = tileGrid(header.width, header.height, header.tileSide);
  const smallest = start + grid.count * chunkBytes(tilePrefix);
  if (bytes.length < smallest) {
    throw new FormatError(
      `expected at least ${smallest} bytes for ${grid.count} tiles, but the file ends after ${bytes.length}: it is truncated or damaged`,
    );
  }

  const text: TextEntry[] = [];
  const damaged: string[] = [];
  const single = new Map<string, Uint8Array>();
  let others = 0;
  let chunk = readChunk(bytes, start);
  for (; chunk.type !== 'T'; chunk = readChunk(bytes, chunk.end)) {
    if (++others > maxOtherChunks) {
      throw new FormatError(`expected at most ${maxOtherChunks} chunks beside the tiles, got more`);
    }
    const expendable = chunk.type === 'A' || !isCritical(chunk.type);
    if (damage === 'tolerate' && expendable && !chunkIsIntact(chunk)) {
      damaged.push(chunk.type);
      continue;
    }
    requireIntact(chunk);
    requireKnownIfCritical(chunk);
    if (chunk.type === 't') text.push(decodeText(chunk));
    else if (chunk.type === 'A' || Object.hasOwn(opaqueChunks, chunk.type)) putOnce(single, chunk);
  }
  const tiles = [readTile(chunk, 0, crc, damage)];
  while (tiles.length < grid.count) {
    chunk = readChunk(bytes, chunk.end);
    tiles.push(readTile(chunk, tiles.length, crc, damage));
  }
  if (chunk.end !== bytes.length) {
    throw new FormatError(
      `expected the file to end after tile ${grid.count - 1}, its last, got ${bytes.length - chunk.end} more bytes`,
    );
  }

  const extras: { -readonly [name in keyof Extras]: Extras[name] } = {};
  for (const [type, property] of Object.entries(opaqueChunks)) {
    const payload = single.get(type);
    if (payload) extras[property] = payload;
  }
  const alpha = single.get('A');
  if ((header.alpha === 1) !== (alpha !== undefined || damaged.includes('A'))) {
    throw new FormatError(
      `header alpha is ${header.alpha}, but the file has ${alpha ? 'an' : 'no'} alpha chunk`,
    );
  }
  if (alpha) {
    checkAlphaPng(alpha, header, FormatError);
    extras.alpha = alpha;
  }
  const latentsChecksum = pictureChecksum(tiles.map((tile) => tile.latentsChecksum));
  return { header, grid, tiles, text, latentsChecksum, damaged, ...extras };
}

/**
 * Whether a tile is undamaged and stands in its place; always true after `damage: 'refuse'`.
 *
 * @example
 * const header = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   quantizerParameter: 0, tileSide: 0 };
 * const file = writeContainer({ header, tiles: [{ latentsChecksum: 0, segment: Uint8Array.of(1, 2) }] });
 * tileIsIntact(readContainer(file, { damage: 'tolerate' }).tiles[0]); // => true
 */
export function tileIsIntact(tile: TileSegment): boolean {
  return chunkIsIntact(tile.chunk, tile.tie);
}

function requireSignature(bytes: Uint8Array): void {
  if (hasSignature(bytes)) return;
  const start = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new FormatError(`expected a .tlc file (8b 54 4c 43 0d 0a 1a 0a), got ${start || 'no bytes'}`);
}

function requireKnownIfCritical({ type, offset }: Chunk): void {
  if (isCritical(type) && type !== 'A') {
    throw new UnsupportedError(`chunk "${type}" at byte ${offset}: critical and unknown to this decoder`);
  }
}

function readTile(
  chunk: Chunk,
  index: number,
  headCrc: number,
  damage: NonNullable<ReadOptions['damage']>,
): TileSegment {
  const { type, payload, offset } = chunk;
  if (type !== 'T') {
    throw new FormatError(
      `expected tile ${index} at byte ${offset}, got chunk "${type}": only tiles follow the first tile`,
    );
  }
  if (payload.length < tilePrefix) {
    throw new FormatError(`tile ${index}: expected at least ${tilePrefix} bytes, got ${payload.length}`);
  }
  const tie = tieOfTile(headCrc, index);
  if (damage === 'refuse') requireIntact(chunk, tie);
  return { index, latentsChecksum: readU32(payload, 0), segment: payload.subarray(tilePrefix), chunk, tie };
}

function putOnce(single: Map<string, Uint8Array>, { type, payload, offset }: Chunk): void {
  if (single.has(type)) throw new FormatError(`chunk "${type}" at byte ${offset}: expected only one`);
  single.set(type, payload);
}

function encodeText({ key, value }: TextEntry): Uint8Array {
  if (key === '' || key.includes('\0') || value.includes('\0')) {
    throw new UsageError(
      `text: expected a keyword and a text without NUL, got ${JSON.stringify([key, value])}`,
    );
  }
  return new TextEncoder().encode(`${key}\0${value}`);
}

function decodeText({ payload, offset }: Chunk): TextEntry {
  let content: string;
  try {
    content = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch (cause) {
    throw new FormatError(`chunk "t" at byte ${offset}: expected UTF-8, got other bytes`, { cause });
  }
  const split = content.indexOf('\0');
  if (split < 1 || content.includes('\0', split + 1)) {
    throw new FormatError(`chunk "t" at byte ${offset}: expected a keyword, one NUL and a text`);
  }
  return { key: content.slice(0, split), value: content.slice(split + 1) };
}
