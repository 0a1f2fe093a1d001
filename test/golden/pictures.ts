/**
 * Synthetic pictures for golden files and tests, made with whole numbers only: the same seed gives the same samples on
 * every machine and in every version of JavaScript, so that files encoded from them can be compared byte by byte.
 *
 * Kinds: `gradient` (smooth), `texture` (value noise over four octaves), `noise` (independent samples), `text` (black
 * glyphs on white), `checkerboard` (one pixel wide), `blocks` (saturated squares), `constant`, `mixed` (a bit of
 * everything, the likest to a photograph).
 */
import { type Channels, createImage, type Image, type ImageMetadata } from '../../src/io/image.js';

export const pictureKinds = [
  'gradient',
  'texture',
  'noise',
  'text',
  'checkerboard',
  'blocks',
  'constant',
  'mixed',
] as const;
export type PictureKind = (typeof pictureKinds)[number];

/** A number 0..2^32-1 that depends on all of its arguments. */
export function hash(...values: readonly number[]): number {
  let state = 0x9e3779b9;
  for (const value of values) {
    state = Math.imul(state ^ (value + 0x7f4a7c15), 0x85ebca6b);
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
    state ^= state >>> 16;
  }
  return state >>> 0;
}

/** Numbers 0..2^32-1, one after the other. */
export function hashStream(seed: number): () => number {
  let index = 0;
  return () => hash(seed, index++);
}

const mix = (a: number, b: number, part: number, whole: number): number =>
  Math.floor((a * (whole - part) + b * part) / whole);

/** Value noise 0..255 with one random value per `cell` pixels, interpolated. */
function valueNoise(x: number, y: number, cell: number, seed: number): number {
  const [column, row] = [Math.floor(x / cell), Math.floor(y / cell)];
  const corner = (right: number, down: number): number => hash(seed, cell, column + right, row + down) & 255;
  const top = mix(corner(0, 0), corner(1, 0), x % cell, cell);
  const bottom = mix(corner(0, 1), corner(1, 1), x % cell, cell);
  return mix(top, bottom, y % cell, cell);
}

function texture(x: number, y: number, seed: number): number {
  const octaves = [32, 16, 8, 4].map((cell, k) => valueNoise(x, y, cell, seed + k) * 2 ** (3 - k));
  return Math.floor(octaves.reduce((sum, value) => sum + value) / 15);
}

/** Random glyphs of 5x7 dots, two pixels a dot, in lines. */
function ink(x: number, y: number, seed: number): boolean {
  const [column, dotX] = [Math.floor(x / 12), Math.floor(x / 2) % 6];
  const [row, dotY] = [Math.floor(y / 18), Math.floor(y / 2) % 9];
  return (
    dotX < 5 && dotY < 7 && hash(seed, column, row) % 6 !== 0 && hash(seed, column, row, dotX, dotY) % 5 < 2
  );
}

type Sampler = (x: number, y: number, c: number, width: number, height: number, seed: number) => number;

const samplers: Readonly<Record<PictureKind, Sampler>> = {
  gradient: (x, y, c, width, height) =>
    [mix(20, 240, x, width), mix(230, 30, y, height), mix(60, 200, x + y, width + height)][c],
  texture: (x, y, c, _width, _height, seed) => {
    const [common, own] = [texture(x, y, seed), texture(x, y, seed + 17 * (c + 1))];
    return mix(common, own, 1, 3);
  },
  noise: (x, y, c, _width, _height, seed) => hash(seed, x, y, c) & 255,
  text: (x, y, _c, _width, _height, seed) => (ink(x, y, seed) ? 0 : 255),
  checkerboard: (x, y) => ((x + y) & 1 ? 255 : 0),
  blocks: (x, y, c, _width, _height, seed) => (hash(seed, x >> 3, y >> 3, c) & 1 ? 255 : 0),
  constant: (_x, _y, c) => [200, 120, 40][c],
  mixed: (x, y, c, width, height, seed) => {
    const [cx, cy] = [x - Math.floor(width / 2), y - Math.floor(height / 2)];
    const radius = Math.floor(Math.min(width, height) / 3);
    if (cx * cx + cy * cy < radius * radius) return [210, 90, 70][c] - mix(0, 80, cy + radius, 2 * radius);
    if (2 * y > height && ink(x, y, seed)) return [30, 30, 60][c];
    return mix(samplers.gradient(x, y, c, width, height, seed), texture(x, y, seed + c), 1, 2);
  },
};

/** A picture of that kind; alpha (where `channels` has it) is a ramp with holes. */
export function picture(
  kind: PictureKind,
  width: number,
  height: number,
  channels: Channels = 3,
  seed = 1,
  metadata?: ImageMetadata,
): Image {
  const data = new Uint8Array(width * height * channels);
  const colors = channels > 2 ? 3 : 1;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < colors; c++) data[at++] = samplers[kind](x, y, c, width, height, seed);
      if (channels !== colors) data[at++] = hash(seed, x >> 3, y >> 3) % 4 === 0 ? 0 : mix(255, 40, x, width);
    }
  }
  return createImage(width, height, channels, data, metadata);
}

/** The largest difference of two samples of two pictures of the same size and kind. */
export function largestDifference(a: Image, b: Image): number {
  if (a.data.length !== b.data.length) return Number.POSITIVE_INFINITY;
  return a.data.reduce((largest, sample, k) => Math.max(largest, Math.abs(sample - b.data[k])), 0);
}
