/**
 * SHA-256 of what a picture shows, whatever file it lies in: a losslessly repacked copy has the same one.
 *
 * Hashed are the ASCII text "<width>x<height>x<channels>\n" and then the 8-bit colour samples, interleaved, row-major,
 * top row first; gray has one channel, and alpha is left out.
 */
import { createHash } from 'node:crypto';
import { type Image, splitAlpha } from '../src/io/index.js';

/**
 * The hash of a picture's colour samples, in hexadecimal.
 *
 * @example
 * pixelHash(createImage(1, 1, 3, Uint8Array.of(1, 2, 3))).slice(0, 8); // => "7c528aad"
 */
export function pixelHash(image: Image): string {
  const { width, height, channels, data } = splitAlpha(image).color;
  return createHash('sha256').update(`${width}x${height}x${channels}\n`).update(data).digest('hex');
}
