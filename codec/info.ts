/**
 * What a .tlc file says about itself: header fields, tiles, metadata sizes and chunks. The whole file is read and its
 * checksums are checked; nothing is decoded, so no model is needed.
 */
import {
  type Container,
  quantizerName,
  type ReadOptions,
  readChunk,
  readContainer,
  readHead,
  signature,
} from './format/index.js';

export interface ChunkInfo {
  /** One letter (docs/FORMAT.md, "Chunks"). */
  readonly type: string;
  /** Where it starts in the file. */
  readonly offset: number;
  /** With type, length and checksum. */
  readonly bytes: number;
}

export type FileInfo = ReturnType<typeof described>;

/** All chunks of a file that `readContainer` has accepted, from where the first one starts. */
function chunksOf(file: Uint8Array, start: number): ChunkInfo[] {
  const found: ChunkInfo[] = [];
  for (let offset = start; offset < file.length; ) {
    const chunk = readChunk(file, offset);
    found.push({ type: chunk.type, offset, bytes: chunk.end - offset });
    offset = chunk.end;
  }
  return found;
}

function described(file: Uint8Array, container: Container) {
  const { header, grid, latentsChecksum, icc, exif, xmp, alpha, text } = container;
  const { width, height, channels, quality, quantizer, quantizerParameter } = header;
  const headEnd = readHead(file).end;
  return {
    /** Size of the file. */
    bytes: file.length,
    width,
    height,
    /** With alpha. */
    channels: channels + header.alpha,
    alpha: header.alpha === 1,
    bitsPerPixel: (8 * file.length) / (width * height),
    format: `${header.major}.${header.minor}`,
    modelId: header.modelId,
    quality,
    quantizer: quantizerName(quantizer) ?? null,
    quantizerId: quantizer,
    quantizerParameter,
    tileSide: header.tileSide,
    tiles: { count: grid.count, columns: grid.columns, rows: grid.rows },
    /** CRC32C over the tiles' latents checksums. */
    latentsChecksum,
    /** Bytes of each block; 0 where there is none. */
    metadata: {
      icc: icc?.length ?? 0,
      exif: exif?.length ?? 0,
      xmp: xmp?.length ?? 0,
      alpha: alpha?.length ?? 0,
      text: text.map(({ key, value }) => ({ key, value })),
    },
    signatureBytes: signature.length,
    /** With its length and checksum. */
    headerBytes: headEnd - signature.length,
    chunks: chunksOf(file, headEnd),
  };
}

/**
 * Describes the bytes of a .tlc file.
 *
 * @throws FormatError or IntegrityError where the file is malformed or damaged, UnsupportedError for a newer version.
 * @example
 * info(await encode(createImage(2, 1, 1, Uint8Array.of(0, 255)))).width; // => 2
 */
export function info(
  bytes: Uint8Array,
  options: ReadOptions = { maxPixels: Number.POSITIVE_INFINITY },
): FileInfo {
  return described(bytes, readContainer(bytes, options));
}
