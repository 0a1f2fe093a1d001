/**
 * PNG to picture and back, on fast-png; the browser's way in and out as well as Node's.
 *
 * Invariants: 8-bit samples come back exactly; 16-bit samples are rounded to the nearest of 0..255; gray stays
 * one channel; a palette or a transparent colour (tRNS) becomes RGB or alpha. Checksums of all chunks used are
 * compared. Damaged metadata costs a notice, damaged pixels a FormatError.
 * fast-png sees only the chunks it needs: it throws on odd text chunks that do not matter, and it unpacks
 * neither interlaced samples below 8 bits nor tRNS of gray and RGB. Runs in browsers.
 * Source: PNG specification, third edition, sections 9 (filters), 11.3 (ancillary chunks) and 13.12 (depth).
 */

import { type DecodedPng, decode, encode } from 'fast-png';
import { FormatError, UnsupportedError, UsageError } from '../errors.js';
import { type Channels, createImage, type Image, type ImageMetadata } from './image.js';
import {
  concatBytes,
  hasValidCrc,
  PNG_SIGNATURE,
  type PngChunk,
  type PngHeader,
  pngChunk,
  readPngChunks,
  readPngHeader,
  storedZlib,
} from './png-chunks.js';

/** Pixels accepted by default, as in sharp: 16383 squared. */
export const DEFAULT_MAX_PIXELS = 268402689;

/** Longest compressed ICC profile taken over. */
const MAX_PROFILE = 1 << 20;

/** What a picture's file gave: the picture, and remarks on what could not be kept. */
export interface DecodedImage {
  readonly image: Image;
  /** One-line remarks for the user, such as "16-bit samples reduced to 8 bits". */
  readonly notices: string[];
}

/** Options of `decodePng`. */
export interface DecodePngOptions {
  /** Refuse pictures of more pixels, before any memory is taken (default 268402689). */
  readonly maxPixels?: number;
}

/** Options of `encodePng`. */
export interface EncodePngOptions {
  /**
   * A zlib compressor, such as node:zlib's deflateSync. With one, rows are filtered: photographs come out about
   * a tenth smaller, smooth pictures many times. Without one, fast-png's own is used and rows stay unfiltered.
   */
  readonly deflate?: (bytes: Uint8Array) => Uint8Array;
}

/**
 * Raises an UnsupportedError when a picture has more than `maxPixels` pixels.
 *
 * @example
 * checkPixels(768, 512, 1e6); // fine
 */
export function checkPixels(width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  throw new UnsupportedError(
    `Expected at most ${maxPixels} pixels but the image declares ${width}x${height} (raise maxPixels to allow it)`,
  );
}

/**
 * Decodes a PNG of any colour type and depth.
 *
 * @param bytes the whole file
 * @returns 1 to 4 channels of 8 bits; metadata with ICC (iCCP), EXIF (eXIf) and XMP (uncompressed iTXt)
 * @throws FormatError when the bytes are no sound PNG; UnsupportedError when it has more than `maxPixels` pixels,
 *   an unknown critical chunk, or interlaced samples of less than 8 bits
 * @example
 * const { image, notices } = decodePng(bytes);
 */
export function decodePng(bytes: Uint8Array, options: DecodePngOptions = {}): DecodedImage {
  const header = readPngHeader(bytes);
  const { width, height, depth, colorType, interlaced } = header;
  checkPixels(width, height, options.maxPixels ?? DEFAULT_MAX_PIXELS);
  const chunks = readPngChunks(bytes, header);
  if (interlaced && depth < 8) {
    throw new UnsupportedError(`Expected at least 8 bits per sample for an interlaced PNG but got ${depth}`);
  }
  const notices: string[] = [];
  if (depth === 16) notices.push('16-bit samples reduced to 8 bits');
  if (chunks.some(({ type }) => type === 'acTL'))
    notices.push('animated PNG: only the default picture is used');
  const decoded = decodePixels(chunks, colorType, notices);
  const metadata = readMetadata(chunks, decoded, notices);
  const { channels, data } = toSamples(header, decoded);
  return { image: createImage(width, height, channels, data, metadata), notices };
}

