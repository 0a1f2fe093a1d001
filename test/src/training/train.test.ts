/**
 * Training itself, on a network and pictures so small that a step takes milliseconds: the loss falls, runs are repeatable
 * bit for bit, whether they were interrupted or not, and every way to stop saves what was done.
 */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../codec/decode.js';
import { encode } from '../../../codec/encode.js';
import { loadModel } from '../../../codec/model/load.js';
import { networkConfigs } from '../../../codec/networks/config.js';
import { UsageError } from '../../../src/errors.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { drawBatch } from '../../../src/training/batches.js';
import { loadCheckpoint, saveCheckpoint } from '../../../src/training/checkpoint.js';
import { exportModel } from '../../../src/training/export-model.js';
import { Photographs } from '../../../src/training/photographs.js';
import { firstCheckpoint, parameterSpecs, type TrainingRun, train } from '../../../src/training/train.js';
import { checkFinite, type StepEngine, Trainer, type TrainingState } from '../../../src/training/trainer.js';
import { picture } from '../../golden/pictures.js';
import { runIn, type Workplace, workplace } from './support.js';

let place: Workplace;
/** Validation takes crops of 256 pixels. */
let large: Workplace;
let run: TrainingRun;
let losses: number[];

beforeAll(() => {
  place = workplace();
  large = workplace(2, 288, 256);
});
afterAll(() => {
  place.remove();
  large.remove();
});
beforeEach(async () => {
  losses = [];
  run = await runIn(place, { onStep: (_, metrics) => losses.push(metrics.loss) });
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** Names of what differs between two states by as much as a bit. */
const differences = (a: TrainingState, b: TrainingState): string[] =>
  [...a.keys(), ...b.keys()].filter((key) => {
    const [left, right] = [a.get(key), b.get(key)];
    return !left || !right || Buffer.compare(bytesOf(left), bytesOf(right)) !== 0;
  });

/** The run with other options. */
const withOptions = (change: Partial<TrainingRun['options']>): TrainingRun => ({
  ...run,
  options: { ...run.options, ...change },
});

describe('train', () => {
  it('lowers the loss over 30 steps and leaves a checkpoint that makes a working model', async () => {
    // Losses of different steps are of different pictures and qualities; those of the validation can be compared.
    const validation = await Photographs.open(large.images, { leastSide: 256 });
    const results: number[] = [];
    const onValidation: TrainingRun['onValidation'] = (_, { loss }) => results.push(loss);
    expect(await train({ ...run, validation, onValidation })).toBe(30);
    expect(losses).toHaveLength(30);
    expect(results).toHaveLength(2);
    expect(results[1]).toBeLessThan(results[0]);

    const model = await loadModel(exportModel(await loadCheckpoint(run.checkpointPath), { name: 'test' }));
    expect(model.card).toMatchObject({ name: 'test', steps: '30' });
    const image = picture('texture', 100, 70);
    const bytes = await encode(image, { model, engine: 'wasm', quality: 80 });
    expect(psnr(image, await decode(bytes, { model, engine: 'wasm' }))).toBeGreaterThan(30);
  });

  it('lowers the loss of one batch in nearly every step', async () => {
    const { runtime, config, images } = run;
    const options = { batch: 2, height: 64, width: 64, clipNorm: 1, optimizer: 'adam', threads: 1 } as const;
    const trainer = await Trainer.create(runtime, config, options, (await firstCheckpoint(run)).state);
    const { ratePoints } = config;
    const drawing = { seed: 1, batch: 2, crop: 64, leastScale: 1, ratePoints };
    const batch = await drawBatch(images, trainer.dataShapes, 1, drawing);
    for (let step = 1; step <= 30; step++) {
      losses.push((await trainer.step(batch, { learningRate: 5e-4, emaDecay: 0.9, step })).loss);
    }
    await trainer.release();
    expect(losses.filter((loss, k) => k > 0 && loss < losses[k - 1]).length).toBeGreaterThan(22);
    expect(losses[29]).toBeLessThan(0.75 * losses[0]);
  });

  it('gives the same losses and weights every time, and others for another seed', async () => {
    await train(withOptions({ steps: 6 }));
    const [first, state] = [losses, (await loadCheckpoint(run.checkpointPath)).state];
    losses = [];
    await train(withOptions({ steps: 6 }));
    expect(losses).toEqual(first);
    expect(differences((await loadCheckpoint(run.checkpointPath)).state, state)).toEqual([]);
    losses = [];
    await train(withOptions({ steps: 6, seed: 4 }));
    expect(losses[0]).not.toBe(first[0]);
  });

  it('continues an interrupted run as if nothing had happened, bit for bit', async () => {
    await train(withOptions({ steps: 12 }));
    const uninterrupted = losses;
    const expected = await loadCheckpoint(run.checkpointPath);

    losses = [];
    const stop = new AbortController();
    const checkpointPath = place.path('interrupted/checkpoint.safetensors');
    const onStep: TrainingRun['onStep'] = (step, metrics) => {
      losses.push(metrics.loss);
      if (step === 5) stop.abort();
    };
    const interrupted = { ...withOptions({ steps: 12 }), checkpointPath, onStep, signal: stop.signal };
    expect(await train(interrupted)).toBe(5);
    const resume = await loadCheckpoint(checkpointPath);
    expect(resume.step).toBe(5);
    expect(await train({ ...interrupted, signal: undefined, resume })).toBe(12);
    expect(losses).toEqual(uninterrupted);
    const resumed = await loadCheckpoint(checkpointPath);
    expect(resumed.step).toBe(expected.step);
    expect(differences(resumed.state, expected.state)).toEqual([]);
  });

  it('saves at its interval, at the end and when aborted, and not otherwise', async () => {
    const saved: number[] = [];
    const onCheckpoint = (step: number): number => saved.push(step);
    await train({ ...withOptions({ steps: 7 }), checkpointEvery: 3, onCheckpoint });
    expect(saved).toEqual([3, 6, 7]);
    const checkpointPath = place.path('never/checkpoint.safetensors');
    const aborted = { ...run, checkpointPath, onCheckpoint, signal: AbortSignal.abort() };
    expect(await train(aborted)).toBe(0);
    expect(existsSync(checkpointPath)).toBe(false);
  });

  it('validates before the first step, at its interval and at the end', async () => {
    const validation = await Photographs.open(large.images, { leastSide: 256 });
    const seen: number[] = [];
    let [first, last] = [Number.NaN, Number.NaN];
    await train({
      ...withOptions({ steps: 5 }),
      validation,
      validateEvery: 2,
      onValidation: (step, result) => {
        seen.push(step);
        if (step === 0) first = result.loss;
        last = result.loss;
        expect(result.points.map(({ quality }) => quality)).toEqual([10, 30, 50, 70, 90]);
        for (let k = 1; k < 5; k++) {
          expect(result.points[k].bpp).toBeGreaterThan(result.points[k - 1].bpp);
          expect(result.points[k].psnr).toBeGreaterThan(result.points[k - 1].psnr - 0.2);
        }
      },
    });
    expect(seen).toEqual([0, 2, 4, 5]);
    expect(last).toBeLessThan(first);
  });

  it('refuses finished runs and checkpoints of another network', async () => {
    const done = { ...(await firstCheckpoint(run)), step: 30 };
    await expect(train({ ...run, resume: done })).rejects.toBeInstanceOf(UsageError);
    const other = { ...networkConfigs.tiny, channels: 16 };
    const foreign = await firstCheckpoint({ ...run, config: other });
    await expect(train({ ...run, resume: foreign })).rejects.toBeInstanceOf(UsageError);
  });

  it('resumes from a checkpoint in half precision', async () => {
    await train(withOptions({ steps: 4 }));
    const path = place.path('half.safetensors');
    await saveCheckpoint(path, await loadCheckpoint(run.checkpointPath), parameterSpecs(run.config), true);
    losses = [];
    expect(await train({ ...withOptions({ steps: 8 }), resume: await loadCheckpoint(path) })).toBe(8);
    expect(losses.every(Number.isFinite)).toBe(true);
  });

  it('stops at a loss that is no number, says so, and releases its engine', async () => {
    let released = 0;
    const engine: StepEngine = {
      dataShapes: new Map([
        ['x', [2, 3, 64, 64]],
        ['hat', [2, 8]],
        ['lambda', [2]],
        ['weight', [2]],
      ]),
      step: async () => ({
        loss: Number.NaN,
        distortion: new Float32Array(2),
        rate: new Float32Array(2),
        hyperRate: new Float32Array(2),
        gradientNorm: Number.NaN,
      }),
      values: async () => new Map(),
      state: async () => new Map(),
      release: async () => {
        released++;
      },
    };
    const failing = train({ ...run, createEngine: async () => engine });
    await expect(failing).rejects.toThrow(/finite loss and gradient, got NaN and a norm of NaN at step 1/);
    await expect(failing).rejects.toBeInstanceOf(UsageError);
    expect(released).toBe(1);
  });

  it('stops at a gradient that is not finite, too: the weights after such a step are spoilt', () => {
    const none = new Float32Array(0);
    const metrics = { loss: 1, distortion: none, rate: none, hyperRate: none, gradientNorm: 1 };
    checkFinite('train', metrics, 7);
    expect(() => checkFinite('train', { ...metrics, gradientNorm: Number.POSITIVE_INFINITY }, 7)).toThrow(
      /got 1 and a norm of Infinity at step 7; lower --learning-rate/,
    );
  });
});
