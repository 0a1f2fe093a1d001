/**
 * Pictures, tensors and files: what the rest of the project takes from src/io. Node only, as it includes the
 * file system; browsers import image.js, png.js, half.js and safetensors.js directly.
 */

export * from './byte-file.js';
export * from './crc32c.js';
export * from './files.js';
export * from './formats.js';
export * from './half.js';
export * from './icc.js';
export * from './image.js';
export * from './orientation.js';
export * from './png.js';
export { isPng, type PngHeader, readPngHeader } from './png-chunks.js';
export * from './safetensors.js';
