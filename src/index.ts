/**
 * Public API of the package: encode and decode pictures, look into files, load models, read and write pictures.
 *
 * @example
 * import { decode, encode, readImage, writeImage } from 'trellis-codec';
 *
 * const { image } = await readImage('photo.png');
 * const bytes = await encode(image, { quality: 60 });
 * await writeImage('decoded.png', await decode(bytes));
 */
export {
  type DecodeOptions,
  type DecodeReport,
  decode,
  decodeWithReport,
  defaultDecodeOptions,
} from '../codec/decode.js';
export {
  defaultEncodeOptions,
  type Effort,
  type EncodeOptions,
  type EncodeReport,
  efforts,
  encode,
  encodeWithReport,
} from '../codec/encode.js';
export {
  type Container,
  defaultMaxPixels,
  fileExtension,
  type Header,
  type Info,
  mimeType,
  quantizerName,
  readContainer,
  readInfo,
} from '../codec/format/index.js';
export { type ChunkInfo, type FileInfo, info } from '../codec/info.js';
export { bundledModels, defaultModelName, loadModel } from '../codec/model/load.js';
export type { ParsedModel } from '../codec/model/model-file.js';
export { quantizerNames } from '../codec/quantizers/registry.js';
export { type EngineName, engineNames } from '../codec/transform-engine.js';
export {
  CodecError,
  FormatError,
  IntegrityError,
  ModelMismatchError,
  UnsupportedError,
  UsageError,
} from './errors.js';
export {
  type Channels,
  createImage,
  decodePng,
  type EncodeImageOptions,
  encodeImage,
  encodePng,
  type Image,
  type ImageFormat,
  type ImageMetadata,
  imageFormats,
  mergeAlpha,
  type ReadImage,
  type ReadImageOptions,
  readImage,
  splitAlpha,
  type WritableFormat,
  type WriteOptions,
  withMetadata,
  writeImage,
} from './io/index.js';
export { mse, psnr } from './metrics/psnr.js';
