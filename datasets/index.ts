/** Data sets: pictures to measure on, found on this machine and checked by their SHA-256. Never part of the project. */

export * from './dataset.js';
export * from './find.js';
export * from './folder.js';
export { kodakManifest } from './kodak.js';
export { tecnickManifest } from './tecnick.js';
