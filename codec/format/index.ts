/**
 * The container of this codec: .tlc files as bytes (docs/FORMAT.md is exact to the bit).
 *
 * Knows headers, chunks, checksums and the geometry of tiles; knows nothing of networks, quantizers or entropy
 * coding, and runs in browsers as it is.
 */

export { crc32c, crc32cOfIntegers } from '../../src/io/crc32c.js';
export {
  type Chunk,
  chunkIsIntact,
  chunkOverhead,
  fileExtension,
  hasSignature,
  isCritical,
  mimeType,
  putChunk,
  readChunk,
  signature,
} from './chunks.js';
export {
  type Container,
  type ContainerParts,
  defaultReadOptions,
  type EncodedTile,
  type Extras,
  maxOtherChunks,
  type PictureFields,
  type ReadOptions,
  readContainer,
  type TextEntry,
  type TileSegment,
  tileIsIntact,
  writeContainer,
} from './container.js';
export {
  formatHeader,
  formatVersion,
  type Header,
  type HeaderElement,
  headerBytes,
  headerElements,
  headerTable,
  readHeader,
  snapQuality,
  writeHeader,
} from './header.js';
export { checkPixelLimit, defaultMaxPixels, type Info, readInfo } from './info.js';
export { pictureChecksum } from './latents-checksum.js';
export { isTrellisCoded, type QuantizerName, quantizerIds, quantizerName } from './quantizer-ids.js';
export {
  alignment,
  defaultHalo,
  haloOf,
  latentStride,
  type Rect,
  type Tile,
  type TileGrid,
  tileAt,
  tileGrid,
  tiles,
  tilesOfRegion,
} from './tile-grid.js';
export { readVarint, varint, varintBytes, varintLimit } from './varint.js';
