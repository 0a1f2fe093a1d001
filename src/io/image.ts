/**
 * The picture as everybody here passes it around, and what can be done to it without any codec.
 *
 * Units: 8-bit samples, sRGB transfer, interleaved, row-major, top row first; alpha is straight (not
 * premultiplied), 255 opaque.
 * Invariant: data.length === width * height * channels, which `createImage` checks once.
 * Runs in browsers: no node: imports here.
 */

import { UsageError } from '../errors.js';

/** Channels of a picture: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha. */
export type Channels = 1 | 2 | 3 | 4;

/** What travels with the pixels. Blocks are kept as bytes and never interpreted by the codec. */
export interface ImageMetadata {
  /** ICC profile; absent means sRGB. */
  readonly icc?: Uint8Array;
  /** EXIF as a TIFF block ("II*\0" or "MM\0*" first), without the "Exif\0\0" prefix of JPEG. */
  readonly exif?: Uint8Array;
  /** XMP packet, UTF-8. */
  readonly xmp?: Uint8Array;
}

/** A picture: `width * height * channels` samples, interleaved and row-major. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: Channels;
  readonly data: Uint8Array;
  readonly metadata?: ImageMetadata;
}

/** Largest side of a picture; beyond it no format here can say it. */
export const MAX_SIDE = 0x7fffffff;

function checkSide(value: number, name: string): void {
  if (!Number.isInteger(value) || value < 1 || value > MAX_SIDE) {
    throw new UsageError(`Expected an integer from 1 to ${MAX_SIDE} for ${name} but received ${value}`);
  }
}

/** Drops empty metadata blocks; undefined when nothing is left. */
function cleanMetadata(metadata: ImageMetadata | undefined): ImageMetadata | undefined {
  if (!metadata) return undefined;
  const kept = Object.entries(metadata).filter(([, bytes]) => bytes !== undefined && bytes.length > 0);
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/**
 * Makes a picture and checks that its parts agree.
 *
 * @param width 1..2^31-1 pixels
 * @param height 1..2^31-1 pixels
 * @param channels 1 gray, 2 gray+alpha, 3 RGB, 4 RGBA
 * @param data `width * height * channels` samples, kept, not copied; zeros by default
 * @param metadata ICC, EXIF, XMP; empty blocks are dropped
 * @throws UsageError when a size is no positive integer or the data has another length
 * @example
 * const pixel = createImage(1, 1, 3, Uint8Array.of(255, 128, 0));
 */
export function createImage(
  width: number,
  height: number,
  channels: Channels,
  data?: Uint8Array,
  metadata?: ImageMetadata,
): Image {
  checkSide(width, 'width');
  checkSide(height, 'height');
  if (![1, 2, 3, 4].includes(channels)) {
    throw new UsageError(`Expected 1, 2, 3 or 4 for channels but received ${channels}`);
  }
  const length = width * height * channels;
  const samples = data ?? new Uint8Array(length);
  if (samples.length !== length) {
    throw new UsageError(
      `Expected ${length} samples for data of a ${width}x${height}x${channels} image but received ${samples.length}`,
    );
  }
  const kept = cleanMetadata(metadata);
  return { width, height, channels, data: samples, ...(kept ? { metadata: kept } : {}) };
}

/**
 * True when the picture has an alpha channel.
 *
 * @example
 * hasAlpha(createImage(1, 1, 4)); // true
 */
export function hasAlpha(image: Image): boolean {
  return image.channels === 2 || image.channels === 4;
}

/**
 * True when no pixel is transparent: there is no alpha channel, or all of it is 255.
 *
 * @example
 * isOpaque(createImage(1, 1, 4)); // false, alpha is 0
 */
export function isOpaque(image: Image): boolean {
  const { channels, data } = image;
  if (!hasAlpha(image)) return true;
  for (let i = channels - 1; i < data.length; i += channels) if (data[i] !== 255) return false;
  return true;
}

/**
 * Parts a picture into its colour (1 or 3 channels, metadata kept) and its alpha plane
 * (`width * height` bytes), which is absent when the picture has no alpha channel.
 *
 * @example
 * const { color, alpha } = splitAlpha(createImage(2, 2, 4)); // 3 channels, 4 bytes of alpha
 */
export function splitAlpha(image: Image): { color: Image; alpha?: Uint8Array } {
  if (!hasAlpha(image)) return { color: image };
  const { width, height, channels, data } = image;
  const count = width * height;
  const colors = channels - 1;
  const samples = new Uint8Array(count * colors);
  const alpha = new Uint8Array(count);
  for (let pixel = 0, from = 0, to = 0; pixel < count; pixel++) {
    for (let c = 0; c < colors; c++) samples[to++] = data[from++];
    alpha[pixel] = data[from++];
  }
  return { color: createImage(width, height, colors as Channels, samples, image.metadata), alpha };
}

/**
 * Puts an alpha plane back: the inverse of `splitAlpha`. Without a plane the colour is returned as it is.
 *
 * @param color 1 or 3 channels
 * @param alpha `width * height` bytes, 255 opaque
 * @throws UsageError when the colour already has alpha or the plane has another length
 * @example
 * mergeAlpha(createImage(1, 1, 3), Uint8Array.of(255)).channels; // 4
 */
export function mergeAlpha(color: Image, alpha?: Uint8Array): Image {
  if (hasAlpha(color)) {
    throw new UsageError(
      `Expected 1 or 3 channels for the colour of mergeAlpha but received ${color.channels}`,
    );
  }
  if (!alpha) return color;
  const { width, height, channels, data } = color;
  const count = width * height;
  if (alpha.length !== count) {
    throw new UsageError(`Expected ${count} bytes for the alpha of mergeAlpha but received ${alpha.length}`);
  }
  const samples = new Uint8Array(count * (channels + 1));
  for (let pixel = 0, from = 0, to = 0; pixel < count; pixel++) {
    for (let c = 0; c < channels; c++) samples[to++] = data[from++];
    samples[to++] = alpha[pixel];
  }
  return createImage(width, height, (channels + 1) as Channels, samples, color.metadata);
}

/**
 * The same picture with other metadata; pixels are shared. Pass undefined to drop all of it.
 *
 * @example
 * withMetadata(image, { icc: image.metadata?.icc }); // keeps the profile, drops EXIF and XMP
 */
export function withMetadata(image: Image, metadata: ImageMetadata | undefined): Image {
  return createImage(image.width, image.height, image.channels, image.data, metadata);
}
