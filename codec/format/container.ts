/**
 * Whole .tlc files: header, one entropy segment per tile, optional alpha and metadata (docs/FORMAT.md).
 *
 * Reading takes one pass over the chunk heads, makes views of the given bytes and copies nothing; what it
 * allocates is bounded by the number of chunks that are really there. Writing allocates the file once.
 * Nothing here knows networks or entropy coding: a segment is a string of bytes.
 */

import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../src/errors.js';
import { checkAlphaPng } from './alpha.js';
import {
  type Chunk,
  chunkIsIntact,
  chunkOverhead,
  hasSignature,
  hex32,
  isCritical,
  putChunk,
  putU32,
  readChunk,
  readU32,
  requireIntact,
  signature,
} from './chunks.js';
import { formatVersion, type Header, writeHeader } from './header.js';
import { checkPixelLimit, defaultMaxPixels, readHead } from './info.js';
import { pictureChecksum } from './latents-checksum.js';
import { type TileGrid, tileGrid } from './tile-grid.js';

/** Chunks other than HEAD, TILE and TEND that a reader accepts in one file. */
export const maxOtherChunks = 1024;

/** Bytes of a TILE payload before the entropy segment: tile index and latents checksum. */
const tilePrefix = 8;

/** What the caller of `writeContainer` says about a picture; the rest of the header follows from the rest. */
export type PictureFields = Omit<Header, 'major' | 'minor' | 'alpha' | 'latentsChecksum'>;

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
  /** The TILE chunk itself, for `tileIsIntact`. */
  readonly chunk: Chunk;
}

