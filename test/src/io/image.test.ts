import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import {
  type Channels,
  createImage,
  isOpaque,
  mergeAlpha,
  splitAlpha,
  withMetadata,
} from '../../../src/io/image.js';

const ramp = (length: number) => Uint8Array.from({ length }, (_, i) => i);

describe('createImage', () => {
  it('makes a black picture by default', () => {
    expect(createImage(2, 3, 3)).toEqual({ width: 2, height: 3, channels: 3, data: new Uint8Array(18) });
  });

  it.each([
    [0, 1, 3],
    [1.5, 1, 3],
    [2 ** 31, 1, 1],
    [Number.NaN, 1, 3],
    [1, 1, 5],
    [1, 1, 0],
  ])('refuses %d x %d x %d', (width, height, channels) => {
    expect(() => createImage(width, height, channels as Channels, new Uint8Array(3))).toThrow(UsageError);
  });

  it('refuses data of another length, saying both', () => {
    expect(() => createImage(2, 2, 3, new Uint8Array(11))).toThrow(/12 samples.*2x2x3.*11/);
  });

  it('drops empty metadata', () => {
    expect(createImage(1, 1, 1, undefined, { icc: new Uint8Array(0) }).metadata).toBeUndefined();
    const image = createImage(1, 1, 1, undefined, { icc: ramp(3), exif: new Uint8Array(0) });
    expect(image.metadata).toEqual({ icc: ramp(3) });
    expect(withMetadata(image, undefined)).not.toHaveProperty('metadata');
  });
});

describe('alpha', () => {
  it.each([2, 4] as const)('parts %d channels and puts them together again', (channels) => {
    const image = createImage(3, 2, channels, ramp(6 * channels), { xmp: ramp(4) });
    const { color, alpha } = splitAlpha(image);
    expect(color.channels).toBe(channels - 1);
    expect([...alpha!]).toEqual(Array.from({ length: 6 }, (_, i) => i * channels + channels - 1));
    expect(mergeAlpha(color, alpha)).toEqual(image);
  });

  it.each([1, 3] as const)('leaves %d channels alone', (channels) => {
    const image = createImage(3, 2, channels);
    expect(splitAlpha(image)).toEqual({ color: image });
    expect(mergeAlpha(image)).toBe(image);
    expect(isOpaque(image)).toBe(true);
  });

  it('tells opaque from transparent', () => {
    expect(isOpaque(createImage(1, 2, 2, Uint8Array.of(0, 255, 0, 255)))).toBe(true);
    expect(isOpaque(createImage(1, 2, 2, Uint8Array.of(0, 255, 0, 254)))).toBe(false);
  });

  it('refuses a plane of another size and a second plane', () => {
    expect(() => mergeAlpha(createImage(2, 2, 3), new Uint8Array(3))).toThrow(UsageError);
    expect(() => mergeAlpha(createImage(2, 2, 4), new Uint8Array(4))).toThrow(UsageError);
  });
});
