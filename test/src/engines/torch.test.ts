/**
 * PyTorch as engine of training, where Python has it: the same losses and weights as onnxruntime over twenty steps, the
 * rules of bfloat16, and a run folder that trains without Node and comes back. Errors are tested everywhere.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hatWeights, lambdaOf, networkConfigs } from '../../../codec/networks/config.js';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import { TorchProcess, torchFiles, torchProgram } from '../../../src/engines/torch.js';
import { UnsupportedError, UsageError } from '../../../src/errors.js';
import { sizeOf } from '../../../src/graph/index.js';
import { rateWeight } from '../../../src/training/batches.js';
import { initialWeights } from '../../../src/training/initial-weights.js';
import { packPicture } from '../../../src/training/packed-pictures.js';
import { Photographs } from '../../../src/training/photographs.js';
import { Random } from '../../../src/training/random.js';
import { exportRun, importRun } from '../../../src/training/run-folder.js';
import { emaDecayAt, learningRateAt, scheduleOf } from '../../../src/training/schedule.js';
import { TorchTrainer } from '../../../src/training/torch-trainer.js';
import { defaultRunOptions, parameterSpecs } from '../../../src/training/train.js';
import {
  type Batch,
  initialState,
  type StepEngine,
  type StepMetrics,
  Trainer,
} from '../../../src/training/trainer.js';
import { missingTorch } from './torch-support.js';

const config = networkConfigs.tiny;
const size = { batch: 2, height: 64, width: 64, clipNorm: 1, optimizer: 'adam', threads: 1 } as const;
const cpu = { device: 'cpu' } as const;
const run = promisify(execFile);

const freshState = () => initialState(initialWeights(parameterSpecs(config), config, 1));

/** Smooth pictures, spread qualities and noise: a batch that follows from the step's number. */
function batchOf(shapes: StepEngine['dataShapes'], step: number): Batch {
  const batch: Batch = new Map([...shapes].map(([name, shape]) => [name, new Float32Array(sizeOf(shape))]));
  const count = batch.get('lambda')!.length;
  for (let n = 0; n < count; n++) {
    const quality = (100 * (n + 0.5)) / count;
    batch.get('hat')!.set(hatWeights(quality, config.ratePoints), n * config.ratePoints);
    batch.get('lambda')![n] = lambdaOf(quality);
    batch.get('weight')![n] = rateWeight(quality);
  }
  batch.get('x')!.forEach((_, k, x) => {
    x[k] = 0.5 + 0.3 * Math.sin(k * 0.01 * (1 + (step % 3))) + 0.05 * Math.cos(k * 1.7);
  });
  for (const [name, values] of batch) {
    if (name.startsWith('noise.')) Random.of(5, step, name.length).fillNoise(values);
  }
  return batch;
}

const schedule = scheduleOf({ steps: 100, learningRate: 1e-3, emaDecay: 0.9 });

async function makeSteps(engine: StepEngine, count: number): Promise<StepMetrics[]> {
  const metrics: StepMetrics[] = [];
  for (let step = 1; step <= count; step++) {
    const learningRate = learningRateAt(schedule, 20 + step);
    const emaDecay = emaDecayAt(schedule, step);
    metrics.push(await engine.step(batchOf(engine.dataShapes, step), { learningRate, emaDecay, step }));
  }
  return metrics;
}

const relative = (a: number, b: number): number => Math.abs(a - b) / Math.abs(b);

test('says what is missing where Python does not start', async () => {
  const start = TorchProcess.start('/nowhere', { python: 'no-such-python' });
  await expect(start).rejects.toThrow(UnsupportedError);
  await expect(start).rejects.toThrow(/expected to start no-such-python/);
});