/** Runs fast-png on the chunks that matter; a profile it cannot read is left out. */
function decodePixels(chunks: readonly PngChunk[], colorType: number, notices: string[]): DecodedPng {
  const wanted = ['IHDR', 'IDAT', 'IEND'];
  if (colorType === 3) wanted.push('PLTE');
  if (colorType < 4) wanted.push('tRNS');
  const kept = chunks.filter(({ type }) => wanted.includes(type)).map(({ raw }) => raw);
  const profile = chunks.find(({ type }) => type === 'iCCP');
  if (profile && profile.data.length <= MAX_PROFILE && hasValidCrc(profile)) {
    try {
      return runFastPng([kept[0], profile.raw, ...kept.slice(1)]);
    } catch {
      // Either the profile is at fault or the next attempt fails as well.
    }
  }
  const decoded = runFastPng(kept);
  if (profile) notices.push('unreadable ICC profile ignored');
  return decoded;
}

function runFastPng(chunks: readonly Uint8Array[]): DecodedPng {
  try {
    return decode(concatBytes([PNG_SIGNATURE, ...chunks]), { checkCrc: true });
  } catch (error) {
    const inner = error instanceof Error && error.cause instanceof Error ? ` ${error.cause.message}` : '';
    const text = error instanceof Error ? error.message : String(error);
    // What fast-png says where the pixel data ends before the last row.
    const reason = text.includes('filter: undefined') ? 'the pixel data ends too early' : text;
    throw new FormatError(`Expected sound PNG data but decoding failed: ${reason}${inner}`, { cause: error });
  }
}

