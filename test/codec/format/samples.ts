/**
 * Sample files for the tests of codec/format, all seeded: the same number gives the same file everywhere.
 */

import type { ContainerParts, PictureFields } from '../../../codec/format/index.js';
import { crc32cOfIntegers, tileGrid } from '../../../codec/format/index.js';

/** Numbers 0..2^32-1 (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

export function seededBytes(length: number, seed: number): Uint8Array {
  const next = seededNumbers(seed);
  return Uint8Array.from({ length }, () => next() & 0xff);
}

/** Header fields with a change. */
export function picture(change: Partial<PictureFields> = {}): PictureFields {
  return {
    width: 300,
    height: 150,
    channels: 3,
    modelId: '0123456789abcdef',
    quality: 42.5,
    quantizer: 17,
    quantizerParameter: 0,
    tileSide: 128,
    ...change,
  };
}

/** The start of an 8-bit gray PNG, as much of it as the container looks at, and some more bytes. */
export function alphaPng(width = 300, height = 150, depth = 8, colourType = 0): Uint8Array {
  const png = new Uint8Array(60);
  png.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  const view = new DataView(png.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  png.set([depth, colourType], 24);
  return png;
}

/** All parts of a file; the tiles fit the header. */
export function sampleParts(change: Partial<PictureFields> = {}): ContainerParts {
  const header = picture(change);
  const { count } = tileGrid(header.width, header.height, header.tileSide);
  const tiles = Array.from({ length: count }, (_, index) => ({
    latentsChecksum: crc32cOfIntegers(Int32Array.of(index, -index, 7)),
    segment: seededBytes(index === 1 ? 0 : 20 + 3 * index, index),
  }));
  return {
    header,
    tiles,
    alpha: alphaPng(header.width, header.height),
    icc: seededBytes(40, 101),
    exif: seededBytes(30, 102),
    xmp: new TextEncoder().encode('<x:xmpmeta/>'),
    text: [
      { key: 'Title', value: 'Ein schöner Tag' },
      { key: 'Comment', value: '' },
    ],
  };
}
