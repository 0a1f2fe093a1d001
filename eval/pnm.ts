/**
 * Portable pixmaps, which every codec's command-line program reads and writes without losing time: P6 out; P5 and P6 in,
 * 8 bits only.
 */
import { FormatError } from '../src/errors.js';
import { createImage, type Image } from '../src/io/index.js';

/**
 * A picture as a P6 file: gray becomes equal colours, alpha is left out.
 *
 * @example
 * encodePnm(createImage(1, 1, 3)).length; // => 14
 */
export function encodePnm({ width, height, channels, data }: Image): Uint8Array {
  const head = new TextEncoder().encode(`P6\n${width} ${height}\n255\n`);
  const bytes = new Uint8Array(head.length + 3 * width * height);
  bytes.set(head);
  const step = channels < 3 ? 0 : 1;
  for (let pixel = 0, to = head.length; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) bytes[to++] = data[pixel * channels + c * step];
  }
  return bytes;
}

/**
 * The picture in a P5 or P6 file.
 *
 * @param name what to call the file in messages
 * @throws FormatError for anything else, and for files cut short
 * @example
 * decodePnm(encodePnm(createImage(2, 1, 3)), 'a.ppm').width; // => 2
 */
export function decodePnm(bytes: Uint8Array, name: string): Image {
  const head = String.fromCharCode(...bytes.subarray(0, 256));
  // Between the fields stand blanks and comments; one blank ends the head.
  const gap = '(?:\\s|#[^\\n]*\\n)+';
  const fields = new RegExp(`^P([56])${gap}(\\d+)${gap}(\\d+)${gap}(\\d+)\\s`).exec(head);
  if (fields?.[4] !== '255') throw new FormatError(`${name}: expected a P5 or P6 picture of 8 bits`);
  const [, kind, width, height] = fields.map(Number);
  const channels = kind === 5 ? 1 : 3;
  const samples = bytes.subarray(fields[0].length, fields[0].length + width * height * channels);
  if (samples.length < width * height * channels) {
    throw new FormatError(
      `${name}: expected ${width * height * channels} bytes of samples, got ${samples.length}`,
    );
  }
  return createImage(width, height, channels, new Uint8Array(samples));
}
