/**
 * PyTorch as engine of training, where Python has it: the same losses and weights as onnxruntime over twenty steps, and
 * the loss and gradient of bfloat16. Errors are tested everywhere, run folders in test/src/training/run-folder.test.ts.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hatWeights, lambdaOf, networkConfigs } from '../../../codec/networks/config.js';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import { TorchProcess, torchProgram } from '../../../src/engines/torch.js';
import { UnsupportedError, UsageError } from '../../../src/errors.js';
import { sizeOf } from '../../../src/graph/index.js';
import { packageRoot } from '../../../src/io/files.js';
import { type SafeTensor, serializeSafetensors } from '../../../src/io/safetensors.js';
import { drawBatch, rateWeight } from '../../../src/training/batches.js';
import { loadCheckpoint } from '../../../src/training/checkpoint.js';
import { initialWeights } from '../../../src/training/initial-weights.js';
import { Photographs } from '../../../src/training/photographs.js';
import { Random } from '../../../src/training/random.js';
import { writeStepFolder } from '../../../src/training/run-folder.js';
import { emaDecayAt, learningRateAt, scheduleOf } from '../../../src/training/schedule.js';
import { TorchTrainer } from '../../../src/training/torch-trainer.js';
import { parameterSpecs } from '../../../src/training/train.js';
import {
  type Batch,
  initialState,
  type StepEngine,
  type StepMetrics,
  Trainer,
} from '../../../src/training/trainer.js';
import { workplace } from '../training/support.js';
import { compiler, missingTorch } from './torch-support.js';

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

  test.runIf(compiler)('compiled steps are the steps', { timeout: 600_000 }, async () => {
    const engines: StepEngine[] = [
      await TorchTrainer.create(config, size, freshState(), cpu),
      await TorchTrainer.create(config, size, freshState(), { ...cpu, compile: true }),
    ];
    const [expected, got] = [await makeSteps(engines[0], 5), await makeSteps(engines[1], 5)];
    const differences = expected.map(({ loss }, k) => relative(got[k].loss, loss));
    console.info(`compiled against not: losses ${Math.max(...differences).toExponential(1)}`);
    for (const difference of differences) expect(difference).toBeLessThan(1e-5);
    await Promise.all(engines.map((engine) => engine.release()));
  });

  test('bfloat16 has the loss and the gradient of float32 where the shipped model was in training', async () => {
    const place = workplace(4, 320, 288);
    const checkpoint = await loadCheckpoint(
      join(packageRoot(), 'codec/models/training/base.checkpoint.safetensors'),
    );
    const [batch, crop] = [4, 256];
    const { dataShapes } = await writeStepFolder(folder, checkpoint, { batch, height: crop, width: crop });
    const images = await Photographs.open(place.images, { leastSide: crop });
    const { ratePoints } = checkpoint.config;
    const drawing = { seed: 3, batch, crop, leastScale: 0.6, ratePoints };
    const values = await drawBatch(images, dataShapes, 1, drawing);
    const tensors = new Map<string, SafeTensor>(
      [...dataShapes].map(([name, shape]) => [
        name,
        { dtype: 'F32', shape: [...shape], data: values.get(name) as Float32Array<ArrayBuffer> },
      ]),
    );
    await writeFile(join(folder, 'batch.safetensors'), serializeSafetensors(tensors, {}));
    const script = `import json, sys; sys.path.insert(0, sys.argv[1]); import torch, files, program
folder, device = sys.argv[2], torch.device('cpu')
feeds = {}
for name in ('state', 'batch'):
    arrays, _ = files.read_safetensors(f'{folder}/{name}.safetensors')
    feeds.update({key: torch.from_numpy(array.copy()) for key, array in arrays.items() if ':' not in key})
names = json.load(open(f'{folder}/run.json'))['dataShapes']
made = [program.Program(f'{folder}/step.onnx', names, device, half)(feeds) for half in (None, torch.bfloat16)]
flat = [torch.cat([g.reshape(-1) for name, g in sorted(one.items()) if ':' in name]) for one in made]
print(json.dumps([*(float(one['loss']) for one in made), float(torch.cosine_similarity(*flat, dim=0))]))`;
    const { stdout } = await run('python3', ['-B', '-c', script, join(torchProgram(), '..'), folder]);
    place.remove();
    const [exact, rounded, cosine] = JSON.parse(stdout) as [number, number, number];
    console.info(`bf16 against float32: loss ${rounded} against ${exact}, cosine of the gradients ${cosine}`);
    expect(relative(rounded, exact)).toBeLessThan(0.003);
    expect(rounded).not.toBe(exact);
    // 0.968 after 56,500 steps, 0.929 after 66,500. Of two crops of 128 pixels it was 0.988 after 18,500, 0.953 after 33,000 and 0.880
    // after 48,000: gradients shrink, their rounding does not. With rounded residual streams 0.31 to 0.88.
    expect(cosine).toBeGreaterThan(0.9);
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
});
