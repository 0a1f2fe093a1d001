/**
 * Fine-tuning on really quantized latents: what is learnt from is what a decoder has, only the named parts change, files get
 * better by it, and a run that was stopped or killed anywhere ends in the very bytes of one that was not.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Coder, coderOf } from '../../../codec/coder.js';
import { loadModel } from '../../../codec/model/load.js';
import { type ModelParts, type ParsedModel, serializeModel } from '../../../codec/model/model-file.js';
import { ratePointOf } from '../../../codec/model/rate-point.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { toPlanes } from '../../../codec/pixels.js';
import { quantizationOf } from '../../../codec/quantizers/registry.js';
import { loadOnnxRuntime, type OnnxRuntime } from '../../../src/engines/onnxruntime.js';
import { UsageError } from '../../../src/errors.js';
import { createImage, type Image } from '../../../src/io/index.js';
import { adaptationObjective } from '../../../src/training/adaptation-objective.js';
import {
  checkFinetuneOptions,
  defaultFinetuneOptions,
  type FinetuneOptions,
  type FinetuneRun,
  type FinetuneState,
  finetune,
} from '../../../src/training/finetune.js';
import { loadFinetune, saveFinetune } from '../../../src/training/finetune-checkpoint.js';
import { Photographs } from '../../../src/training/photographs.js';
import { drawPool, poolBatch, type QuantizedCrop, quantizeCrop } from '../../../src/training/real-latents.js';
import { validateReal } from '../../../src/training/real-validation.js';
import { buildGradientGraph, initialState, Trainer } from '../../../src/training/trainer.js';
import { tinyModel } from '../../golden/cases.js';
import { picture } from '../../golden/pictures.js';
import { type Workplace, workplace } from './support.js';

let runtime: OnnxRuntime;
let model: ParsedModel;
let coder: Coder;
let place: Workplace;
let photographs: Photographs;
let folder: string;
const pictures: Image[] = [1, 2].map((seed) => picture('mixed', 128, 128, 3, seed));
const small = [picture('mixed', 64, 64, 3, 1)];

beforeAll(async () => {
  runtime = await loadOnnxRuntime();
  // Two quantizers are enough to see what becomes of the one that is learnt from and of another.
  const { tables, ...rest } = await tinyModel();
  const quantizers = new Map([...tables.quantizers].filter(([name]) => ['rdoq', 'tcq8'].includes(name)));
  model = await loadModel(bytesOf({ ...rest, tables: { ...tables, quantizers } }));
  coder = await coderOf(model, 'wasm', 1);
  place = workplace(3, 160, 140);
  photographs = await Photographs.open(place.images, { leastSide: 128 });
  folder = mkdtempSync(join(tmpdir(), 'finetune-'));
});
afterAll(() => {
  place.remove();
  rmSync(folder, { recursive: true, force: true });
});

const options: FinetuneOptions = {
  ...defaultFinetuneOptions,
  quantizers: ['tcq8'],
  steps: 3,
  rounds: 2,
  batch: 2,
  crop: 64,
  pool: 4,
  keep: 0,
  prices: [1, 1.2],
};

const bytesOf = (parsed: ModelParts): Uint8Array => serializeModel(parsed, coderSpecs(parsed.config));

const runWith = (change: Partial<FinetuneRun> = {}, other: Partial<FinetuneOptions> = {}): FinetuneRun => ({
  options: { ...options, ...other },
  start: { model: bytesOf(model), round: 0, step: 0 },
  images: photographs,
  fitCrops: small,
  qualities: [50],
  runtime,
  engine: 'wasm',
  threads: 1,
  checkpointEvery: 2,
  ...change,
});

const rgb = ({ width, height, data }: Image) => ({ width, height, data: data as Uint8Array });

describe('quantizeCrop', () => {
  it.each(['rdoq', 'tcq8'])('gives the latents that a decoder of the file has: %s', async (name) => {
    const quantization = quantizationOf(model, name);
    const crop = await quantizeCrop(coder, rgb(pictures[0]), 40, quantization);
    let segment = new Uint8Array();
    const rate = ratePointOf(model, 40);
    const shallow = await coder.transforms.shallow(
      toPlanes(pictures[0], { x: 0, y: 0, width: 128, height: 128 }),
      128,
      128,
    );
    const area = await coder.transforms.analyse(shallow, rate);
    segment = coder.entropy.encode(area, 128, 128, rate, quantization).segment as Uint8Array<ArrayBuffer>;
    const decoded = coder.entropy.decode(segment, 128, 128, rate, quantization);
    expect(crop.passes).toEqual(decoded.passes);
    expect(crop.latents).toEqual(area.passes);
    expect(crop.bits).toBe((8 * segment.length) / 128 ** 2);
    expect(crop.hyperBits).toBeGreaterThan(0);
    expect(crop.hyperBits).toBeLessThan(crop.bits);
    expect(crop.interval).toBe(quantization.step * (name === 'rdoq' ? 1 : 2));
  });
});

describe('drawPool and poolBatch', () => {
  it('follow from the seed and span the qualities, with noise as wide as the cells', async () => {
    const [rdoq, tcq] = ['rdoq', 'tcq8'].map((name) => quantizationOf(model, name));
    const settings = { seed: 3, round: 1, count: 4, crop: 128 };
    const pool = await drawPool(coder, photographs, [rdoq, tcq], settings);
    expect(await drawPool(coder, photographs, [rdoq, tcq], settings)).toEqual(pool);
    pool.forEach(({ quality, interval }, n) => {
      expect(Math.floor(quality / 25)).toBe(n);
      expect(quality * 256).toBe(Math.round(quality * 256));
      expect(interval).toBe(n % 2 === 0 ? rdoq.step : 2 * tcq.step);
    });
    const size = { batch: 2, height: 128, width: 128 };
    const { dataShapes } = buildGradientGraph(model.config, size, adaptationObjective('decoder+entropy'));
    const batch = poolBatch(pool, dataShapes, 5, { seed: 3, config: model.config });
    expect([...batch.keys()].sort()).toEqual([...dataShapes.keys()].sort());
    const noisy = batch.get('noisy')!;
    for (const sample of [0, 1]) {
      const found = pool.find(({ interval, hyperBits }) => {
        return (
          interval === batch.get('interval')![sample] && Math.fround(hyperBits) === batch.get('bits')![sample]
        );
      })!;
      const before = found.latents.flatMap((values) => [...values]);
      const start = sample * before.length;
      const noise = before.map((latent, n) => (noisy[start + n] - latent) / found.interval);
      expect(Math.max(...noise.map(Math.abs))).toBeLessThan(0.51);
      expect(noise.reduce((sum, x) => sum + x * x, 0) / noise.length).toBeCloseTo(1 / 12, 2);
    }
  });
});

describe('adaptationObjective', () => {
  /** Metrics of one step that changes nothing. */
  async function metricsOf(parts: 'decoder' | 'decoder+entropy', pool: readonly QuantizedCrop[]) {
    const size = { batch: 1, height: 128, width: 128 };
    const objective = adaptationObjective(parts);
    const { specs, dataShapes } = buildGradientGraph(model.config, size, objective);
    const state = initialState(new Map([...specs.keys()].map((name) => [name, model.parameters.get(name)!])));
    const settings = { ...size, clipNorm: 1, optimizer: 'adam', threads: 1, objective } as const;
    const trainer = await Trainer.create(runtime, model.config, settings, state);
    const batch = poolBatch(pool, dataShapes, 1, { seed: 1, config: model.config });
    const metrics = await trainer.step(batch, { learningRate: 0, emaDecay: 0, step: 1 });
    await trainer.release();
    return { metrics, trained: [...specs.keys()] };
  }

  it("has a file's distortion and bits, and trains the synthesis alone or the entropy networks too", async () => {
    const crop = await quantizeCrop(coder, rgb(pictures[0]), 60, quantizationOf(model, 'tcq8'));
    const planes = await coder.transforms.synthesise(crop.passes, 128, 128, ratePointOf(model, 60));
    const original = toPlanes(pictures[0], { x: 0, y: 0, width: 128, height: 128 });
    const error = planes.reduce((sum, value, n) => sum + (value - original[n]) ** 2, 0) / planes.length;
    const alone = await metricsOf('decoder', [crop]);
    expect(alone.metrics.distortion[0] / error).toBeCloseTo(1, 4);
    expect(alone.metrics.rate[0]).toBeCloseTo(crop.bits, 6);
    expect(alone.trained.every((name) => /^(synthesis\.|rate\.synthesis)/.test(name))).toBe(true);
    const both = await metricsOf('decoder+entropy', [crop]);
    expect(both.metrics.distortion[0] / error).toBeCloseTo(1, 4);
    // Noise for a greedy search: of the real size, but not equal to it.
    expect(both.metrics.rate[0]).toBeGreaterThan(0.6 * crop.bits);
    expect(both.metrics.rate[0]).toBeLessThan(1.8 * crop.bits);
    const encoder = /^(analysis|hyperAnalysis|prior|rate\.analysis)/;
    expect(both.trained.filter((name) => encoder.test(name))).toEqual([]);
    expect(both.trained.some((name) => name.startsWith('context.3'))).toBe(true);
    expect(both.trained.some((name) => name.startsWith('hyperSynthesis'))).toBe(true);
  });
});

