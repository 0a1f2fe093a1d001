import { describe, expect, it } from 'vitest';
import { type Measurement, meanCurve, measure } from '../../eval/measure.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { lumaPsnr, psnr } from '../../src/metrics/psnr.js';
import { samplePicture } from './pictures.js';
import { stepCodec } from './step-codec.js';

describe('measure', () => {
  it('gives bytes of the file, quality of what comes back, and seconds', async () => {
    const codec = stepCodec('steps', 1);
    const picture = samplePicture(64);
    const result = await measure(codec, picture, 3, await openMetrics(['psnr']));
    const { bytes } = await codec.encode(picture.image, 3);
    const { image } = await codec.decode(bytes);
    expect(result).toEqual({
      image: 'sample.png',
      setting: 3,
      bytes: 3000 + 64 * 64 * 3,
      bpp: (8 * bytes.length) / 64 ** 2,
      psnr: psnr(picture.image, image),
      lumaPsnr: lumaPsnr(picture.image, image),
      encodeSeconds: 0.5,
      decodeSeconds: 0.25,
    });
  });
});

describe('meanCurve', () => {
  const value = { encodeSeconds: 1, decodeSeconds: 2 };
  const measurements: Measurement[] = [
    { ...value, image: 'a', setting: 5, bytes: 100, bpp: 1, psnr: 30, msSsim: 0.9, estimatedBpp: 1 },
    { ...value, image: 'a', setting: 2, bytes: 50, bpp: 0.5, psnr: 20 },
    { ...value, image: 'b', setting: 5, bytes: 600, bpp: 2, psnr: 40, msSsim: 0.8 },
  ];

  it('averages values, not errors', () => {
    const curve = meanCurve(measurements);
    expect(curve.map(({ setting, images, bpp, psnr }) => [setting, images, bpp, psnr])).toEqual([
      [5, 2, 1.5, 35],
      [2, 1, 0.5, 20],
    ]);
    expect(curve[0].msSsim).toBeCloseTo(0.85, 12);
    expect(curve[0].estimatedBpp).toBeUndefined();
  });

  it('has the PSNR of the error of all pixels beside it', () => {
    const [both, one] = meanCurve(measurements);
    // 800 pixels at 30 dB and 2400 at 40 dB.
    expect(both.pooledPsnr).toBeCloseTo(-10 * Math.log10((0.001 * 800 + 0.0001 * 2400) / 3200), 10);
    expect(one.pooledPsnr).toBeCloseTo(20, 10);
    const lossless = { ...measurements[1], psnr: Number.POSITIVE_INFINITY };
    expect(meanCurve([lossless])[0].pooledPsnr).toBe(Number.POSITIVE_INFINITY);
  });
});
