import { describe, expect, it } from 'vitest';
import { bdRate } from '../../eval/bd-rate.js';
import { compareAll, compareCodecs, compareCurves, metricCurve } from '../../eval/comparison.js';
import type { MeasuredCodec, PublishedCodec } from '../../eval/evaluation.js';
import { type Measurement, meanCurve } from '../../eval/measure.js';

const line = (from: number, factor = 1) =>
  [0, 1, 2, 3].map((i) => ({ bpp: factor * 0.2 * 2 ** i, psnr: from + 2 * i }));

/** A codec that needs `factors[image]` times the rate of a common curve. */
function codecOf(
  name: string,
  factors: Readonly<Record<string, number>>,
  kind: MeasuredCodec['kind'] = 'ours',
  more: (n: number) => Partial<Measurement> = () => ({}),
): MeasuredCodec {
  const perImage = Object.entries(factors).flatMap(([image, factor]) =>
    line(30, factor).map(({ bpp, psnr }, setting) => ({
      ...{ image, setting, bytes: 1000 * bpp, bpp, psnr, encodeSeconds: 1, decodeSeconds: 1 },
      ...more(setting),
    })),
  );
  return { name, kind, version: '1', settings: [0, 1, 2, 3], curve: meanCurve(perImage), perImage };
}

describe('compareCurves', () => {
  it('gives BD-rate and BD-PSNR, by every way of drawing', () => {
    const { rate, psnr, percentBy, smallOverlap, reason } = compareCurves(line(30, 0.9), line(30));
    expect(rate!.percent).toBeCloseTo(-10, 9);
    expect(psnr!.decibels).toBeGreaterThan(0);
    for (const percent of Object.values(percentBy!)) expect(percent).toBeCloseTo(-10, 8);
    expect(Object.keys(percentBy!)).toEqual(['pchip', 'akima', 'cubic']);
    expect([smallOverlap, reason]).toEqual([undefined, undefined]);
  });

  it('marks overlaps below three quarters, and gives the reason where there is none', () => {
    // Of 6 dB each, 4.5 are common, then 4.4.
    expect(compareCurves(line(31.5), line(30)).smallOverlap).toBeUndefined();
    expect(compareCurves(line(31.6), line(30)).smallOverlap).toBe(true);
    expect(compareCurves(line(60), line(30)).reason).toMatch(/overlap in PSNR/);
    expect(compareCurves(line(30).slice(1), line(30)).reason).toMatch(/at least 4 points/);
  });
});

describe('metricCurve', () => {
  it('turns every metric into numbers that rise with quality', () => {
    const points = [{ bpp: 1, psnr: 30, msSsim: 0.99, ssimulacra2: 70, butteraugli: 1.5 }];
    expect(metricCurve(points, 'psnr')).toEqual([{ bpp: 1, psnr: 30 }]);
    expect(metricCurve(points, 'ms-ssim')![0].psnr).toBeCloseTo(20, 9);
    expect(metricCurve(points, 'ssimulacra2')).toEqual([{ bpp: 1, psnr: 70 }]);
    expect(metricCurve(points, 'butteraugli')).toEqual([{ bpp: 1, psnr: -1.5 }]);
    expect(metricCurve([...points, { bpp: 2, psnr: 31 }], 'ms-ssim')).toBeUndefined();
  });
});

describe('compareCodecs', () => {
  const reference = codecOf('reference', { a: 1, b: 1, c: 1, d: 1 }, 'competitor');

  it('has mean, median and interval of the pictures beside the BD-rate of the means', () => {
    const tested = codecOf('tested', { a: 0.8, b: 0.9, c: 0.95, d: 1.5 });
    const { rate, perImage, images } = compareCodecs(tested, reference, 'psnr', 4)!;
    expect(images).toBe(4);
    expect(rate!.percent).toBe(bdRate(reference.curve, tested.curve).percent);
    // The mean rate is that of the mean factor, as all pictures have one curve.
    expect(rate!.percent).toBeCloseTo(3.75, 9);
    const { mean, median, low, high, values, leftOut } = perImage!;
    expect(values.map(({ percent }) => Math.round(percent))).toEqual([-20, -10, -5, 50]);
    expect(mean).toBeCloseTo(3.75, 9);
    expect(median).toBeCloseTo(-7.5, 9);
    expect(low).toBeLessThan(-10);
    expect(high).toBeGreaterThan(20);
    expect(leftOut).toEqual([]);
  });

  it('is over the pictures that both have, at all settings', () => {
    const tested = codecOf('tested', { b: 0.9, c: 0.9, d: 0.9, e: 7 });
    const half = {
      ...tested,
      perImage: tested.perImage.filter((one) => one.image !== 'd' || one.setting < 2),
    };
    const { rate, perImage, images } = compareCodecs(half, reference, 'psnr', 4)!;
    expect(images).toBe(2);
    expect(rate!.percent).toBeCloseTo(-10, 9);
    expect(perImage!.values.map(({ image }) => image)).toEqual(['b', 'c']);
    const apart = codecOf('tested', { x: 1 });
    expect(compareCodecs(apart, reference, 'psnr', 4)).toMatchObject({ images: 0, reason: /no picture/ });
  });

  it('leaves out pictures whose curves do not fit, and says why', () => {
    const flat = codecOf('tested', { a: 0.9, b: 0.9 });
    const perImage = flat.perImage.map((one) => (one.image === 'b' ? { ...one, psnr: 30 } : one));
    const compared = compareCodecs({ ...flat, perImage }, reference, 'psnr', 4)!;
    expect(compared.perImage!.values).toHaveLength(1);
    expect(compared.perImage!.leftOut).toEqual([
      { image: 'b', reason: expect.stringMatching(/rise together/) },
    ]);
  });

  it('knows published curves by PSNR only, over whole sets only', () => {
    const published: PublishedCodec = {
      name: 'VTM',
      kind: 'published',
      version: 'published',
      source: 'a paper',
      curve: line(30),
      perImage: [],
    };
    const tested = codecOf('tested', { a: 0.8, b: 0.8 }, 'ours', (n) => ({ msSsim: 0.9 + n / 100 }));
    const compared = compareCodecs(tested, published, 'psnr', 2)!;
    expect(compared.rate!.percent).toBeCloseTo(-20, 9);
    expect(compared.perImage).toBeUndefined();
    expect(compareCodecs(tested, published, 'ms-ssim', 2)).toBeUndefined();
    expect(compareCodecs(tested, published, 'psnr', 3)!.reason).toMatch(/all 3 pictures, this one over 2/);
  });
});

describe('compareAll', () => {
  it('judges ours by competitors and by those of ours that stand before, by all that both have', () => {
    const similar = (n: number) => ({ msSsim: 0.9 + n / 50 });
    const codecs = [
      codecOf('rdoq', { a: 1, b: 1 }, 'ours', similar),
      codecOf('tcq8', { a: 0.9, b: 0.95 }, 'ours', similar),
      codecOf('avif', { a: 1, b: 1.1 }, 'competitor'),
    ];
    expect(compareAll(codecs, 2).map(({ tested, reference, metric }) => [tested, reference, metric])).toEqual(
      [
        ['rdoq', 'avif', 'psnr'],
        ['tcq8', 'rdoq', 'psnr'],
        ['tcq8', 'avif', 'psnr'],
        ['tcq8', 'rdoq', 'ms-ssim'],
      ],
    );
  });
});
