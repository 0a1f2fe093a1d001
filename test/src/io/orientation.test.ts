import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { exifOrientation, orientImage, resetOrientation } from '../../../src/io/orientation.js';
import { encodePng } from '../../../src/io/png.js';
import { exifBlock, noise } from './pictures.js';

describe('orientImage', () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    it(`turns orientation ${orientation} as sharp does`, async () => {
      const image = noise(5, 3, 3);
      const bytes = encodePng({ ...image, metadata: { exif: exifBlock(orientation) } });
      const { data, info } = await sharp(bytes).autoOrient().raw().toBuffer({ resolveWithObject: true });
      const turned = orientImage(image, orientation);
      expect([turned.width, turned.height]).toEqual([info.width, info.height]);
      expect([...turned.data]).toEqual([...data]);
    });
  }

  it('refuses other numbers', () => {
    for (const bad of [0, 9, 1.5]) expect(() => orientImage(noise(2, 2, 1), bad)).toThrow(UsageError);
  });
});

describe('EXIF', () => {
  it.each([true, false])('reads and resets the tag, little-endian %s', (little) => {
    const exif = exifBlock(8, little);
    expect(exifOrientation(exif)).toBe(8);
    const reset = resetOrientation(exif);
    expect(exifOrientation(reset)).toBe(1);
    expect(exifOrientation(exif)).toBe(8);
    const prefixed = Uint8Array.of(...new TextEncoder().encode('Exif\0\0'), ...exif);
    expect(exifOrientation(prefixed)).toBe(8);
    expect(resetOrientation(prefixed)).toEqual(reset);
  });

  it('takes malformed blocks for upright ones', () => {
    const exif = exifBlock(6);
    for (let length = 0; length < exif.length; length++) {
      expect([1, 6]).toContain(exifOrientation(exif.slice(0, length)));
      expect(resetOrientation(exif.slice(0, length)).length).toBe(length);
    }
    for (let at = 0; at < exif.length; at++) {
      const bad = exif.slice();
      bad[at] ^= 0xff;
      expect(exifOrientation(bad)).toBeGreaterThanOrEqual(1);
    }
    expect(exifOrientation(exifBlock(77))).toBe(1);
  });
});
