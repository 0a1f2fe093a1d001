/**
 * The chunk layer of PNG: header, list of chunks, checksums, and new chunks; no pixels.
 *
 * Units: offsets and lengths in bytes. Everything is checked before anything of the declared size is allocated:
 * a header that promises more pixels than its data could hold, at deflate's best ratio of 1032 to 1, is refused.
 * Runs in browsers. Source: PNG specification, third edition, sections 5 (chunks) and 11.2.1 (IHDR);
 * RFC 1950 and 1951 for the stored zlib stream.
 */

import { FormatError, UnsupportedError } from '../errors.js';

/** The eight bytes every PNG starts with. */
export const PNG_SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);

/** What IHDR says. */
export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha. */
  readonly colorType: 0 | 2 | 3 | 4 | 6;
  readonly interlaced: boolean;
}

/** One chunk: its type, its content, and all of its bytes with length and checksum. */
export interface PngChunk {
  readonly type: string;
  readonly data: Uint8Array;
  readonly raw: Uint8Array;
}

const depths: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** Samples per pixel as stored in the file, by colour type. */
const stored: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * True when the bytes start as a PNG does.
 *
 * @example
 * isPng(Uint8Array.of(1, 2, 3)); // false
 */
export function isPng(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads the first 33 bytes of a PNG.
 *
 * @throws FormatError when they are no valid signature and IHDR
 * @example
 * const { width, height } = readPngHeader(bytes);
 */
export function readPngHeader(bytes: Uint8Array): PngHeader {
  if (!isPng(bytes))
    throw new FormatError('Expected the PNG signature in the first 8 bytes but found others');
  if (bytes.length < 33)
    throw new FormatError(`Expected at least 33 bytes for a PNG but got ${bytes.length}`);
  const data = view(bytes);
  const type = String.fromCharCode(...bytes.subarray(12, 16));
  if (type !== 'IHDR' || data.getUint32(8) !== 13) {
    throw new FormatError('Expected a 13-byte IHDR as the first chunk of a PNG but found another');
  }
  const [width, height] = [data.getUint32(16), data.getUint32(20)];
  if (width < 1 || height < 1 || width > 0x7fffffff || height > 0x7fffffff) {
    throw new FormatError(
      `Expected 1 to 2147483647 for width and height of a PNG but got ${width}x${height}`,
    );
  }
  const [depth, colorType, compression, filter, interlace] = bytes.subarray(24, 29);
  if (!depths[colorType]?.includes(depth)) {
    throw new FormatError(`Expected a PNG colour type and depth but got ${colorType} with ${depth} bits`);
  }
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw new FormatError(
      `Expected methods 0, 0, 0 or 1 in a PNG header but got ${compression}, ${filter}, ${interlace}`,
    );
  }
  return {
    width,
    height,
    depth,
    colorType: colorType as PngHeader['colorType'],
    interlaced: interlace === 1,
  };
}

/**
 * Lists the chunks of a PNG up to and with IEND. Checksums are not compared here.
 *
 * @throws FormatError when a chunk reaches beyond the file, IEND or IDAT is missing, or the IDAT chunks cannot
 *   belong to a picture of the declared size; UnsupportedError for an unknown critical chunk
 * @example
 * const chunks = readPngChunks(bytes, readPngHeader(bytes));
 */
export function readPngChunks(bytes: Uint8Array, header: PngHeader): PngChunk[] {
  const data = view(bytes);
  const chunks: PngChunk[] = [];
  let compressed = 0;
  for (let offset = 8; ; ) {
    if (offset + 12 > bytes.length)
      throw new FormatError(`Expected a PNG chunk at byte ${offset} but the file ends`);
    const length = data.getUint32(offset);
    const end = offset + 12 + length;
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
    if (!/^[A-Za-z]{4}$/.test(type)) throw new FormatError(`Expected a PNG chunk type at byte ${offset + 4}`);
    if (end > bytes.length) {
      throw new FormatError(
        `Expected ${length} bytes in PNG chunk ${type} at byte ${offset} but the file ends`,
      );
    }
    chunks.push({ type, data: bytes.subarray(offset + 8, end - 4), raw: bytes.subarray(offset, end) });
    if (type === 'IEND') break;
    if (type === 'IDAT') compressed += length;
    else if (type < 'a' && !['IHDR', 'PLTE'].includes(type)) {
      throw new UnsupportedError(
        `Expected IHDR, PLTE, IDAT or IEND for a critical PNG chunk but got ${type}`,
      );
    }
    offset = end;
  }
  checkDataSize(header, compressed);
  return chunks;
}

function checkDataSize(header: PngHeader, compressed: number): void {
  const { width, height, depth, colorType } = header;
  const plain = (Math.ceil((width * depth * stored[colorType]) / 8) + 1) * height;
  if (compressed === 0) throw new FormatError('Expected at least one byte of IDAT in a PNG but found none');
  if (plain > compressed * 1100 + 1024 || compressed > plain * 2 + 65536) {
    throw new FormatError(
      `Expected data for ${width}x${height} pixels in a PNG but its IDAT chunks hold ${compressed} bytes`,
    );
  }
}

let crcTable: Int32Array | undefined;

/** CRC-32 of PNG (ISO 3309), as an unsigned number. */
export function crc32(...parts: readonly Uint8Array[]): number {
  if (!crcTable) {
    crcTable = new Int32Array(256);
    for (let n = 0; n < 256; n++) {
      let c = n;
      for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
      crcTable[n] = c;
    }
  }
  let crc = -1;
  for (const part of parts) for (const byte of part) crc = crcTable[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** True when the chunk's checksum is that of its type and content. */
export function hasValidCrc({ raw }: PngChunk): boolean {
  return view(raw).getUint32(raw.length - 4) === crc32(raw.subarray(4, -4));
}

/**
 * The bytes of a new chunk: length, type, content, checksum.
 *
 * @example
 * pngChunk('IEND', new Uint8Array(0)); // the last 12 bytes of every PNG
 */
export function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  view(bytes).setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(data, 8);
  view(bytes).setUint32(data.length + 8, crc32(bytes.subarray(4, -4)));
  return bytes;
}

/** One array out of several. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** A zlib stream that stores its content as it is: for small blocks where no deflate is at hand. */
export function storedZlib(data: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
  for (let from = 0; from === 0 || from < data.length; from += 65535) {
    const block = data.subarray(from, from + 65535);
    const { length } = block;
    const last = from + 65535 >= data.length ? 1 : 0;
    parts.push(Uint8Array.of(last, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255), block);
  }
  let [a, b] = [1, 0];
  for (const byte of data) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  parts.push(Uint8Array.of(b >> 8, b & 255, a >> 8, a & 255));
  return concatBytes(parts);
}
