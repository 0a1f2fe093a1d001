import { beforeAll, describe, expect, it } from 'vitest';
import { encodeWithReport } from '../../codec/encode.js';
import { readContainer } from '../../codec/format/index.js';
import { loadModel } from '../../codec/model/load.js';
import { type ImageCodec, learnedCodec } from '../../eval/codecs.js';
import { competitorCodecs, competitorNames } from '../../eval/competitors.js';
import { estimateBits, gaussianIndexBits } from '../../eval/estimate.js';
import { meanCurve, measureSweep } from '../../eval/measure.js';
import { psnr } from '../../src/metrics/psnr.js';
import { ResultStore } from '../../eval/store.js';
import { UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { samplePicture, tinyModelPath } from './pictures.js';

const picture = samplePicture(192);

describe('learnedCodec', () => {
  let codec: ImageCodec;
  beforeAll(async () => {
    codec = await learnedCodec({
      model: tinyModelPath,
      quantizer: 'round',
      engine: 'wasm',
      qualities: [20, 80],
    });
  });

  it('codes and decodes with an estimate beside the bytes', async () => {
    expect(codec.name).toBe('tiny round');
    expect(codec.version).toMatch(/^model [0-9a-f]{16}, weights [0-9a-f]{8}, round, lagrangian .*wasm/);
    const store = await ResultStore.open<never>();
    const results = await measureSweep(codec, picture, store);
    expect(results.map(({ setting }) => setting)).toEqual([20, 80]);
    for (const { bpp, bytes, estimatedBpp, encodeSeconds, decodeSeconds } of results) {
      expect(bpp).toBe((8 * bytes) / 192 ** 2);
      expect(estimatedBpp).toBeGreaterThan(0);
      expect(estimatedBpp).toBeLessThan(bpp);
      expect(encodeSeconds).toBeGreaterThan(0);
      expect(decodeSeconds).toBeGreaterThan(0);
    }
    expect(results[1].bpp).toBeGreaterThan(results[0].bpp);
    expect(store.size).toBe(2);
  });

  it('refuses what is not there', async () => {
    await expect(learnedCodec({ model: '/no/such.safetensors' })).rejects.toThrow(UsageError);
    await expect(learnedCodec({ model: tinyModelPath, quantizer: 'best' })).rejects.toThrow(/quantizer/);
  });
});

describe('estimateBits', () => {
  it.each([10, 50, 90])('is within 1 %% of the real bytes at quality %d', async (quality) => {
    const model = await loadModel(tinyModelPath);
    const estimator = estimateBits(model);
    const options = { model, quality, quantizer: 'round', engine: 'wasm' } as const;
    const { bytes } = await encodeWithReport(picture.image, options, estimator.observer);
    const [{ segment }] = readContainer(bytes).tiles;
    // Four bytes are the coder's final state.
    const real = 8 * (segment.length - 4);
    const estimated = estimator.latentBits + estimator.hyperLatentBits;
    expect(Math.abs(estimated / real - 1)).toBeLessThan(0.01);
    expect(estimator.coded + estimator.skipped).toBe((model.config.latents * 192 * 192) / 16 ** 2);
  });

  it('integrates to 1 and clamps scales as the model does', () => {
    for (const logScale of [-1, 0, 1.5]) {
      let total = 0;
      for (let k = -60; k <= 60; k++) total += 2 ** -gaussianIndexBits(k, logScale);
      expect(total).toBeCloseTo(1, 6);
    }
    expect(gaussianIndexBits(1, -100)).toBe(gaussianIndexBits(1, Math.log(0.11)));
    expect(gaussianIndexBits(1, 100)).toBe(gaussianIndexBits(1, Math.log(256)));
    expect(gaussianIndexBits(500, 0)).toBeCloseTo(-Math.log2(1e-9), 12);
  });
});

describe('competitors', () => {
  it.each(competitorNames)('%s gets better with the setting', async (name) => {
    const [codec] = await competitorCodecs([name]);
    const small = samplePicture(96);
    const store = await ResultStore.open<never>();
    const { settings } = codec;
    const few = { ...codec, settings: [settings[1], settings[settings.length - 1]] };
    const [low, high] = meanCurve(await measureSweep(few, small, store));
    expect(high.bpp).toBeGreaterThan(low.bpp);
    expect(high.psnr).toBeGreaterThan(low.psnr + 3);
    expect([...settings].sort((a, b) => a - b)).toEqual(settings);
    expect(codec.version).not.toMatch(/unknown/);
  });

  it('codes gray pictures as equal colours', async () => {
    const gray = createImage(
      32,
      32,
      1,
      Uint8Array.from({ length: 1024 }, (_, n) => n >> 2),
    );
    for (const codec of await competitorCodecs()) {
      const { bytes } = await codec.encode(gray, codec.settings[codec.settings.length - 1]);
      expect(psnr(gray, (await codec.decode(bytes)).image)).toBeGreaterThan(35);
    }
  });

  it('are known by name', async () => {
    await expect(competitorCodecs(['gif'])).rejects.toThrow(/one of jpeg, mozjpeg, webp, avif, got gif/);
    expect(await competitorCodecs([])).toEqual([]);
  });
});
