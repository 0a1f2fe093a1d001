import { describe, expect, it } from 'vitest';
import type { ImageCodec } from '../../../eval/codecs.js';
import { compareCrops, cropOf, encodeToSize, mostDifferentArea } from '../../../eval/report/crops.js';
import { UsageError } from '../../../src/errors.js';
import { createImage, type Image } from '../../../src/io/index.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { samplePicture } from '../pictures.js';

/** A file has as many bytes as `size` says; what comes back is `decoded`. */
function sizedCodec(
  settings: readonly number[],
  size: (setting: number) => number,
  decoded: (image: Image) => Image = (image) => image,
): ImageCodec & { tried: number[] } {
  let last: Image;
  const tried: number[] = [];
  return {
    name: 'sized',
    version: '1',
    settings,
    tried,
    async encode(image, setting) {
      last = image;
      tried.push(setting);
      return { bytes: new Uint8Array(Math.round(size(setting))), seconds: 0 };
    },
    decode: async () => ({ image: decoded(last), seconds: 0 }),
  };
}

const small = createImage(8, 8, 3);

describe('encodeToSize', () => {
  it('finds the setting whose file is nearest', async () => {
    const codec = sizedCodec([1, 20, 50, 100], (setting) => 100 * setting);
    for (const [target, setting] of [
      [3120, 31],
      [3160, 32],
      [1, 1],
      [90, 1],
      [1e6, 100],
      [9960, 100],
    ]) {
      expect(await encodeToSize(codec, small, target)).toMatchObject({ setting });
    }
    expect(codec.tried.every(Number.isInteger)).toBe(true);
  });

  it('takes settings that fall as files grow, and such that are not whole', async () => {
    const quantizer = sizedCodec([51, 40, 20], (setting) => 10000 / setting);
    expect(await encodeToSize(quantizer, small, 400)).toMatchObject({ setting: 25 });
    const distance = sizedCodec([6, 2.5, 0.5], (setting) => 1000 / setting);
    const { bytes } = await encodeToSize(distance, small, 700);
    expect(Math.abs(bytes.length - 700)).toBeLessThan(25);
  });

  it('encodes every setting once, and few of them', async () => {
    const codec = sizedCodec([0, 100], (setting) => 10 + setting);
    await encodeToSize(codec, small, 55);
    expect(codec.tried.length).toBeLessThan(9);
    expect(new Set(codec.tried).size).toBe(codec.tried.length);
  });

  it('refuses codecs without settings', async () => {
    await expect(
      encodeToSize(
        sizedCodec([], () => 1),
        small,
        10,
      ),
    ).rejects.toThrow(UsageError);
  });
});

describe('mostDifferentArea', () => {
  const changed = (image: Image, x: number, y: number): Image => {
    const data = image.data.slice();
    data[(y * image.width + x) * image.channels + 1] += 9;
    return createImage(image.width, image.height, image.channels, data);
  };

  it('is around what is different, counting all pictures', () => {
    const original = createImage(100, 80, 3);
    const area = mostDifferentArea(original, [changed(original, 70, 60), original], 32, 16);
    expect(area).toMatchObject({ width: 32, height: 16 });
    expect(70 - area.left).toBeGreaterThanOrEqual(0);
    expect(70 - area.left).toBeLessThan(32);
    expect(60 - area.top).toBeGreaterThanOrEqual(0);
    expect(60 - area.top).toBeLessThan(16);
    const two = [changed(original, 10, 10), changed(changed(original, 10, 10), 70, 60)];
    expect(mostDifferentArea(original, two, 32, 16)).toMatchObject({ left: 0, top: 0 });
  });

  it('is the whole of small pictures, and the upper left of equal ones', () => {
    const original = createImage(20, 10, 3);
    expect(mostDifferentArea(original, [original], 32, 16)).toEqual({
      left: 0,
      top: 0,
      width: 20,
      height: 10,
    });
  });
});

describe('cropOf', () => {
  it('has the pixels of the area', () => {
    const image = createImage(3, 2, 1, Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(cropOf(image, { left: 1, top: 0, width: 2, height: 2 }).data).toEqual(Uint8Array.of(2, 3, 5, 6));
  });
});

describe('compareCrops', () => {
  it('has both codecs at nearly the same size, and the same part of all pictures', async () => {
    const { image } = samplePicture(96);
    const darker = (by: number) => (one: Image) =>
      createImage(
        one.width,
        one.height,
        one.channels,
        one.data.map((value) => Math.max(0, value - by)),
      );
    const ours = { ...sizedCodec([10, 40, 90], (setting) => 50 * setting, darker(2)), name: 'ours' };
    const theirs = sizedCodec([1, 100], (setting) => 30 * setting, darker(4));
    const crop = await compareCrops(ours, theirs, { name: 'a.png', image }, { width: 32, height: 24 });
    expect(crop).toMatchObject({ image: 'a.png', pixels: 96 * 96, area: { width: 32, height: 24 } });
    expect(crop.ours).toMatchObject({ codec: 'ours', setting: 40, bytes: 2000 });
    expect(crop.competitor).toMatchObject({ codec: 'sized', setting: 67, bytes: 2010 });
    expect(crop.original).toEqual(cropOf(image, crop.area));
    expect(crop.ours.pixels).toEqual(cropOf(darker(2)(image), crop.area));
    expect(crop.ours.psnr).toBeCloseTo(psnr(image, darker(2)(image)), 9);
    expect(crop.ours.psnr).toBeGreaterThan(crop.competitor.psnr);
    const again = await compareCrops(ours, theirs, { name: 'a.png', image }, { width: 32, height: 24 });
    expect(again).toEqual(crop);
  });
});
