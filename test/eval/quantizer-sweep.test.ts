/**
 * The sweep that chooses steps and prices: its walk over the grid, its curves (bytes and pictures of real files), and that
 * what it returns is what did best of all that it tried.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Coder, coderOf } from '../../codec/coder.js';
import { decode } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
import { loadModel } from '../../codec/model/load.js';
import { quantizationOf, quantizerNames } from '../../codec/quantizers/registry.js';
import { bdRate } from '../../eval/bd-rate.js';
import {
  descend,
  normalQuantization,
  risingPart,
  type SweepPicture,
  type SweepPoint,
  type SweepResult,
  sweepCurve,
  sweepPicture,
  sweepQuantizer,
} from '../../eval/quantizer-sweep.js';
import { UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { psnr } from '../../src/metrics/psnr.js';
import { type FitSet, fitSet } from '../../src/training/fit-quantization.js';
import { cropPicture } from '../../src/training/photographs.js';
import { samplePicture, tinyModelPath } from './pictures.js';

describe('descend', () => {
  /** Walks over a table of values and counts what it looks at. */
  async function walk(table: readonly (readonly number[])[], start: readonly [number, number]) {
    const tried: string[] = [];
    const best = await descend([table.length, table[0].length], start, async (i, j) => {
      tried.push(`${i} ${j}`);
      return table[i][j];
    });
    return { best, tried };
  }

  it('goes down to a place without better neighbours, trying every place once', async () => {
    const bowl = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: 7 }, (_, j) => (i - 4) ** 2 + 3 * Math.abs(j - 2)),
    );
    for (const start of [
      [0, 0],
      [5, 6],
      [4, 2],
      [0, 6],
    ] as const) {
      const { best, tried } = await walk(bowl, start);
      expect(best, `from ${start}`).toEqual([4, 2]);
      expect(new Set(tried).size).toBe(tried.length);
      expect(tried[0]).toBe(start.join(' '));
    }
  });

  it('stays where all is flat, after a look around', async () => {
    const flat = Array.from({ length: 5 }, () => [1, 1, 1, 1, 1]);
    const { best, tried } = await walk(flat, [2, 2]);
    expect(best).toEqual([2, 2]);
    expect(tried.sort()).toEqual(['1 2', '2 1', '2 2', '2 3', '3 2']);
  });

  it('ends on a plateau below the slope', async () => {
    const steps = [[5], [4], [3], [3], [3], [2]];
    expect((await walk(steps, [0, 0])).best).toEqual([2, 0]);
  });

  it.each([
    [[0, 0], 3],
    [[0, 4], 3],
    [[4, 0], 3],
    [[4, 4], 3],
    [[0, 2], 4],
  ] as const)('never leaves the grid: best at %j', async (best, looks) => {
    const table = Array.from({ length: 5 }, (_, i) =>
      Array.from({ length: 5 }, (_, j) => Math.abs(i - best[0]) + Math.abs(j - best[1])),
    );
    expect((await walk(table, [2, 2])).best).toEqual(best);
    const { tried } = await walk(table, best);
    expect(tried).toHaveLength(looks);
  });

  it('takes a grid of one place', async () => {
    expect(await walk([[7]], [0, 0])).toEqual({ best: [0, 0], tried: ['0 0'] });
  });

  it('hands on what goes wrong', async () => {
    const broken = descend([2, 2], [0, 0], () => Promise.reject(new Error('no curve')));
    await expect(broken).rejects.toThrow('no curve');
  });
});

const qualities = [10, 35, 60, 85];
let coder: Coder;
const pictures: SweepPicture[] = [];
let reference: SweepPoint[];

beforeAll(async () => {
  coder = await coderOf(await loadModel(tinyModelPath), 'wasm', 1);
  const { image } = samplePicture(256);
  for (const [left, width, height] of [
    [0, 100, 128],
    [120, 128, 70],
  ]) {
    const { data } = cropPicture(image, left, 60, width, height);
    pictures.push(await sweepPicture(coder, createImage(width, height, 3, data), qualities));
  }
  reference = await sweepCurve(coder, pictures, normalQuantization(coder, 'round', 1, 0));
});

describe('sweepCurve', () => {
  it.each(quantizerNames)('has the bytes and pictures of real files: %s', async (quantizer) => {
    const { model } = coder;
    const curve = await sweepCurve(coder, pictures, quantizationOf(model, quantizer));
    expect(curve.map(({ quality }) => quality)).toEqual(qualities);
    for (const { quality, bpp, psnr: found, codingSeconds } of curve) {
      let [bits, decibels] = [0, 0];
      for (const { image } of pictures) {
        const file = await encode(image, { model, quality, quantizer, engine: 'wasm', threads: 1 });
        bits += (8 * file.length) / (image.width * image.height) / pictures.length;
        decibels += psnr(image, await decode(file, { model, engine: 'wasm' })) / pictures.length;
      }
      expect(bpp).toBeCloseTo(bits, 12);
      expect(found).toBeCloseTo(decibels, 12);
      expect(codingSeconds).toBeGreaterThan(0);
    }
  });
});

describe('normalQuantization', () => {
  it('has float32 settings, as a model file would', () => {
    const { step, lagrangian, tables, quantizer } = normalQuantization(coder, 'tcq8', 0.7, 0.03);
    expect([step, lagrangian, quantizer.name]).toEqual([Math.fround(0.7), Math.fround(0.03), 'tcq8']);
    expect(tables.count).toBe(128);
  });
});

