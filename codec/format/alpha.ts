/**
 * Check of the embedded alpha picture (payload of chunk A, docs/FORMAT.md, "Alpha").
 *
 * The payload is a complete 8-bit gray PNG of the picture's size. Only its signature and IHDR are looked at, so
 * that a PNG that announces another size is refused before anybody decompresses it.
 */

import type { CodecError } from '../../src/errors.js';
import { readU32 } from './chunks.js';

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Signature, then length, type, width, height, depth and colour type of IHDR. */
const bytesNeeded = 26;

/**
 * Refuse an alpha picture of another kind or size.
 *
 * @param png the chunk's payload
 * @param size the picture's size in pixels
 * @param Class the error to throw: FormatError for files, UsageError for callers
 */
export function checkAlphaPng(
  png: Uint8Array,
  size: { readonly width: number; readonly height: number },
  Class: new (message: string) => CodecError,
): void {
  const isPng = png.length >= bytesNeeded && pngSignature.every((byte, i) => png[i] === byte);
  if (!isPng || readU32(png, 8) !== 13 || readU32(png, 12) !== 0x49484452) {
    throw new Class(`alpha: expected a PNG, got ${png.length} bytes of something else`);
  }
  const [width, height, depth, colourType] = [readU32(png, 16), readU32(png, 20), png[24], png[25]];
  if (depth !== 8 || colourType !== 0) {
    throw new Class(`alpha: expected a PNG of depth 8, colour type 0, got ${depth}, ${colourType}`);
  }
  if (width !== size.width || height !== size.height) {
    throw new Class(`alpha: expected a PNG of ${size.width}x${size.height}, got ${width}x${height}`);
  }
}
