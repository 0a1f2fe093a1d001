/**
 * EXIF orientation: reading the tag, turning the pixels, and setting the tag back to "as stored".
 *
 * Units: orientation 1..8 as in EXIF tag 0x0112 (1 as stored, 2 mirrored, 3 turned by 180 degrees, 4 flipped,
 * 5 transposed, 6 needs a clockwise quarter turn, 7 transversed, 8 a counterclockwise one).
 * Invariants: malformed EXIF never throws, it only has no orientation. Runs in browsers.
 * Source: EXIF 2.32 (CIPA DC-008), section 4.6.2; TIFF 6.0, section 2.
 */

import { UsageError } from '../errors.js';
import { createImage, type Image } from './image.js';

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;

/**
 * Removes the "Exif\0\0" prefix that JPEG and sharp put before the TIFF block.
 *
 * @example
 * stripExifPrefix(Uint8Array.of(69, 120, 105, 102, 0, 0, 73, 73)); // Uint8Array [73, 73]
 */
export function stripExifPrefix(exif: Uint8Array): Uint8Array {
  const prefix = [0x45, 0x78, 0x69, 0x66, 0, 0];
  return prefix.every((byte, i) => exif[i] === byte) ? exif.slice(6) : exif;
}

/** Where the orientation's value lies in a TIFF block, and in which byte order. */
function findOrientation(exif: Uint8Array): { view: DataView; at: number; little: boolean } | undefined {
  if (exif.length < 14) return undefined;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  const start = view.getUint32(4, little);
  if (view.getUint16(2, little) !== 42 || start + 2 > exif.length) return undefined;
  const count = view.getUint16(start, little);
  for (let i = 0; i < count; i++) {
    const entry = start + 2 + i * 12;
    if (entry + 12 > exif.length) return undefined;
    if (view.getUint16(entry, little) !== ORIENTATION_TAG) continue;
    if (view.getUint16(entry + 2, little) !== SHORT) return undefined;
    return { view, at: entry + 8, little };
  }
  return undefined;
}

/**
 * The orientation an EXIF block asks for: 1..8, and 1 where it says nothing sound.
 *
 * @param exif a TIFF block, with or without the "Exif\0\0" prefix
 * @example
 * exifOrientation(new Uint8Array(0)); // 1
 */
export function exifOrientation(exif: Uint8Array): number {
  const found = findOrientation(stripExifPrefix(exif));
  const value = found ? found.view.getUint16(found.at, found.little) : 1;
  return value >= 1 && value <= 8 ? value : 1;
}

/**
 * A copy of an EXIF block that says "as stored" (orientation 1), without the "Exif\0\0" prefix.
 *
 * @example
 * exifOrientation(resetOrientation(exif)); // 1
 */
export function resetOrientation(exif: Uint8Array): Uint8Array {
  const copy = stripExifPrefix(exif).slice();
  const found = findOrientation(copy);
  found?.view.setUint16(found.at, 1, found.little);
  return copy;
}

/**
 * Turns and mirrors a picture so that it stands as its orientation asks; metadata is kept as it is.
 *
 * @param orientation 1..8; from 5 on width and height change places
 * @throws UsageError for another number
 * @example
 * orientImage(createImage(3, 2, 1), 6).width; // 2
 */
export function orientImage(image: Image, orientation: number): Image {
  if (!Number.isInteger(orientation) || orientation < 1 || orientation > 8) {
    throw new UsageError(`Expected an integer from 1 to 8 for orientation but received ${orientation}`);
  }
  if (orientation === 1) return image;
  const { width, height, channels, data } = image;
  const transposed = orientation >= 5;
  const [outWidth, outHeight] = transposed ? [height, width] : [width, height];
  // The source's corner that comes to the top left, and the source steps of one pixel right and one row down.
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const stepX = fromRight ? -1 : 1;
  const stepY = fromBottom ? -width : width;
  const start = (fromRight ? width - 1 : 0) + (fromBottom ? (height - 1) * width : 0);
  const [right, down] = transposed ? [stepY, stepX] : [stepX, stepY];
  const turned = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < outHeight; y++) {
    let pixel = start + y * down;
    for (let x = 0; x < outWidth; x++, pixel += right) {
      for (let c = 0; c < channels; c++) turned[to++] = data[pixel * channels + c];
    }
  }
  return createImage(outWidth, outHeight, channels, turned, image.metadata);
}