describe('risingPart', () => {
  const curveOf = (...points: readonly (readonly [number, number])[]): SweepPoint[] =>
    points.map(([bpp, decibels], quality) => ({ quality, bpp, psnr: decibels, codingSeconds: 0 }));
  it.each([
    [
      'all of a curve that rises',
      [
        [1, 30],
        [2, 31],
        [3, 33],
      ],
      [0, 1, 2],
    ],
    [
      'a curve in any order',
      [
        [3, 33],
        [1, 30],
        [2, 31],
      ],
      [1, 2, 0],
    ],
    [
      'no point that costs more and is worse, or as good',
      [
        [1, 30],
        [2, 29],
        [3, 33],
        [4, 33],
        [5, 34],
      ],
      [0, 2, 4],
    ],
    [
      'the better one of two at the same rate',
      [
        [1, 30],
        [1, 31],
        [2, 32],
      ],
      [1, 2],
    ],
    [
      'no lossless point',
      [
        [1, 30],
        [2, Number.POSITIVE_INFINITY],
        [3, 31],
      ],
      [0, 2],
    ],
  ] as const)('has %s', (_, points, expected) => {
    expect(risingPart(curveOf(...points)).map(({ quality }) => quality)).toEqual(expected);
  });
});

describe('sweepQuantizer', () => {
  const steps = [0.5, 0.64, 0.83];
  const lagrangians = [0.01, 0.03, 0.1];

  let set: FitSet;
  beforeAll(() => {
    const analysed = pictures.flatMap((one) => one.analysed);
    set = fitSet(coder.entropy, coder.model, analysed);
  });

  async function sweep(
    name: 'tcq8' | 'rdoq' | 'round',
    fit: boolean,
    grid = { steps, lagrangians },
    own = { pictures, reference },
  ) {
    const tried: SweepResult[] = [];
    const { quantization, result } = await sweepQuantizer({
      coder,
      name,
      fit: fit ? set : undefined,
      ...grid,
      ...own,
      start: { step: 0.6, lagrangian: 0.02 },
      onResult: (one) => tried.push(one),
    });
    return { quantization, result, tried };
  }

  it('starts next to where it was told to and returns the best that it tried', async () => {
    const { quantization, result, tried } = await sweep('tcq8', false);
    expect(tried[0]).toMatchObject({ step: 0.64, lagrangian: 0.03 });
    expect(Math.min(...tried.map(({ bdRate: rate }) => rate))).toBe(result.bdRate);
    expect(tried).toContain(result);
    expect(quantization).toMatchObject({
      step: Math.fround(result.step),
      lagrangian: Math.fround(result.lagrangian),
    });
    expect(quantization.quantizer.name).toBe('tcq8');
    // All neighbours of the best were tried.
    const [i, j] = [steps.indexOf(result.step), lagrangians.indexOf(result.lagrangian)];
    const places = tried.map(({ step, lagrangian }) => [
      steps.indexOf(step),
      lagrangians.indexOf(lagrangian),
    ]);
    for (const [a, b] of [
      [i - 1, j],
      [i + 1, j],
      [i, j - 1],
      [i, j + 1],
    ]) {
      if (steps[a] !== undefined && lagrangians[b] !== undefined) expect(places).toContainEqual([a, b]);
    }
    const curve = await sweepCurve(coder, pictures, quantization);
    expect(bdRate(reference, curve).percent).toBeCloseTo(result.bdRate, 10);
  });

  it('fits tables and offsets for every setting where there are pictures for that, and is better for it', async () => {
    const grid = { steps: [0.64], lagrangians: [0.03] };
    const normal = await sweep('tcq8', false, grid);
    const fitted = await sweep('tcq8', true, grid);
    expect(fitted.tried).toHaveLength(1);
    expect(fitted.result.bdRate).toBeLessThan(normal.result.bdRate);
    expect(fitted.quantization.tables.toTensors()).not.toEqual(normal.quantization.tables.toTensors());
    expect(normal.quantization.offsets.every((offset) => offset === 0)).toBe(true);
    expect(fitted.quantization.offsets.some((offset) => offset > 0)).toBe(true);
  });

  it('is nothing for the reference itself', async () => {
    const { result, tried } = await sweep('round', false, { steps: [1], lagrangians: [0] });
    expect(result.bdRate).toBeCloseTo(0, 10);
    expect(tried).toHaveLength(1);
  });

  it('goes on without qualities at which curves do not rise, and says which', async () => {
    // The same quality twice is a point that costs as much and gains nothing.
    const repeated = pictures.map(({ image, analysed }) => ({ image, analysed: [...analysed, analysed[2]] }));
    const grid = { steps: [0.64], lagrangians: [0.03] };
    const fallen = [...reference, { quality: 95, bpp: 99, psnr: 20, codingSeconds: 0 }];
    const { result } = await sweep('tcq8', false, grid, { pictures: repeated, reference: fallen });
    const clean = await sweep('tcq8', false, grid);
    expect(result.leftOut).toEqual([60]);
    expect(result.curve).toHaveLength(5);
    expect(result.bdRate).toBe(clean.result.bdRate);
    expect(clean.result.leftOut).toEqual([]);
  });

  it('refuses to choose where no curve is left', async () => {
    const few = pictures.map(({ image, analysed }) => ({ image, analysed: analysed.slice(0, 3) }));
    const attempt = sweep('tcq8', false, { steps, lagrangians }, { pictures: few, reference });
    await expect(attempt).rejects.toThrow(
      'tcq8: expected PSNR to rise with the rate at 4 qualities or more, got 3',
    );
    await expect(attempt).rejects.toBeInstanceOf(UsageError);
  });

  it('finds that a trellis beats rounding', async () => {
    const { result } = await sweep('tcq8', false, { steps: [0.64], lagrangians: [0.03] });
    expect(result.bdRate).toBeLessThan(-1);
  });
});