describe.runIf(!missingTorch)('with Python and torch', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trellis-test-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('twenty steps give the losses and weights of onnxruntime', async () => {
    const engines: StepEngine[] = [
      await Trainer.create(await loadOnnxRuntime(), config, size, freshState()),
      await TorchTrainer.create(config, size, freshState(), cpu),
    ];
    const [expected, got] = [await makeSteps(engines[0], 20), await makeSteps(engines[1], 20)];
    expected.forEach((metrics, k) => {
      expect(relative(got[k].loss, metrics.loss), `loss of step ${k + 1}`).toBeLessThan(1e-4);
      expect(relative(got[k].gradientNorm, metrics.gradientNorm)).toBeLessThan(1e-2);
      metrics.rate.forEach((rate, n) => {
        expect(relative(got[k].rate[n], rate)).toBeLessThan(1e-3);
      });
    });
    const [states, averages] = [
      await Promise.all(engines.map((engine) => engine.state())),
      await Promise.all(engines.map((engine) => engine.values('ema'))),
    ];
    expect([...states[1].keys()].sort()).toEqual([...states[0].keys()].sort());
    expect([...averages[1].keys()].sort()).toEqual([...averages[0].keys()].sort());
    const key = 'analysis.in.weight';
    averages[0].get(key)!.forEach((value, k) => {
      expect(Math.abs(averages[1].get(key)![k] - value)).toBeLessThan(1e-3);
    });
    await Promise.all(engines.map((engine) => engine.release()));
  });

  test('bfloat16 stays near float32', async () => {
    const engines = [
      await TorchTrainer.create(config, size, freshState(), cpu),
      await TorchTrainer.create(config, size, freshState(), { ...cpu, precision: 'bf16' }),
    ];
    const [expected, got] = [await makeSteps(engines[0], 5), await makeSteps(engines[1], 5)];
    expected.forEach((metrics, k) => {
      expect(relative(got[k].loss, metrics.loss)).toBeLessThan(0.01);
      expect(got[k].loss).not.toBe(metrics.loss);
    });
    await Promise.all(engines.map((engine) => engine.release()));
  });

  test('names what is wrong with a state or a batch, and ends with its process', async () => {
    await expect(TorchTrainer.create(config, size, new Map(), cpu)).rejects.toThrow(UsageError);
    const trainer = await TorchTrainer.create(config, size, freshState(), cpu);
    const options = { learningRate: 1e-4, emaDecay: 0.9, step: 1 };
    await expect(trainer.step(new Map(), options)).rejects.toThrow(/expected 24576 values for x/);
    await trainer.release();
    await expect(trainer.step(batchOf(trainer.dataShapes, 1), options)).rejects.toThrow(UnsupportedError);
    await expect(TorchProcess.start('/nowhere', cpu)).rejects.toThrow(/No such file or directory/);
  });

  test('pictures are unpacked as they were packed', async () => {
    const [width, height] = [7, 5];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, k) => (k * 7919) >> 3);
    await writeFile(join(folder, 'packed'), await packPicture({ width, height, data }));
    const script = `import sys; sys.path.insert(0, sys.argv[1]); import run
sys.stdout.buffer.write(run.unpack_picture(open(sys.argv[2], 'rb').read(), ${height}, ${width}).tobytes())`;
    const library = join(torchProgram(), '..');
    const unpacked = execFileSync('python3', ['-B', '-c', script, library, join(folder, 'packed')]);
    expect(new Uint8Array(unpacked)).toEqual(data);
  });

  test('a run folder trains by itself and comes back', async () => {
    const [width, height] = [150, 130];
    const noise = Uint8Array.from({ length: 3 * width * height }, (_, k) => 128 + 90 * Math.sin(k * 0.003));
    await sharp(noise, { raw: { width, height, channels: 3 } }).toFile(join(folder, 'picture.png'));
    const images = await Photographs.open(folder, { leastSide: 64 });
    const options = { ...defaultRunOptions, batch: 2, crop: 64, steps: 6 };
    const checkpoint = { config, options, step: 2, state: freshState() };
    const exported = join(folder, 'run');
    const validation = { qualities: [20, 80], crop: 64, pictures: 1 };
    await exportRun(
      exported,
      checkpoint,
      { images, validation: images },
      { bytes: 200_000, side: 96, validation },
    );
    const python = (...flags: string[]) =>
      run('python3', [join(exported, 'run.py'), exported, '--device', 'cpu', '--threads', '1', ...flags]);

    const { stdout } = await python('--out', join(folder, 'out'), '--print-every', '2');
    expect(stdout).toMatch(/validation step 2 loss [\d.]+; q20 .* bpp .* dB, q80/);
    expect(stdout).toMatch(/step 6 loss [\d.]+ rate/);
    const trained = await importRun(join(folder, 'out'));
    expect({ ...trained, state: undefined }).toEqual({ ...checkpoint, step: 6, state: undefined });
    const key = 'synthesis.out.weight';
    expect(trained.state.get(key)).not.toEqual(checkpoint.state.get(key));
    expect(Math.max(...trained.state.get(`v:${key}`)!)).toBeGreaterThan(0);

    await python('--out', join(folder, 'half'), '--half', '--steps', '4', '--precision', 'bf16');
    const half = await importRun(join(folder, 'half'));
    expect([half.step, half.options.steps]).toEqual([4, 4]);
    half.state.get(`ema:${key}`)!.forEach((value, k) => {
      expect(Math.abs(value - trained.state.get(`ema:${key}`)![k])).toBeLessThan(0.01);
    });
    await expect(python('--batch', '4')).rejects.toThrow(/--batch: expected 2/);
    for (const file of torchFiles()) {
      expect(await readFile(join(exported, basename(file)))).toEqual(await readFile(file));
    }
  });
});
