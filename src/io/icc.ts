/**
 * The one question asked of ICC profiles here: is this sRGB? Then pixels need no conversion and the profile
 * says nothing new.
 *
 * Invariants: malformed profiles never throw, they only are not sRGB. Runs in browsers.
 * Source: ICC.1:2022, section 7.2 (header) and 7.3 (tag table); the profileDescriptionTag names the space.
 */

/**
 * True when an ICC profile is an RGB profile whose description names sRGB (and not a linear variant of it).
 *
 * @example
 * isSrgbProfile(new Uint8Array(0)); // false
 */
export function isSrgbProfile(icc: Uint8Array): boolean {
  if (icc.length < 132) return false;
  const view = new DataView(icc.buffer, icc.byteOffset, icc.byteLength);
  const text = (from: number, to: number) => {
    let result = '';
    // Descriptions are ASCII or UTF-16: without zeros the names read the same.
    for (const byte of icc.subarray(from, to)) if (byte) result += String.fromCharCode(byte);
    return result;
  };
  if (text(16, 20) !== 'RGB ') return false;
  const count = Math.min(view.getUint32(128), 256);
  for (let i = 0; i < count; i++) {
    const tag = 132 + i * 12;
    if (tag + 12 > icc.length) return false;
    if (text(tag, tag + 4) !== 'desc') continue;
    const start = view.getUint32(tag + 4);
    const description = text(start, start + Math.min(view.getUint32(tag + 8), 1024));
    return /srgb/i.test(description) && !/linear|scrgb/i.test(description);
  }
  return false;
}
