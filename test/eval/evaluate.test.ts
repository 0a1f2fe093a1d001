import { rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { findDatasetIfPresent } from '../../datasets/index.js';
import { type KeptMeasurement, type RunProgress, reuseMeasurements } from '../../eval/evaluate.js';
import type { MeasuredCodec } from '../../eval/evaluation.js';
import { localMeasurer } from '../../eval/measurer.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { ResultStore } from '../../eval/store.js';
import { UsageError } from '../../src/errors.js';
import { environment, evaluateSteps, pictureFolder, stepCodec } from './step-codec.js';

const { path, dataset } = pictureFolder();

const ours = () => stepCodec('ours', 1);
const theirs = () => stepCodec('theirs', 2, { kind: 'competitor' });

describe('evaluate', () => {
  it('measures every codec on every picture and compares them', async () => {
    const set = await dataset({ a: 64, b: 96, c: 80 });
    const seen: RunProgress[] = [];
    const evaluation = await evaluateSteps(set, [ours(), theirs()], {
      limit: 2,
      progress: (state) => seen.push(state),
    });
    expect(seen).toHaveLength(20);
    expect(seen[0]).toEqual({ done: 1, total: 20, reused: 0, image: 'a.png', codec: 'ours' });
    expect(seen.at(-1)).toMatchObject({ done: 20, image: 'b.png', codec: 'theirs' });
    expect(evaluation.scope).toEqual({ images: ['a.png', 'b.png'], complete: false });
    expect(evaluation.images.map(({ name, width, sha256 }) => [name, width, sha256.length])).toEqual([
      ['a.png', 64, 64],
      ['b.png', 96, 64],
    ]);
    const [own, rival] = evaluation.codecs;
    expect([own.kind, rival.kind]).toEqual(['ours', 'competitor']);
    expect(own.perImage).toHaveLength(10);
    expect(own.curve).toHaveLength(5);
    expect(own.curve[0].psnr).toBe((own.perImage[0].psnr + own.perImage[5].psnr) / 2);
    const [comparison] = evaluation.comparisons;
    expect(comparison).toMatchObject({ tested: 'ours', reference: 'theirs', metric: 'psnr', images: 2 });
    expect(comparison.rate!.percent).toBeLessThan(-10);
    expect(comparison.rate!.fraction).toBe(1);
    expect(evaluation.failures).toEqual([]);
    expect(evaluation.environments).toEqual([environment]);
  });

  it('takes over what an earlier evaluation measured, but not of other versions', async () => {
    const set = await dataset({ a: 64, b: 96 });
    const earlier = await evaluateSteps(set, [ours(), theirs()]);
    const store = await ResultStore.open<KeptMeasurement>();
    expect(await reuseMeasurements(store, earlier)).toBe(20);
    expect(await reuseMeasurements(store, earlier)).toBe(0);
    const again = [stepCodec('ours', 1, { version: 'another' }), theirs()];
    expect(await evaluateSteps(set, again, { store })).toMatchObject({
      comparisons: earlier.comparisons,
      environments: earlier.environments,
    });
    expect(again.map(({ calls }) => calls)).toEqual([10, 0]);
  });

  it('recomputes nothing after it was stopped half-way', async () => {
    const set = await dataset({ a: 64, b: 96, c: 80 });
    const codecs = [ours(), theirs()];
    const whole = await evaluateSteps(set, codecs);
    const [file, stop, again] = [path('store.jsonl'), new AbortController(), [ours(), theirs()]];
    const stopped = evaluateSteps(set, again, {
      store: await ResultStore.open<KeptMeasurement>(file),
      signal: stop.signal,
      progress: ({ done }) => done === 13 && stop.abort(),
    });
    await expect(stopped).rejects.toThrow(/abort/);
    expect(again[0].calls + again[1].calls).toBe(13);
    const states: RunProgress[] = [];
    const store = await ResultStore.open<KeptMeasurement>(file);
    const rest = await evaluateSteps(set, again, { store, progress: (state) => states.push(state) });
    expect(rest).toEqual(whole);
    expect(again[0].calls + again[1].calls).toBe(30);
    expect(states[0]).toMatchObject({ done: 1, total: 17, reused: 13 });
    expect(await evaluateSteps(set, again, { store: await ResultStore.open<KeptMeasurement>(file) })).toEqual(
      whole,
    );
    expect(again[0].calls + again[1].calls).toBe(30);
  });

  it('ends where results cannot be kept, and blames no codec', async () => {
    const set = await dataset({ a: 64, b: 96 });
    const store = await ResultStore.open<KeptMeasurement>();
    const codec = ours();
    store.put = async () => {
      if (codec.calls === 3) throw new UsageError('store.jsonl: cannot be written: no space left');
    };
    await expect(evaluateSteps(set, [codec], { store })).rejects.toThrow(/no space left/);
    expect(codec.calls).toBe(3);
  });

  it('measures again what depends on what has changed: version, threads, a metric', async () => {
    const set = await dataset({ a: 176 });
    const codec = ours();
    const store = await ResultStore.open<KeptMeasurement>();
    await evaluateSteps(set, [codec], { store });
    await evaluateSteps(set, [codec], { store, environment: { ...environment, threads: 2 } });
    expect(codec.calls).toBe(10);
    const metrics = await openMetrics(['ms-ssim']);
    const { codecs } = await evaluateSteps(set, [codec], { store, metrics });
    expect(codec.calls).toBe(15);
    expect(codecs[0].perImage.every(({ msSsim }) => msSsim! > 0.2 && msSsim! <= 1)).toBe(true);
    await evaluateSteps(set, [codec], { store });
    expect(codec.calls).toBe(15);
    const newer = { ...codec, version: '2' };
    await evaluateSteps(set, [newer], { store });
    expect(codec.calls).toBe(20);
  });

  it('names the machine of every run that results were kept from', async () => {
    const set = await dataset({ a: 64, b: 96 });
    const store = await ResultStore.open<KeptMeasurement>();
    const busy = { ...environment, jobs: 2, commit: 'earlier' };
    await evaluateSteps(set, [theirs()], { store, environment: busy, limit: 1 });
    const both = await evaluateSteps(set, [ours(), theirs()], { store });
    expect(both.environments).toHaveLength(2);
    expect(both.environments).toEqual(expect.arrayContaining([environment, busy]));
    const [own, rival] = both.codecs as readonly MeasuredCodec[];
    expect(own.environments).toEqual([environment]);
    expect(rival.environments).toEqual(both.environments);
    const kept = await evaluateSteps(set, [theirs()], { store, limit: 1, environment });
    expect(kept.environments).toEqual([busy]);
  });

  it('gives the same numbers with two measurers as with one', async () => {
    const set = await dataset({ a: 64, b: 96, c: 80, d: 72 });
    const metrics = await openMetrics(['psnr']);
    const codecs = () => localMeasurer([ours(), theirs()], metrics);
    const together = await evaluateSteps(set, [], { metrics, measurers: [codecs(), codecs()] });
    expect(together).toEqual(await evaluateSteps(set, [ours(), theirs()]));
  });
});

describe('failures', () => {
  it('are named, and the rest goes on', async () => {
    await dataset({ a: 64, b: 96, c: 80, d: 72, e: 88 });
    await writeFile(path('b.png'), 'no picture');
    await writeFile(path('SHA256SUMS'), `${'0'.repeat(64)}  a.png\n${'0'.repeat(64)}  f.png\n`);
    const set = await dataset({});
    const refusing = stepCodec('refusing', 2, { kind: 'competitor', refusedWidth: 80 });
    const absent = { ...stepCodec('absent', 1, { kind: 'competitor' }), reason: 'not installed' };
    const evaluation = await evaluateSteps(set, [ours(), refusing, absent]);
    expect(evaluation.failures.map(({ image, codec, message }) => [image, codec, message])).toEqual([
      [undefined, 'absent', 'not installed'],
      ['a.png', undefined, expect.stringMatching(/a\.png: expected SHA-256 0{64}/)],
      ['b.png', undefined, expect.stringMatching(/b\.png: Expected a PNG/)],
      ['c.png', 'refusing', 'refusing takes no pictures of that width'],
      ['f.png', undefined, expect.stringMatching(/f\.png' but it cannot be read/)],
    ]);
    expect(evaluation.scope.images).toHaveLength(6);
    expect(evaluation.images.map(({ name }) => name)).toEqual(['c.png', 'd.png', 'e.png']);
    expect(
      evaluation.codecs.map(({ name, curve }) => [name, (curve[0] as { images: number }).images]),
    ).toEqual([
      ['ours', 3],
      ['refusing', 2],
    ]);
    // Only over what both have: else the picture that one lacks would shift the other's mean.
    expect(evaluation.comparisons[0].images).toBe(2);
    expect(evaluation.comparisons[0].perImage!.values.map(({ image }) => image)).toEqual(['d.png', 'e.png']);
    expect(evaluation.comparisons[0].rate!.percent).toBeLessThan(0);
  });

  it('of a metric are named: no program, too small a picture', async () => {
    const set = await dataset({ a: 64, b: 176 });
    const metrics = await openMetrics(['ms-ssim', 'ssimulacra2']);
    const missing = [{ name: 'ssimulacra2', reason: 'not there' }] as const;
    const { failures, codecs } = await evaluateSteps(set, [ours()], {
      metrics: { ...metrics, names: ['psnr', 'ms-ssim'], missing },
    });
    expect(failures).toEqual([
      { message: 'not there' },
      { image: 'a.png', message: 'too small for MS-SSIM, which is left out: 64x64' },
    ]);
    expect(codecs[0].perImage.map(({ msSsim }) => msSsim !== undefined)).toEqual([
      ...Array(5).fill(false),
      ...Array(5).fill(true),
    ]);
  });
});

describe('published curves', () => {
  it('stand beside whole sets only', async () => {
    const set = await dataset({ a: 32, b: 32 }, 'kodak');
    const whole = await evaluateSteps(set, [ours()]);
    expect(whole.comparisons.map(({ reference }) => reference)).toContain('VTM 9.1');
    expect(whole.codecs.at(-1)).toMatchObject({ kind: 'published', perImage: [] });
    expect((await evaluateSteps(set, [ours()], { limit: 1 })).comparisons).toEqual([]);
    expect((await evaluateSteps(set, [ours()], { shard: { index: 1, count: 2 } })).comparisons).toEqual([]);
    expect((await evaluateSteps({ ...set, complete: false }, [ours()])).comparisons).toEqual([]);
    await rm(path('b.png'));
    const damaged = await evaluateSteps({ ...set }, [ours()]);
    expect(damaged.failures).toHaveLength(1);
    expect(damaged.comparisons).toEqual([]);
  });

  it('are left out for a codec that failed on a picture', async () => {
    const set = await dataset({ a: 32, b: 48 }, 'kodak');
    const { comparisons } = await evaluateSteps(set, [stepCodec('ours', 1, { refusedWidth: 48 })]);
    expect(comparisons[0].reason).toBe('published means are over all 2 pictures, this one over 1');
  });

  it('of TecNick are over more pictures than lie here', async ({ skip }) => {
    const set = await findDatasetIfPresent('tecnick');
    if (!set) return skip('the images of tecnick are not here');
    expect(set.complete).toBe(false);
  });
});
