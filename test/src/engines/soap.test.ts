/**
 * SOAP, the optimizer of src/engines/torch/optimizer.py: the update of its readable twin, a run that learns faster than
 * Adam's, goes on bit for bit after an interruption, and changes its optimizer on the way. Needs torch but for usage errors.
 */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { torchProgram } from '../../../src/engines/torch.js';
import { UsageError } from '../../../src/errors.js';
import { packageRoot } from '../../../src/io/files.js';
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from '../../../src/training/checkpoint.js';
import { isOwnState, type OptimizerName } from '../../../src/training/optimizer.js';
import { exportRun, importRun } from '../../../src/training/run-folder.js';
import { TorchTrainer } from '../../../src/training/torch-trainer.js';
import { parameterSpecs, type TrainingRun, train } from '../../../src/training/train.js';
import { runIn, type Workplace, workplace } from '../training/support.js';
import { missingTorch } from './torch-support.js';

const run = promisify(execFile);

let place: Workplace;
beforeAll(() => {
  place = workplace();
});
afterAll(() => place.remove());

/** A run of `tiny` on torch that notes its losses. */
async function runOf(
  name: string,
  optimizer: OptimizerName,
  steps: number,
  change: Partial<TrainingRun> = {},
): Promise<{ checkpoint: Checkpoint; losses: number[] }> {
  const base = await runIn(place);
  const losses: number[] = [];
  const checkpointPath = place.path(`${name}/checkpoint.safetensors`);
  const changed: TrainingRun = {
    ...base,
    checkpointPath,
    options: { ...base.options, optimizer, steps },
    createEngine: (options, state) => TorchTrainer.create(base.config, options, state, { device: 'cpu' }),
    onStep: (_, { loss }) => losses.push(loss),
    ...change,
  };
  await train(changed);
  return { checkpoint: await loadCheckpoint(checkpointPath), losses };
}

const ownState = ({ state }: Checkpoint): string[] => [...state.keys()].filter(isOwnState);

/** Names of the values that differ by as much as a bit. */
const differences = (a: Checkpoint, b: Checkpoint): string[] =>
  [...new Set([...a.state.keys(), ...b.state.keys()])].filter((key) => {
    const [left, right] = [a, b].map(({ state }) => Buffer.from(state.get(key)?.buffer ?? new ArrayBuffer()));
    return !left.equals(right);
  });

it('is refused by onnxruntime', async () => {
  const refused = runOf('refused', 'soap', 2, { createEngine: undefined });
  await expect(refused).rejects.toThrow(UsageError);
  await expect(refused).rejects.toThrow(/optimizer: expected adam for onnxruntime, got soap/);
});

