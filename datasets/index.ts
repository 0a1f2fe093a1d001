/** Data sets: pictures to measure on, found on this machine and checked by their hashes. Never part of the project. */

export * from './dataset.js';
export * from './fetch.js';
export * from './find.js';
export * from './folder.js';
export { kodakManifest } from './kodak.js';
export * from './pixel-hash.js';
export { tecnickManifest } from './tecnick.js';
export * from './test-pictures.js';
export * from './verify.js';
