/**
 * Mean squared error and PSNR of 8-bit pictures.
 *
 * Units: MSE in squared sample steps (0..65025), PSNR in decibels against a peak of 255.
 * Invariants: the mean runs over all pixels and all three colours at once, as the published results do; gray
 * counts as R = G = B, which gives the same value as its one channel; alpha is left out. Equal pictures have an
 * infinite PSNR. Sums are exact: integers far below 2^53.
 * Luma is Y of full-range BT.601 (JFIF): 0.299 R + 0.587 G + 0.114 B, not rounded; its sums are exact too, in thousandths.
 */

import { UsageError } from '../errors.js';
import type { Image } from '../io/image.js';

/** Refuses pictures of different sizes. */
function checkSizes(a: Image, b: Image): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new UsageError(
      `Expected two images of ${a.width}x${a.height} but the second is ${b.width}x${b.height}`,
    );
  }
}

/**
 * Mean squared error over the colour samples of two pictures.
 *
 * @param a 8-bit picture of 1 to 4 channels
 * @param b picture of the same width and height; gray against RGB is allowed
 * @returns 0..65025
 * @throws UsageError when the sizes differ
 * @example
 * mse(createImage(1, 1, 1, Uint8Array.of(3)), createImage(1, 1, 1, Uint8Array.of(5))); // => 4
 */
export function mse(a: Image, b: Image): number {
  checkSizes(a, b);
  const colors = Math.max(a.channels, b.channels) < 3 ? 1 : 3;
  const stepA = a.channels < 3 ? 0 : 1;
  const stepB = b.channels < 3 ? 0 : 1;
  const count = a.width * a.height;
  let sum = 0;
  for (let pixel = 0; pixel < count; pixel++) {
    const fromA = pixel * a.channels;
    const fromB = pixel * b.channels;
    for (let c = 0; c < colors; c++) {
      const difference = a.data[fromA + c * stepA] - b.data[fromB + c * stepB];
      sum += difference * difference;
    }
  }
  return sum / (count * colors);
}

/** PSNR in decibels of a mean squared error; Infinity for 0. */
export function psnrOfMse(meanSquaredError: number): number {
  return meanSquaredError === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(255 ** 2 / meanSquaredError);
}

/**
 * Peak signal-to-noise ratio over the colour samples of two pictures.
 *
 * @returns decibels; Infinity for equal pictures
 * @throws UsageError when the sizes differ
 * @example
 * psnr(createImage(1, 1, 1, Uint8Array.of(0)), createImage(1, 1, 1, Uint8Array.of(255))); // => 0
 */
export function psnr(a: Image, b: Image): number {
  return psnrOfMse(mse(a, b));
}

/** A thousand times the luma of a pixel; exact. */
function luma({ channels, data }: Image, pixel: number): number {
  const from = pixel * channels;
  if (channels < 3) return 1000 * data[from];
  return 299 * data[from] + 587 * data[from + 1] + 114 * data[from + 2];
}

/**
 * Peak signal-to-noise ratio over the luma of two pictures.
 *
 * @returns decibels; Infinity for equal luma
 * @throws UsageError when the sizes differ
 * @example
 * lumaPsnr(createImage(1, 1, 3), createImage(1, 1, 3, Uint8Array.of(0, 0, 255))).toFixed(3); // => "18.862"
 */
export function lumaPsnr(a: Image, b: Image): number {
  checkSizes(a, b);
  const count = a.width * a.height;
  let sum = 0;
  for (let pixel = 0; pixel < count; pixel++) sum += (luma(a, pixel) - luma(b, pixel)) ** 2;
  return psnrOfMse(sum / (1e6 * count));
}
