/**
 * The container of this codec: .tlc files as bytes (docs/FORMAT.md is exact to the bit).
 *
 * Knows headers, chunks, checksums and the geometry of tiles; knows nothing of networks, quantizers or entropy
 * coding, and runs in browsers as it is.
 */

export { crc32c, crc32cOfIntegers } from '../../src/io/crc32c.js';
export {
  type Chunk,
  chunkBytes,
  chunkIsIntact,
  chunkNames,
  fileExtension,
  hasSignature,
  isCritical,
  mimeType,
  putChunk,
  readChunk,
  signature,
  tieOfTile,
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
  headerElements,
  headerTable,
  leastHeaderBytes,
  readHeader,
  snapQuality,
  writeHeader,
} from './header.js';
export { checkPixelLimit, defaultMaxPixels, type Head, type Info, readHead, readInfo } from './info.js';
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
