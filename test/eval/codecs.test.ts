import { beforeAll, describe, expect, it } from 'vitest';
import { encodeWithReport } from '../../codec/encode.js';
import { readContainer } from '../../codec/format/index.js';
import { loadModel } from '../../codec/model/load.js';
import { quantizerNames } from '../../codec/quantizers/registry.js';
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
  it.each(quantizerNames.flatMap((name) => [10, 50, 90].map((quality) => [name, quality] as const)))(
    'is within 0.1 %% of the real bytes of %s at quality %d',
    async (quantizer, quality) => {
      const model = await loadModel(tinyModelPath);
      const estimator = estimateBits(model);
      const options = { model, quality, quantizer, engine: 'wasm' } as const;
      const { bytes } = await encodeWithReport(picture.image, options, estimator.observer);
      const [{ segment }] = readContainer(bytes).tiles;
      // Four bytes are the coder's final state, less than one of them information.
      const real = 8 * (segment.length - 4);
      const estimated = estimator.latentBits + estimator.hyperLatentBits;
      expect(Math.abs(estimated - real)).toBeLessThan(0.001 * real + 8);
      expect(estimator.hyperLatentBits).toBeGreaterThan(0);
      expect(estimator.coded + estimator.skipped).toBe((model.config.latents * 192 * 192) / 16 ** 2);
      expect(estimator.seconds).toBeGreaterThan(0);
    },
  );

  it('adds up over pictures', async () => {
    const model = await loadModel(tinyModelPath);
    const [once, twice] = [estimateBits(model), estimateBits(model)];
    const options = { model, quantizer: 'tcq8', engine: 'wasm' } as const;
    await encodeWithReport(picture.image, options, once.observer);
    for (let k = 0; k < 2; k++) await encodeWithReport(picture.image, options, twice.observer);
    expect(twice.latentBits).toBeCloseTo(2 * once.latentBits, 3);
    expect(twice.coded).toBe(2 * once.coded);
  });
});
