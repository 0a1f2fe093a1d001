/** Seeded pictures and small files for the tests of src/io. */

import { type Channels, createImage, type Image } from '../../../src/io/image.js';

/** Mulberry32: a seeded generator of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function noise(width: number, height: number, channels: Channels, seed = 1): Image {
  const next = random(seed);
  const data = Uint8Array.from({ length: width * height * channels }, () => Math.floor(next() * 256));
  return createImage(width, height, channels, data);
}

/** A smooth picture, different in every corner, which lossy formats hardly change. */
export function smooth(width: number, height: number, channels: Channels): Image {
  const image = createImage(width, height, channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * channels;
      const u = x / (width - 1);
      const v = y / (height - 1);
      const values = [40 + 180 * u, 220 - 150 * v, 60 + 80 * u * v];
      for (let c = 0; c < channels; c++) image.data[at + c] = values[c];
      if (channels === 2 || channels === 4) image.data[at + channels - 1] = 255 - 200 * u;
    }
  }
  return image;
}

/** A minimal EXIF block, big- or little-endian, that holds an orientation and nothing else. */
export function exifBlock(orientation: number, little = true): Uint8Array {
  const bytes = new Uint8Array(26);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, little);
  view.setUint32(4, 8, little);
  view.setUint16(8, 1, little);
  view.setUint16(10, 0x0112, little);
  view.setUint16(12, 3, little);
  view.setUint32(14, 1, little);
  view.setUint16(18, orientation, little);
  return bytes;
}

/** Mean absolute difference of two sample arrays of one length. */
export function meanDifference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}
