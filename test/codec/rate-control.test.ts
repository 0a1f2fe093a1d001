/**
 * Rate control: what is promised about sizes and PSNRs holds for the real files, whatever the picture; the ends of the
 * scale and wishes that cannot be met are said plainly.
 */
import { describe, expect, it } from 'vitest';
import { decode } from '../../codec/decode.js';
import { type EncodeOptions, encode, PictureEncoder } from '../../codec/encode.js';
import { encodeToTarget, isNear } from '../../codec/rate-control.js';
import { UsageError } from '../../src/errors.js';
import type { Image } from '../../src/io/image.js';
import { psnr } from '../../src/metrics/psnr.js';
import { tinyModel } from '../golden/cases.js';
import { type PictureKind, picture } from '../golden/pictures.js';

const options = async (): Promise<EncodeOptions> => ({
  model: await tinyModel(),
  engine: 'wasm',
  threads: 1,
});
const sizes = async (image: Image): Promise<[number, number]> => {
  const shared = await options();
  return [
    (await encode(image, { ...shared, quality: 0 })).length,
    (await encode(image, { ...shared, quality: 100 })).length,
  ];
};

const kinds: readonly PictureKind[] = ['mixed', 'texture', 'noise', 'text'];

describe('a target size', () => {
  it.each(kinds)('is never exceeded and nearly used up, for %s', async (kind) => {
    const image = picture(kind, 150, 130, 3, 11);
    const [least, most] = await sizes(image);
    for (const part of [0.2, 0.5, 0.9]) {
      const target = Math.floor(least + part * (most - least));
      const { bytes, reached, encodings } = await encodeToTarget(image, { bytes: target }, await options());
      expect(reached).toBe(bytes.length);
      expect(bytes.length).toBeLessThanOrEqual(target);
      expect(bytes.length).toBeGreaterThanOrEqual(0.97 * target);
      expect(encodings).toBeLessThanOrEqual(16);
    }
  });

  it('may be said in bits per pixel', async () => {
    const image = picture('mixed', 130, 97, 3, 2);
    const [least, most] = await sizes(image);
    const bitsPerPixel = (4 * (least + most)) / (130 * 97);
    const { bytes } = await encodeToTarget(image, { bitsPerPixel }, await options());
    expect((8 * bytes.length) / (130 * 97)).toBeLessThanOrEqual(bitsPerPixel);
  });

  it('is met exactly by the file that has it', async () => {
    const image = picture('mixed', 100, 100, 3, 3);
    const [least] = await sizes(image);
    const { bytes } = await encodeToTarget(image, { bytes: least }, await options());
    expect(bytes.length).toBeLessThanOrEqual(least);
  });

  it('beyond the best quality gives that', async () => {
    const image = picture('mixed', 64, 64, 3, 4);
    const { quality } = await encodeToTarget(image, { bytes: 1e9 }, await options());
    expect(quality).toBe(100);
  });

  it('below the worst quality is refused with what is possible', async () => {
    const image = picture('mixed', 64, 64, 3, 5);
    const [least] = await sizes(image);
    const attempt = encodeToTarget(image, { bytes: 20 }, await options());
    await expect(attempt).rejects.toThrow(
      new RegExp(`expected at least ${least} bytes for this picture, got 20`),
    );
    await expect(attempt).rejects.toBeInstanceOf(UsageError);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('of %d is refused', async (bytes) => {
    const attempt = encodeToTarget(picture('mixed', 64, 64), { bytes }, await options());
    await expect(attempt).rejects.toThrow(/target size: expected a number of bytes/);
  });
});

describe('a target PSNR', () => {
  it.each(kinds)('is met within 0.05 dB, for %s', async (kind) => {
    const image = picture(kind, 150, 130, 3, 12);
    const shared = await options();
    const at = async (quality: number): Promise<number> =>
      psnr(image, await decode(await encode(image, { ...shared, quality }), { ...shared }));
    const [worst, best] = [await at(10), await at(90)];
    const target = (worst + best) / 2;
    const { bytes, reached } = await encodeToTarget(image, { psnr: target }, shared);
    expect(reached).toBe(psnr(image, await decode(bytes, { ...shared })));
    expect(Math.abs(reached - target)).toBeLessThanOrEqual(0.05);
  });

  it('that no quality has is refused with the best that is possible', async () => {
    const attempt = encodeToTarget(picture('noise', 64, 64), { psnr: 90 }, await options());
    await expect(attempt).rejects.toThrow(/target PSNR: expected up to [\d.]+ dB for this picture, got 90/);
  });
});

describe('isNear', () => {
  const file = { bytes: 970, pixels: 8000, psnr: 33.96 };
  it.each([
    [{ bytes: 1000 }, true],
    [{ bytes: 1001 }, false],
    [{ bytes: 969 }, false],
    [{ bitsPerPixel: 1 }, true],
    [{ bitsPerPixel: 0.96 }, false],
    [{ bitsPerPixel: 1.01 }, false],
    [{ psnr: 34 }, true],
    [{ psnr: 33.9 }, false],
    [{ psnr: 34.02 }, false],
  ])('with the target %j: %s', (target, near) => {
    expect(isNear(target, file)).toBe(near);
  });
});

it('an encoder that is used again gives the files of single calls', async () => {
  const image = picture('mixed', 200, 150, 4, 6);
  const shared = { ...(await options()), tileSide: 64 };
  const encoder = await PictureEncoder.create(image, shared);
  for (const quality of [80, 0, 33.3, 80]) {
    expect((await encoder.encode(quality)).bytes).toEqual(await encode(image, { ...shared, quality }));
  }
});