describe.runIf(!missingTorch)('with Python and torch', { timeout: 300_000 }, () => {
  it('makes the steps of its readable twin', async () => {
    const program = `${packageRoot()}/test/src/engines/soap_reference.py`;
    const { stdout } = await run('python3', [program, dirname(torchProgram())]);
    const { w, m, groups } = JSON.parse(stdout);
    expect(w).toBeLessThan(1e-12);
    expect(m).toBeLessThan(1e-12);
    expect(groups).toBe(4);
  });

  it('comes nearer to a linear map than Adam, where inputs are correlated and targets are noisy', async () => {
    const script = `import sys; sys.path.insert(0, sys.argv[1]); import torch, optimizer
torch.manual_seed(1)
torch.set_num_threads(1)
mixing = torch.linalg.qr(torch.randn(32, 32))[0] * torch.logspace(0, -2, 32)
target = torch.randn(24, 32).numpy()
for name in ('adam', 'soap'):
    run = {'parameters': {'w': [24, 32]}, 'options': {'clipNorm': 1e9, 'optimizer': name},
           'adam': {'beta1': 0.9, 'beta2': 0.99, 'epsilon': 1e-8}}
    made = optimizer.make_optimizer(run, torch.device('cpu'))
    made.load({'w': 0 * target, 'ema:w': 0 * target})
    w = made.views['w']['w']
    for step in range(1, 801):
        x = torch.randn(64, 32) @ mixing.t()
        error = x @ (w - torch.from_numpy(target)).t() + torch.randn(64, 24)
        made.begin(0.01, 0.9, step)
        made.take({'w': error.t() @ x / 64})
        made.update()
        made.end()
    print(float(((w - torch.from_numpy(target)) @ mixing).square().sum()))`;
    const { stdout } = await run('python3', ['-B', '-c', script, dirname(torchProgram())]);
    const [adam, soap] = stdout.trim().split('\n').map(Number);
    expect(soap).toBeLessThan(0.6 * adam);
  });

  it('continues an interrupted run as if nothing had happened, bit for bit', async () => {
    const whole = await runOf('whole', 'soap', 75);
    const stop = new AbortController();
    const losses: number[] = [];
    const half = await runOf('half', 'soap', 75, {
      signal: stop.signal,
      onStep: (step, { loss }) => {
        losses.push(loss);
        if (step === 50) stop.abort();
      },
    });
    expect(half.checkpoint.step).toBe(50);
    const rest = await runOf('half', 'soap', 75, { resume: half.checkpoint });
    expect([...losses, ...rest.losses]).toEqual(whole.losses);
    expect(ownState(whole.checkpoint)).toContain('soap:left:analysis.in.weight');
    expect(differences(rest.checkpoint, whole.checkpoint)).toEqual([]);
  });

  it('takes over from Adam, and Adam from it, with the moments', async () => {
    const adam = await runOf('switched', 'adam', 4);
    expect(ownState(adam.checkpoint)).toEqual([]);
    // Before its first bases SOAP is Adam, to the rounding.
    const both = await Promise.all([
      runOf('switched', 'soap', 8, { resume: adam.checkpoint }),
      runOf('kept', 'adam', 8, { resume: adam.checkpoint }),
    ]);
    for (const [key, values] of both[1].checkpoint.state) {
      const found = both[0].checkpoint.state.get(key)!;
      const [largest, difference] = [values, values.map((value, k) => value - found[k])].map((all) =>
        all.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
      );
      expect(difference, key).toBeLessThanOrEqual(0.01 * largest);
    }
    const soap = await runOf('switched', 'soap', 60, { resume: both[0].checkpoint });
    expect(soap.checkpoint.options.optimizer).toBe('soap');
    const back = await runOf('switched', 'adam', 64, { resume: soap.checkpoint, createEngine: undefined });
    expect(ownState(back.checkpoint)).toEqual([]);
    expect(back.losses.every(Number.isFinite)).toBe(true);
  });

  it('hands over moments in the basis of the weights', async () => {
    const { checkpoint } = await runOf('moments', 'soap', 45);
    const { state } = checkpoint;
    const name = 'analysis.block.0.mix.weight';
    const energy = (key: string): number => state.get(key)!.reduce((sum, value) => sum + value * value, 0);
    // A rotation keeps the first moment's length and the second moments' sum.
    expect(state.get(`m:${name}`)).not.toEqual(state.get(`soap:m:${name}`));
    expect(energy(`m:${name}`) / energy(`soap:m:${name}`)).toBeCloseTo(1, 4);
    const sum = (key: string): number => state.get(key)!.reduce((total, value) => total + value, 0);
    expect(sum(`v:${name}`) / sum(`soap:v:${name}`)).toBeCloseTo(1, 4);
  });

  it('trains a run folder by itself, and its run goes on here', async () => {
    const { checkpoint } = await runOf('exported', 'soap', 44);
    const { images } = await runIn(place);
    const longer = { ...checkpoint, options: { ...checkpoint.options, steps: 48 } };
    await exportRun(place.path('folder'), longer, { images }, { bytes: 100_000, side: 96 });
    const program = place.path('folder/run.py');
    await run('python3', [program, place.path('folder'), '--device', 'cpu', '--out', place.path('out')]);
    const trained = await importRun(place.path('out'));
    expect([trained.step, trained.options.optimizer]).toEqual([48, 'soap']);
    expect(ownState(trained).sort()).toEqual(ownState(checkpoint).sort());
    expect(trained.state.get('soap:age')).toEqual(Float32Array.of(48));
    const { checkpoint: last } = await runOf('exported', 'soap', 50, { resume: trained });
    expect(last.state.get('soap:age')).toEqual(Float32Array.of(50));
  });

  it('starts anew from a checkpoint in half precision, and names state that does not fit', async () => {
    const { checkpoint } = await runOf('whole-state', 'soap', 3);
    const path = place.path('half.safetensors');
    await saveCheckpoint(path, checkpoint, parameterSpecs(checkpoint.config), true);
    const resume = await loadCheckpoint(path);
    expect(ownState(resume)).toEqual([]);
    const { checkpoint: next } = await runOf('from-half', 'soap', 5, { resume });
    expect(next.state.get('soap:age')).toEqual(Float32Array.of(2));
    const state = new Map([...checkpoint.state].filter(([key]) => !key.startsWith('soap:left:')));
    const broken = runOf('broken', 'soap', 5, { resume: { ...checkpoint, state } });
    await expect(broken).rejects.toThrow(/state: expected soap:left:\S+ \[\d+\], got none/);
  });
});