/** Widens samples of less than 8 bits to one byte each, unscaled; rows start on byte borders. */
function unpackBits({ data, width, height, depth }: DecodedPng): Uint8Array {
  const samples = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      samples[to++] = (data[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return samples;
}

function toSamples(header: PngHeader, decoded: DecodedPng): { channels: Channels; data: Uint8Array } {
  const { depth, colorType } = header;
  const samples = depth < 8 ? unpackBits(decoded) : decoded.data;
  if (colorType === 3) return expandPalette(samples, decoded.palette);
  const channels = decoded.channels as Channels;
  const data = new Uint8Array(samples.length);
  if (depth === 8) data.set(samples);
  else if (depth === 16) {
    // Exactly round(v * 255 / 65535) for every v.
    for (let i = 0; i < data.length; i++) data[i] = (samples[i] * 255 + 32895) >>> 16;
  } else {
    const scale = 255 / ((1 << depth) - 1);
    for (let i = 0; i < data.length; i++) data[i] = samples[i] * scale;
  }
  const key = decoded.transparency;
  return key && key.length >= channels ? addKeyAlpha(samples, data, channels, key) : { channels, data };
}

function expandPalette(
  indices: ArrayLike<number>,
  palette: readonly number[][] | undefined,
): { channels: Channels; data: Uint8Array } {
  if (!palette || palette.length === 0)
    throw new FormatError('Expected a palette in an indexed PNG but found none');
  const channels = palette[0].length as Channels;
  const table = new Uint8Array(256 * channels);
  for (const [i, color] of palette.slice(0, 256).entries()) table.set(color, i * channels);
  const data = new Uint8Array(indices.length * channels);
  for (let i = 0, to = 0; i < indices.length; i++) {
    const index = indices[i];
    if (index >= palette.length) {
      throw new FormatError(`Expected a palette index below ${palette.length} in a PNG but got ${index}`);
    }
    for (let c = 0; c < channels; c++) data[to++] = table[index * channels + c];
  }
  return { channels, data };
}

/** Makes pixels of exactly the tRNS colour transparent; compared at the file's own depth. */
function addKeyAlpha(
  samples: ArrayLike<number>,
  data: Uint8Array,
  colors: Channels,
  key: Uint16Array,
): { channels: Channels; data: Uint8Array } {
  const count = data.length / colors;
  const result = new Uint8Array(count * (colors + 1));
  for (let pixel = 0, from = 0, to = 0; pixel < count; pixel++) {
    let matches = true;
    for (let c = 0; c < colors; c++, from++) {
      matches &&= samples[from] === key[c];
      result[to++] = data[from];
    }
    result[to++] = matches ? 0 : 255;
  }
  return { channels: (colors + 1) as Channels, data: result };
}

const XMP_KEYWORD = 'XML:com.adobe.xmp';

function readMetadata(chunks: readonly PngChunk[], decoded: DecodedPng, notices: string[]): ImageMetadata {
  const metadata: { -readonly [K in keyof ImageMetadata]: ImageMetadata[K] } = {};
  if (decoded.iccEmbeddedProfile) metadata.icc = decoded.iccEmbeddedProfile.profile;
  for (const chunk of chunks) {
    const { type, data } = chunk;
    const keyword = String.fromCharCode(...data.subarray(0, XMP_KEYWORD.length));
    const isXmp = type === 'iTXt' && keyword === XMP_KEYWORD && data[XMP_KEYWORD.length] === 0;
    if (type !== 'eXIf' && !isXmp) continue;
    if (!hasValidCrc(chunk)) notices.push(`damaged ${isXmp ? 'XMP' : 'EXIF'} ignored`);
    else if (!isXmp) metadata.exif = data.slice();
    else if (data[XMP_KEYWORD.length + 1] !== 0) notices.push('compressed XMP ignored');
    else {
      // Keyword, compression flag and method; then language and translated keyword, each ended by a zero.
      const language = data.indexOf(0, XMP_KEYWORD.length + 3);
      const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
      if (translated >= 0) metadata.xmp = data.slice(translated + 1);
    }
  }
  return metadata;
}

/** The chunks between IHDR and IDAT. */
function metadataChunks(metadata: ImageMetadata, deflate: (bytes: Uint8Array) => Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const ascii = (text: string) => new TextEncoder().encode(text);
  if (metadata.icc) {
    chunks.push(pngChunk('iCCP', concatBytes([ascii('ICC profile\0\0'), deflate(metadata.icc)])));
  }
  if (metadata.exif) chunks.push(pngChunk('eXIf', metadata.exif));
  if (metadata.xmp) {
    chunks.push(pngChunk('iTXt', concatBytes([ascii(`${XMP_KEYWORD}\0\0\0\0\0`), metadata.xmp])));
  }
  return chunks;
}

/**
 * Encodes a picture as an 8-bit PNG of 1 to 4 channels, with its metadata.
 *
 * @returns the whole file; equal pictures give equal bytes
 * @throws UsageError when the picture's parts do not agree
 * @example
 * const bytes = encodePng(createImage(1, 1, 3, Uint8Array.of(255, 0, 0)));
 */
export function encodePng(image: Image, options: EncodePngOptions = {}): Uint8Array {
  const { width, height, channels, data, metadata } = createImage(
    image.width,
    image.height,
    image.channels,
    image.data,
    image.metadata,
  );
  const { deflate } = options;
  const extra = metadataChunks(metadata ?? {}, deflate ?? storedZlib);
  if (!deflate) {
    const bytes = encode({ width, height, channels, data, depth: 8 });
    // Signature and IHDR take 33 bytes; metadata must come before the first IDAT.
    return extra.length === 0 ? bytes : concatBytes([bytes.subarray(0, 33), ...extra, bytes.subarray(33)]);
  }
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header[8] = 8;
  header[9] = [0, 4, 2, 6][channels - 1];
  const compressed = deflate(filterRows(image));
  if (compressed.length > 0x7fffffff) throw new UsageError(`Expected a picture below 2 GiB for a PNG`);
  return concatBytes([
    PNG_SIGNATURE,
    pngChunk('IHDR', header),
    ...extra,
    pngChunk('IDAT', compressed),
    pngChunk('IEND', new Uint8Array(0)),
  ]);
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const toLeft = Math.abs(estimate - left);
  const toUp = Math.abs(estimate - up);
  const toCorner = Math.abs(estimate - corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Filters each row with the one of the five filters whose signed results have the least sum of magnitudes. */
function filterRows({ width, height, channels, data }: Image): Uint8Array {
  const length = width * channels;
  const result = new Uint8Array((length + 1) * height);
  const rows = Array.from({ length: 5 }, () => new Uint8Array(length));
  let above: Uint8Array = new Uint8Array(length);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * length, (y + 1) * length);
    const sums = [0, 0, 0, 0, 0];
    for (let i = 0; i < length; i++) {
      const value = row[i];
      const up = above[i];
      const left = i < channels ? 0 : row[i - channels];
      const corner = i < channels ? 0 : above[i - channels];
      rows[0][i] = value;
      rows[1][i] = value - left;
      rows[2][i] = value - up;
      rows[3][i] = value - ((left + up) >> 1);
      rows[4][i] = value - paeth(left, up, corner);
      for (let f = 0; f < 5; f++) sums[f] += rows[f][i] < 128 ? rows[f][i] : 256 - rows[f][i];
    }
    const best = sums.indexOf(Math.min(...sums));
    result[y * (length + 1)] = best;
    result.set(rows[best], y * (length + 1) + 1);
    above = row;
  }
  return result;
}
