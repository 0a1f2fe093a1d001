import { describe, expect, it } from 'vitest';
import { compareCurves } from '../../eval/comparison.js';
import type { EvaluatedComparison } from '../../eval/evaluation.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { comparisonTable, curveTable, failureLines, summaryText, textTable } from '../../eval/tables.js';
import { environment, evaluateSteps, pictureFolder, stepCodec } from './step-codec.js';

const { dataset } = pictureFolder();

describe('tables', () => {
  it('line columns up', () => {
    const rows = [
      ['a', 'bpp'],
      ['long name', '1'],
    ];
    expect(textTable(rows)).toBe('a          bpp\nlong name    1');
  });

  it('of curves show what was measured', () => {
    const point = {
      setting: 5,
      images: 1,
      bytes: 1,
      bpp: 0.25,
      psnr: 30,
      pooledPsnr: 29,
      encodeSeconds: 1,
      decodeSeconds: 2,
    };
    expect(curveTable([point])).toBe(
      'setting     bpp  PSNR dB  pooled  encode s  decode s\n5        0.2500   30.000  29.000     1.000     2.000',
    );
    expect(curveTable([{ ...point, msSsim: 0.99 }, point])).toMatch(
      /MS-SSIM {2}in dB.*\n5 .* 0\.99000 {2}20\.00 .*\n5 .* - +- /,
    );
  });

  it('of comparisons explain what cannot be compared and mark small overlaps', () => {
    const line = (from: number) => [0, 1, 2, 3].map((i) => ({ bpp: 0.2 * 2 ** i, psnr: from + 2 * i }));
    const against = (from: number): EvaluatedComparison => ({
      ...{ tested: 'ours', reference: 'theirs', metric: 'psnr', images: 3 },
      ...compareCurves(line(from), line(30)),
    });
    expect(comparisonTable([against(60)])).toMatch(/theirs .*-\ntheirs: Expected two curves that overlap/);
    expect(comparisonTable([against(34)])).toMatch(/34\.00-36\.00 +33% \(!\) .*\n\(!\) less than 75 %/);
    expect(comparisonTable([against(30)])).toMatch(/0\.00 +0\.000 +30\.00-36\.00 +100% +- +- +-$/);
    const values = [{ image: 'a', percent: -1 }];
    const perImage = { mean: -1, median: 2, low: -3, high: 4, values, leftOut: [] };
    expect(comparisonTable([{ ...against(30), perImage }])).toMatch(/100% +-1\.00 +\+2\.00 +-$/);
    const more = { ...perImage, values: [...values, ...values] };
    expect(comparisonTable([{ ...against(30), perImage: more }])).toMatch(
      /-1\.00 +\+2\.00 +-3\.00\.\.\+4\.00$/,
    );
  });

  it('name failures once for each reason', () => {
    const images = ['a', 'b', 'c', 'd', 'e'].map((image) => ({ image, codec: 'jxl', message: 'it broke' }));
    expect(failureLines([...images, { message: 'no metric' }, { image: 'a', message: 'damaged' }])).toEqual([
      'jxl: a, b, c and 2 more: it broke',
      'no metric',
      'a: damaged',
    ]);
  });
});

describe('a summary', () => {
  it('has curves, comparisons and how seconds were taken', async () => {
    const set = await dataset({ a: 176, b: 192 });
    const metrics = await openMetrics(['ms-ssim']);
    const kmacPerPixel = { encode: 20.25, decode: 20.05 };
    const codecs = [
      { ...stepCodec('ours', 1), kmacPerPixel },
      stepCodec('theirs', 2, { kind: 'competitor' }),
    ];
    const text = summaryText(await evaluateSteps(set, codecs, { metrics }));
    expect(text).toMatch(/^mine, 2 images\nnone, 1 core, node v0; 1 thread, one after the other\n/);
    expect(text).toMatch(/\nours \(1; 20\.\d kMAC per pixel to encode, 20\.\d to decode\)\nsetting +bpp /);
    expect(text).toMatch(/\nours against others by PSNR over RGB.*\nagainst .*\ntheirs +-\d+\.\d\d +\+\d/);
    expect(text).toMatch(/by MS-SSIM, in dB/);
    const busy = { ...environment, jobs: 2, threads: 1 };
    const shard = { index: 1, count: 2 };
    const part = summaryText(await evaluateSteps(set, codecs, { environment: busy, shard }));
    expect(part).toMatch(/^mine, 1 of 2 images\n.*2 side by side, so seconds are those of a busy machine\n/);
  });
});