describe('finetune', () => {
  const changed = (tuned: ParsedModel): string[] =>
    [...model.parameters]
      .filter(([name, values]) => tuned.parameters.get(name)!.some((value, n) => value !== values[n]))
      .map(([name]) => name);

  it('makes files of its pictures cheaper at equal quality, and leaves the encoder', async () => {
    const change = { steps: 60, learningRate: 5e-4, pool: 12, crop: 128, prices: [1, 1] };
    const tuned = (await finetune(runWith({ fitCrops: pictures, qualities: [20, 80] }, change)))!;
    const own: Image[] = [];
    for (let n = 0; n < photographs.count; n++) {
      const { width, data } = (await photographs.get(n))!;
      const square = Uint8Array.from({ length: 3 * 128 * 128 }, (_, k) => {
        const pixel = Math.floor(k / 3);
        return data[3 * (Math.floor(pixel / 128) * width + (pixel % 128)) + (k % 3)];
      });
      own.push(createImage(128, 128, 3, square));
    }
    const lossOf = async (parsed: ParsedModel): Promise<number> => {
      const code = await coderOf(parsed, 'wasm', 1);
      return (await validateReal(code, quantizationOf(parsed, 'tcq8'), own, [20, 50, 80])).loss;
    };
    expect(await lossOf(tuned)).toBeLessThan(0.97 * (await lossOf(model)));
    expect(
      changed(tuned).filter((name) => /^(analysis|hyperAnalysis|prior|rate\.analysis)/.test(name)),
    ).toEqual([]);
    expect(changed(tuned).length).toBeGreaterThan(20);
    expect(tuned.habits!.some((habit) => habit !== 0)).toBe(true);
    expect([...tuned.tables.quantizers.keys()]).toEqual([...model.tables.quantizers.keys()]);
    expect(tuned.id).not.toBe(model.id);
  });

  it('averages with the weights before as much as is asked for', async () => {
    const few = { rounds: 1, prices: [1], steps: 2 };
    const [none, half, all] = await Promise.all(
      [0, 0.5, 1].map(async (keep) => (await finetune(runWith({}, { ...few, keep })))!),
    );
    expect(changed(all)).toEqual([]);
    const name = 'synthesis.out.weight';
    const [before, trained, blend] = [model, none, half].map((one) => one.parameters.get(name)!);
    expect(changed(none)).toContain(name);
    blend.forEach((value, n) => {
      // Weights are stored as half floats.
      expect(Math.abs(value - (before[n] + trained[n]) / 2)).toBeLessThan(1e-3 * Math.abs(value) + 1e-6);
    });
  });

  it('trains the decoder alone where that is asked for, and raises the price of a bit', async () => {
    const tuned = (await finetune(runWith({}, { parts: 'decoder', steps: 2 })))!;
    expect(changed(tuned).filter((name) => !/^(synthesis\.|rate\.synthesis)/.test(name))).toEqual([]);
    const price = (parsed: ParsedModel): number => parsed.tables.quantizers.get('tcq8')!.lagrangian;
    expect(price(tuned) / price(model)).toBeCloseTo(1.2, 5);
    expect(tuned.tables.quantizers.get('rdoq')!.lagrangian).toBe(
      model.tables.quantizers.get('rdoq')!.lagrangian,
    );
  });

  it('ends in the same bytes wherever it was stopped or killed', async () => {
    const states: FinetuneState[] = [];
    const home = join(folder, 'whole');
    const keep = async (state: FinetuneState): Promise<void> => {
      await saveFinetune(home, options, state);
      cpSync(home, join(folder, `at-${states.length}`), { recursive: true });
      states.push(state);
    };
    await keep(runWith().start);
    const whole = bytesOf((await finetune(runWith({ onCheckpoint: keep })))!);
    // The beginning, the middle of each round, and the end of each.
    expect(states.map(({ round, step }) => [round, step])).toEqual([
      [0, 0],
      [0, 2],
      [1, 0],
      [1, 2],
      [2, 0],
    ]);
    for (const n of [0, 1, 2]) {
      const { options: found, start } = await loadFinetune(join(folder, `at-${n}`));
      expect(found).toEqual(options);
      const rest = await finetune(runWith({ start }));
      expect(Buffer.compare(bytesOf(rest!), whole), `from checkpoint ${n}`).toBe(0);
    }
    const stop = new AbortController();
    let last: FinetuneState | undefined;
    const stopped = await finetune(
      runWith({
        signal: stop.signal,
        onStep: (_, step) => step === 1 && stop.abort(),
        onCheckpoint: async (state) => {
          last = state;
        },
      }),
    );
    expect(stopped).toBeUndefined();
    expect([last?.round, last?.step]).toEqual([0, 1]);
    expect(Buffer.compare(bytesOf((await finetune(runWith({ start: last! })))!), whole)).toBe(0);
  }, 180_000);

  it('stops in the last step of a round without another pool, and goes on from there', async () => {
    const stop = new AbortController();
    const states: FinetuneState[] = [];
    const pools: number[] = [];
    const stopped = await finetune(
      runWith({
        signal: stop.signal,
        onPool: (round) => pools.push(round),
        onStep: (_, step) => step === options.steps && stop.abort(),
        onCheckpoint: async (state) => {
          states.push(state);
        },
      }),
    );
    expect(stopped).toBeUndefined();
    expect(pools.every((round) => round === 0)).toBe(true);
    expect(states.map(({ round, step }) => [round, step])).toEqual([
      [0, 2],
      [0, options.steps],
    ]);
    const rest = await finetune(runWith({ start: states[1] }));
    expect(Buffer.compare(bytesOf(rest!), bytesOf((await finetune(runWith()))!))).toBe(0);
  }, 180_000);

  it('stops in the middle of a pool, and passes other errors on', async () => {
    const stop = new AbortController();
    let crops = 0;
    const onPool = (_: number, done: number): void => {
      crops = done;
      stop.abort();
    };
    const onStep = (): void => expect.unreachable('a step after the stop');
    expect(await finetune(runWith({ signal: stop.signal, onPool, onStep }))).toBeUndefined();
    expect(crops).toBe(1);
    const failing = runWith({
      signal: stop.signal,
      onPool: () => {
        throw new Error('disk full');
      },
    });
    await expect(finetune(failing)).rejects.toThrow('disk full');
  });

  it('says what does not fit together', async () => {
    expect(() => checkFinetuneOptions({ ...options, prices: [1] })).toThrow(
      new UsageError('finetune: expected 2 factors of prices, one per round, got 1'),
    );
    expect(() => checkFinetuneOptions({ ...options, pool: 1 })).toThrow(/a pool of at least 2 crops/);
    expect(() => checkFinetuneOptions({ ...options, quantizers: [] })).toThrow(/a quantizer at least/);
    await expect(finetune(runWith({}, { learningRate: Number.NaN }))).rejects.toThrow(/finite loss/);
  });

  it('keeps habits in the file but not in the id', async () => {
    const habits = new Float32Array(model.tables.scales * 32).fill(-0.125);
    const with_ = await loadModel(bytesOf({ ...model, habits }));
    expect(with_.habits).toEqual(habits);
    expect(with_.id).toBe(model.id);
    await expect(loadModel(bytesOf({ ...model, habits: habits.map((_, n) => n / 0) }))).rejects.toThrow(
      /habits/,
    );
  });
});
