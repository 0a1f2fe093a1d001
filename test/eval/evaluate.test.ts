import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { folderDataset } from '../../datasets/index.js';
import type { ImageCodec } from '../../eval/codecs.js';
import { evaluateCodec, evaluationJson } from '../../eval/evaluate.js';
import { evaluationText } from '../../eval/kodak.js';
import type { Measurement } from '../../eval/measure.js';
import { meanCurve, measureSweep } from '../../eval/measure.js';
import { compare, comparisonTable, textTable } from '../../eval/report.js';
import { datasetOption, listOption, numberOption, numbersOption, parseOptions } from '../../eval/script.js';
import { ResultStore } from '../../eval/store.js';
import { UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { encodePng } from '../../src/io/png.js';
import { samplePicture } from './pictures.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evaluate-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Cuts samples to steps of 2^(8 - setting); a file is its setting and `factor` bytes per sample. */
function stepCodec(name: string, factor: number): ImageCodec & { calls: number } {
  const codec = {
    name,
    version: '1',
    settings: [2, 3, 4, 5, 6],
    calls: 0,
    async encode(image: { data: Uint8Array; width: number }, setting: number) {
      codec.calls++;
      const step = 2 ** (8 - setting);
      const cut = image.data.map((value) => Math.floor(value / step) * step + step / 2);
      const bytes = new Uint8Array(Math.round(factor * setting * 1000) + cut.length).fill(image.width);
      bytes.set(cut, bytes.length - cut.length);
      return { bytes, seconds: 0.5 };
    },
    async decode(bytes: Uint8Array) {
      const width = bytes[0];
      const data = bytes.slice(-3 * width * width);
      return { image: createImage(width, width, 3, data), seconds: 0.25 };
    },
  };
  return codec;
}

describe('ResultStore', () => {
  it('has everything again after it was opened again, but a line cut short', async () => {
    const path = join(folder, 'deep', 'results.jsonl');
    const store = await ResultStore.open<number>(path);
    await store.put('a', 1);
    await store.put('b', 2);
    await store.put('a', 3);
    await appendFile(path, '{"key":"c","resu');
    const again = await ResultStore.open<number>(path);
    expect([again.get('a'), again.get('b'), again.get('c'), again.size]).toEqual([3, 2, undefined, 2]);
    await again.put('c', 4);
    expect((await ResultStore.open<number>(path)).get('c')).toBe(4);
    await again.put('lossless', Number.POSITIVE_INFINITY);
    expect((await ResultStore.open<number>(path)).get('lossless')).toBe(Number.POSITIVE_INFINITY);
    await again.clear();
    expect((await ResultStore.open<number>(path)).size).toBe(0);
  });
});

describe('measureSweep', () => {
  it('measures once, and again where MS-SSIM is missing', async () => {
    const codec = stepCodec('steps', 1);
    const path = join(folder, 'results.jsonl');
    const picture = samplePicture(180);
    const first = await measureSweep(codec, picture, await ResultStore.open<Measurement>(path));
    expect(codec.calls).toBe(5);
    const store = await ResultStore.open<Measurement>(path);
    expect(await measureSweep(codec, { ...picture, name: 'other' }, store)).toEqual(
      first.map((result) => ({ ...result, image: 'other' })),
    );
    expect(codec.calls).toBe(5);
    const more = await measureSweep(codec, picture, store, { msSsim: true });
    expect(codec.calls).toBe(10);
    expect(more.every(({ msSsim }) => msSsim! > 0.2 && msSsim! <= 1)).toBe(true);
    await measureSweep({ ...codec, version: '2' }, picture, store);
    expect(codec.calls).toBe(15);
  });

  it('averages values, not errors', () => {
    const value = { bytes: 1, encodeSeconds: 1, decodeSeconds: 2 };
    const curve = meanCurve([
      { ...value, image: 'a', setting: 5, bpp: 1, psnr: 30, msSsim: 0.9, estimatedBpp: 1 },
      { ...value, image: 'a', setting: 2, bpp: 0.5, psnr: 20 },
      { ...value, image: 'b', setting: 5, bpp: 2, psnr: 40, msSsim: 0.8 },
    ]);
    expect(curve.map(({ setting, images, bpp, psnr }) => [setting, images, bpp, psnr])).toEqual([
      [5, 2, 1.5, 35],
      [2, 1, 0.5, 20],
    ]);
    expect(curve[0].msSsim).toBeCloseTo(0.85, 12);
    expect(curve[0].estimatedBpp).toBeUndefined();
  });
});

describe('evaluateCodec', () => {
  it('compares with live competitors and goes on where it was stopped', async () => {
    for (const name of ['a', 'b', 'c']) {
      await writeFile(join(folder, `${name}.png`), encodePng(samplePicture(name === 'a' ? 64 : 96).image));
    }
    const task = {
      codec: stepCodec('ours', 1),
      competitors: [stepCodec('theirs', 2)],
      dataset: await folderDataset(folder, { name: 'mine' }),
      limit: 2,
      store: await ResultStore.open<Measurement>(join(folder, 'ours.jsonl')),
      competitorStore: await ResultStore.open<Measurement>(join(folder, 'theirs.jsonl')),
    };
    const seen: string[] = [];
    const evaluation = await evaluateCodec({
      ...task,
      progress: (done, total, [{ image }]) => seen.push(`${done}/${total} ${image}`),
    });
    expect(seen).toEqual(['1/2 a.png', '2/2 b.png']);
    expect(evaluation.images).toBe(2);
    expect(evaluation.comparisons).toHaveLength(1);
    expect(evaluation.comparisons[0].rate!.percent).toBeLessThan(-10);
    expect(evaluation.comparisons[0].rate!.fraction).toBe(1);
    expect(await evaluateCodec(task)).toEqual(evaluation);
    expect(task.codec.calls).toBe(10);

    const text = evaluationText(evaluation);
    expect(text).toMatch(/^ours on mine, 2 images\n/);
    expect(text).toMatch(/theirs \(live\) +-\d+\.\d\d +\+\d/);
    const json = JSON.parse(JSON.stringify(evaluationJson(evaluation)));
    expect(json.results.bpp).toHaveLength(5);
    expect(json.results['psnr-rgb']).toHaveLength(5);
    expect(json.results.encoding_time).toEqual([0.5, 0.5, 0.5, 0.5, 0.5]);
    expect(json.competitors[0].results.decoding_time[0]).toBe(0.25);
    expect(json.perImage).toHaveLength(10);
    expect((await readFile(join(folder, 'ours.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(10);
  });

  it('leaves published curves out where the set is not whole', async () => {
    for (const name of ['a', 'b']) {
      await writeFile(join(folder, `${name}.png`), encodePng(samplePicture(32).image));
    }
    const task = {
      codec: stepCodec('ours', 1),
      competitors: [],
      dataset: await folderDataset(folder, { name: 'kodak' }),
      store: await ResultStore.open<Measurement>(),
      competitorStore: await ResultStore.open<Measurement>(),
    };
    const whole = await evaluateCodec(task);
    expect(whole.comparisons.map(({ title }) => title)).toContain('VTM 9.1');
    expect(whole.partial).toBe(false);
    const part = await evaluateCodec({ ...task, limit: 1 });
    expect(part.comparisons).toEqual([]);
    expect(part.partial).toBe(true);
    expect(evaluationText(part)).toMatch(/1 image\n[\s\S]*left out here\.$/);
  });
});

describe('tables', () => {
  it('line columns up', () => {
    expect(
      textTable([
        ['a', 'bpp'],
        ['long name', '1'],
      ]),
    ).toBe('a          bpp\nlong name    1');
  });

  it('explain what cannot be compared and mark small overlaps', () => {
    const line = (from: number) => [0, 1, 2, 3].map((i) => ({ bpp: 0.2 * 2 ** i, psnr: from + 2 * i }));
    const rival = { title: 'theirs', source: '', curve: line(30) };
    expect(comparisonTable([compare(line(60), rival)])).toMatch(
      /theirs .*-\ntheirs: Expected two curves that overlap/,
    );
    expect(comparisonTable([compare(line(34), rival)])).toMatch(/34\.00-36\.00 +33% \(!\)/);
    expect(comparisonTable([compare(line(30), rival)])).toMatch(/0\.00 +0\.000 +30\.00-36\.00 +100%$/);
  });
});

describe('options', () => {
  it('are read with their bounds', () => {
    const options = { limit: { type: 'string' }, fresh: { type: 'boolean' } } as const;
    expect(parseOptions(['--limit', '3', '--fresh'], options)).toMatchObject({ limit: '3', fresh: true });
    expect(() => parseOptions(['--limt', '3'], options)).toThrow(UsageError);
    expect(() => parseOptions(['more'], options)).toThrow(UsageError);
    expect(numberOption('--limit', undefined, 7, [1, 9])).toBe(7);
    expect(numberOption('--limit', '3', 7, [1, 9])).toBe(3);
    expect(() => numberOption('--limit', '', 7, [0, 9])).toThrow(
      /--limit: expected a number from 0 to 9, got ''/,
    );
    expect(() => numberOption('--limit', '10', 7, [0, 9])).toThrow(UsageError);
    expect(numbersOption('--q', '1, 2,3', [], [0, 9])).toEqual([1, 2, 3]);
    expect(listOption('', ['a'])).toEqual([]);
    expect(listOption(undefined, ['a'])).toEqual(['a']);
  });

  it('choose one data set', async () => {
    await expect(datasetOption({ dataset: 'kodak', images: folder }, 'kodak')).rejects.toThrow(/only one of/);
    await expect(datasetOption({ validation: true, data: folder }, 'kodak')).rejects.toThrow(/^validation: /);
    await expect(datasetOption({ data: folder }, 'kodak')).rejects.toThrow(/^kodak: /);
  });
});
