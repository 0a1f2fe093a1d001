import { beforeAll, describe, expect, it } from 'vitest';
import { encodeWithReport } from '../../codec/encode.js';
import { readContainer } from '../../codec/format/index.js';
import { loadModel } from '../../codec/model/load.js';
import { type ImageCodec, learnedCodec } from '../../eval/codecs.js';
import { estimateBits } from '../../eval/estimate.js';
import { measure } from '../../eval/measure.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { UsageError } from '../../src/errors.js';
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
    expect(codec.version).toMatch(/^model [0-9a-f]{16}, weights [0-9a-f]{8}, round, lagrangian .*wasm$/);
    expect(codec.settings).toEqual([20, 80]);
    expect(codec.kmacPerPixel!.encode).toBeLessThan(1);
    const metrics = await openMetrics(['psnr']);
    const results = [];
    for (const setting of codec.settings) results.push(await measure(codec, picture, setting, metrics));
    for (const { bpp, bytes, estimatedBpp, encodeSeconds, decodeSeconds } of results) {
      expect(bpp).toBe((8 * bytes) / 192 ** 2);
      expect(estimatedBpp).toBeGreaterThan(0);
      expect(estimatedBpp).toBeLessThan(bpp);
      expect(encodeSeconds).toBeGreaterThan(0);
      expect(decodeSeconds).toBeGreaterThan(0);
    }
    expect(results[1].bpp).toBeGreaterThan(results[0].bpp);
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
});
