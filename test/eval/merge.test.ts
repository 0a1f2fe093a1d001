import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Evaluation } from '../../eval/evaluation.js';
import { mergeEvaluations } from '../../eval/merge.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { UsageError } from '../../src/errors.js';
import { environment, evaluateSteps, pictureFolder, stepCodec } from './step-codec.js';

const { path, dataset } = pictureFolder();

const codecs = () => [stepCodec('ours', 1), stepCodec('theirs', 2, { kind: 'competitor', refusedWidth: 80 })];
const named = (...parts: Evaluation[]) =>
  parts.map((evaluation, n) => ({ name: `${n + 1}.json`, evaluation }));
const merged = (...parts: Evaluation[]): Evaluation => mergeEvaluations(named(...parts));

describe('mergeEvaluations', () => {
  it('gives a sharded run the numbers of a whole one, in any order, however often', async () => {
    await dataset({ a: 64, b: 96, c: 80, d: 72, e: 176, f: 48, g: 56 });
    await writeFile(path('d.png'), 'no picture');
    const set = await dataset({}, 'kodak');
    const metrics = await openMetrics(['ms-ssim']);
    const whole = await evaluateSteps(set, codecs(), { metrics });
    const shards = [];
    for (const index of [1, 2, 3]) {
      shards.push(await evaluateSteps(set, codecs(), { metrics, shard: { index, count: 3 } }));
    }
    expect(shards.map(({ images }) => images.length)).toEqual([2, 2, 2]);
    expect(whole.failures.map(({ image, codec }) => `${image} ${codec ?? ''}`.trim())).toEqual([
      ...['a.png', 'b.png', 'c.png', 'c.png theirs', 'd.png', 'f.png', 'g.png'],
    ]);
    const [first, second, third] = shards;
    expect(merged(first, second, third)).toEqual(whole);
    expect(merged(third, first, second)).toEqual(whole);
    expect(merged(merged(first, second), merged(second, third), third)).toEqual(whole);
    expect(merged(whole)).toEqual(whole);
    expect(merged(whole, first)).toEqual(whole);
  });

  it('gets published curves back when the set is whole', async () => {
    const set = await dataset({ a: 32, b: 48 }, 'kodak');
    const parts = [1, 2].map((index) => evaluateSteps(set, codecs(), { shard: { index, count: 2 } }));
    const [first, second] = await Promise.all(parts);
    expect(first.codecs).toHaveLength(2);
    expect(merged(first, second).codecs.length).toBeGreaterThan(2);
    expect(merged(first, first)).toEqual(first);
  });

  it('keeps the environments of all parts, and drops failures that a part made good', async () => {
    await dataset({ a: 64, b: 80 });
    const set = await dataset({});
    const other = { ...environment, cpu: 'another' };
    const broken = await evaluateSteps(set, codecs());
    const good = await evaluateSteps(set, [codecs()[0], stepCodec('theirs', 2, { kind: 'competitor' })], {
      environment: other,
    });
    const both = merged(broken, good);
    expect(broken.failures).toHaveLength(1);
    expect(both.failures).toEqual([]);
    expect(both.environments).toEqual([other, environment]);
    expect(both.comparisons).toEqual(good.comparisons);
  });

  it('refuses what does not belong together, naming the file', async () => {
    const set = await dataset({ a: 64, b: 48 });
    const first = await evaluateSteps(set, codecs());
    const refuses = (other: Evaluation, reason: RegExp): void => {
      expect(() => merged(first, other)).toThrow(UsageError);
      expect(() => merged(first, other)).toThrow(reason);
    };
    refuses({ ...first, dataset: 'other' }, /^2\.json: expected the data set "mine", got "other"/);
    refuses(await evaluateSteps(set, codecs(), { limit: 1 }), /as many pictures in all 2, got 1/);
    const newer = codecs().map((codec) => ({ ...codec, version: '2' }));
    refuses(await evaluateSteps(set, newer), /ours of the version "1", got "2"/);
    const fewer = [stepCodec('ours', 1, { settings: [2, 3, 4, 5] })];
    refuses(await evaluateSteps(set, fewer), /ours at the settings \[2,3,4,5,6\], got \[2,3,4,5\]/);
    const images = first.images.map((image) => ({ ...image, sha256: '0' }));
    refuses({ ...first, images }, /a\.png with the pixels/);
    expect(() => mergeEvaluations([])).toThrow(/at least one/);
  });
});