/** A file as read. */
export interface Container extends Extras {
  readonly header: Header;
  readonly grid: TileGrid;
  /** One per tile of the grid, in raster order. */
  readonly tiles: readonly TileSegment[];
  readonly text: readonly TextEntry[];
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
const opaqueChunks = { iccp: 'icc', exif: 'exif', 'xmp ': 'xmp' } as const;

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
 * writeContainer({ header, tiles: [{ latentsChecksum: 0, segment: Uint8Array.of(1, 2) }] }).length; // => 85
 */
export function writeContainer(parts: ContainerParts): Uint8Array {
  const { header, tiles, alpha, text = [] } = parts;
  const fields: Header = {
    ...header,
    ...formatVersion,
    alpha: alpha ? 1 : 0,
    latentsChecksum: pictureChecksum(tiles.map((tile) => tile.latentsChecksum)),
  };
  const chunks: [type: string, payload: Uint8Array[]][] = [['HEAD', [writeHeader(fields)]]];
  const { count } = tileGrid(header.width, header.height, header.tileSide);
  if (tiles.length !== count) {
    throw new UsageError(
      `tiles: expected ${count} for ${header.width}x${header.height} and tile side ${header.tileSide}, got ${tiles.length}`,
    );
  }
  for (const [type, property] of Object.entries(opaqueChunks)) {
    const payload = parts[property];
    if (payload) chunks.push([type, [payload]]);
  }
  for (const entry of text) chunks.push(['text', [encodeText(entry)]]);
  if (alpha) {
    checkAlphaPng(alpha, header, UsageError);
    chunks.push(['ALPH', [alpha]]);
  }
  tiles.forEach(({ latentsChecksum, segment }, index) => {
    if (latentsChecksum >>> 0 !== latentsChecksum) {
      throw new UsageError(
        `tile ${index}: expected a latents checksum 0..4294967295, got ${latentsChecksum}`,
      );
    }
    const prefix = new Uint8Array(tilePrefix);
    putU32(prefix, 0, index);
    putU32(prefix, 4, latentsChecksum);
    chunks.push(['TILE', [prefix, segment]]);
  });
  chunks.push(['TEND', []]);

  let length = signature.length;
  for (const [, payload] of chunks) length += payload.reduce((sum, part) => sum + part.length, chunkOverhead);
  const file = new Uint8Array(length);
  file.set(signature);
  let offset = signature.length;
  for (const [type, payload] of chunks) offset = putChunk(file, offset, type, payload);
  return file;
}

/**
 * Read a file. Everything returned is a view of `bytes`.
 *
 * @param bytes the whole file
 * @param options see `ReadOptions`; `defaultReadOptions` fills in
 * @throws FormatError where the bytes are no .tlc file, are truncated, or go on after their end
 * @throws IntegrityError where a chunk is damaged or a tile belongs to another file
 * @throws UnsupportedError for another major version, an unknown critical chunk or quantizer, too many pixels
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
  const { header, chunk: head } = readHead(bytes);
  checkPixelLimit(header.width, header.height, maxPixels);
  const grid = tileGrid(header.width, header.height, header.tileSide);
  const smallest = head.end + grid.count * (chunkOverhead + tilePrefix) + chunkOverhead;
  if (bytes.length < smallest) {
    throw new FormatError(
      `expected at least ${smallest} bytes for ${grid.count} tiles, but the file ends after ${bytes.length}: it is truncated or damaged`,
    );
  }

  const tiles: TileSegment[] = [];
  const text: TextEntry[] = [];
  const damaged: string[] = [];
  const single = new Map<string, Uint8Array>();
  let others = 0;
  let chunk = head;
  for (;;) {
    if (chunk.end === bytes.length) {
      throw new FormatError(
        `expected chunk "TEND" at the end, but the file ends after ${bytes.length} bytes without it: it is truncated`,
      );
    }
    chunk = readChunk(bytes, chunk.end);
    if (chunk.type === 'TEND') break;
    if (chunk.type === 'TILE') {
      tiles.push(readTile(chunk, tiles.length, grid.count, damage));
      continue;
    }
    if (++others > maxOtherChunks) {
      throw new FormatError(`expected at most ${maxOtherChunks} chunks beside the tiles, got more`);
    }
    const expendable = chunk.type === 'ALPH' || !isCritical(chunk.type);
    if (damage === 'tolerate' && expendable && !chunkIsIntact(chunk)) {
      damaged.push(chunk.type);
      continue;
    }
    requireIntact(chunk);
    requireKnownIfCritical(chunk);
    if (chunk.type === 'text') text.push(decodeText(chunk));
    else if (chunk.type === 'ALPH' || Object.hasOwn(opaqueChunks, chunk.type)) putOnce(single, chunk);
  }
  requireEnd(chunk, bytes.length);
  requireAllTiles(header, tiles, grid.count, damage);

  const extras: { -readonly [name in keyof Extras]: Extras[name] } = {};
  for (const [type, property] of Object.entries(opaqueChunks)) {
    const payload = single.get(type);
    if (payload) extras[property] = payload;
  }
  const alpha = single.get('ALPH');
  if ((header.alpha === 1) !== (alpha !== undefined || damaged.includes('ALPH'))) {
    throw new FormatError(
      `header alpha is ${header.alpha}, but the file has ${alpha ? 'an' : 'no'} ALPH chunk`,
    );
  }
  if (alpha) {
    checkAlphaPng(alpha, header, FormatError);
    extras.alpha = alpha;
  }
  return { header, grid, tiles, text, damaged, ...extras };
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
  return readU32(tile.chunk.payload, 0) === tile.index && chunkIsIntact(tile.chunk);
}

function requireSignature(bytes: Uint8Array): void {
  if (hasSignature(bytes)) return;
  const start = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new FormatError(`expected a .tlc file (8b 54 4c 43 0d 0a 1a 0a), got ${start || 'no bytes'}`);
}

function requireKnownIfCritical({ type, offset }: Chunk): void {
  if (type === 'HEAD') throw new FormatError(`chunk "HEAD" at byte ${offset}: expected only one`);
  if (isCritical(type) && type !== 'ALPH') {
    throw new UnsupportedError(`chunk "${type}" at byte ${offset}: critical and unknown to this decoder`);
  }
}

function readTile(
  chunk: Chunk,
  index: number,
  count: number,
  damage: NonNullable<ReadOptions['damage']>,
): TileSegment {
  const { payload, offset } = chunk;
  if (index >= count) throw new FormatError(`expected ${count} TILE chunks, got more at byte ${offset}`);
  if (payload.length < tilePrefix) {
    throw new FormatError(`TILE ${index}: expected at least ${tilePrefix} bytes, got ${payload.length}`);
  }
  if (damage === 'refuse') {
    requireIntact(chunk);
    const stored = readU32(payload, 0);
    if (stored !== index)
      throw new FormatError(`expected TILE ${index} at byte ${offset}, got TILE ${stored}`);
  }
  return { index, latentsChecksum: readU32(payload, 4), segment: payload.subarray(tilePrefix), chunk };
}

function requireEnd(end: Chunk, length: number): void {
  requireIntact(end);
  if (end.payload.length !== 0) {
    throw new FormatError(`chunk "TEND": expected no payload, got ${end.payload.length} bytes`);
  }
  if (end.end !== length) {
    throw new FormatError(`expected the file to end after TEND, got ${length - end.end} more bytes`);
  }
}

function requireAllTiles(
  header: Header,
  tiles: readonly TileSegment[],
  count: number,
  damage: NonNullable<ReadOptions['damage']>,
): void {
  if (tiles.length !== count) throw new FormatError(`expected ${count} TILE chunks, got ${tiles.length}`);
  if (damage === 'tolerate') return;
  const checksum = pictureChecksum(tiles.map((tile) => tile.latentsChecksum));
  if (checksum !== header.latentsChecksum) {
    throw new IntegrityError(
      `latents checksum: expected ${hex32(header.latentsChecksum)} over all tiles, got ${hex32(checksum)}: a tile is from another file`,
    );
  }
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
    throw new FormatError(`chunk "text" at byte ${offset}: expected UTF-8, got other bytes`, { cause });
  }
  const split = content.indexOf('\0');
  if (split < 1 || content.includes('\0', split + 1)) {
    throw new FormatError(`chunk "text" at byte ${offset}: expected a keyword, one NUL and a text`);
  }
  return { key: content.slice(0, split), value: content.slice(split + 1) };
}
