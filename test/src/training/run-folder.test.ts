/**
 * Run folders where Python has torch: run.py alone goes on with the losses that onnxruntime has on the same batches, two
 * processes train as one with the whole batch, a killed run goes on from its last checkpoint, and crops are scaled as
 * Photographs does it. What cannot be exported is tested everywhere.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import { torchFiles, torchProgram } from '../../../src/engines/torch.js';
import { UsageError } from '../../../src/errors.js';
import { parseSafetensors, serializeSafetensors, toFloat32 } from '../../../src/io/safetensors.js';
import { type Checkpoint, loadCheckpoint } from '../../../src/training/checkpoint.js';
import { packPicture } from '../../../src/training/packed-pictures.js';
import { cropPicture } from '../../../src/training/photographs.js';
import { type ExportOptions, exportRun, importRun } from '../../../src/training/run-folder.js';
import { emaDecayAt, learningRateAt, scheduleOf } from '../../../src/training/schedule.js';
import { train } from '../../../src/training/train.js';
import { type Batch, Trainer, type TrainingState } from '../../../src/training/trainer.js';
import { missingTorch } from '../engines/torch-support.js';
import { runIn, type Workplace, workplace } from './support.js';

const execute = promisify(execFile);
const library = join(torchProgram(), '..');
/** Steps that onnxruntime makes before a run is exported, and the last of the schedule: so many that none ends by itself. */
const [before, last] = [12, 36];

let place: Workplace;
let checkpoint: Checkpoint;
beforeAll(async () => {
  place = workplace(4, 150, 130);
  const run = await runIn(place);
  const options = { ...run.options, batch: 4, steps: before };
  await train({ ...run, options });
  const { config, state } = await loadCheckpoint(run.checkpointPath);
  checkpoint = { config, options: { ...options, steps: last }, step: before, state };
});
afterAll(() => place.remove());

async function exported(name: string, options: Partial<ExportOptions> = {}): Promise<string> {
  const { images } = await runIn(place);
  const validation = { qualities: [20, 80], crop: 64, pictures: 1 };
  const given = { bytes: 200_000, side: 96, validation, ...options };
  await exportRun(place.path(name), checkpoint, { images, validation: images }, given);
  return place.path(name);
}

/** Calls run.py of a folder, in several processes on request; checkpoints go to its subfolder `out`. */
async function launch(folder: string, flags: readonly string[], processes = 1): Promise<string> {
  const several = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', String(processes)];
  const program = [join(folder, 'run.py'), folder, '--device', 'cpu', '--threads', '1'];
  const { stdout } = await execute('python3', [
    ...(processes > 1 ? several : []),
    ...program,
    '--out',
    join(folder, 'out'),
    '--print-every',
    '1',
    ...flags,
  ]);
  return stdout;
}

/** Lines of a Python program that is sent a signal once it prints a line with this beginning. */
async function interrupted(
  given: readonly string[],
  at: string,
  signal: NodeJS.Signals,
): Promise<{ lines: string; signal: string | null }> {
  const running = spawn('python3', given, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<string | null>((resolve) => running.on('close', (_, by) => resolve(by)));
  let lines = '';
  for await (const line of createInterface({ input: running.stdout })) {
    lines += `${line}\n`;
    if (line.startsWith(at)) running.kill(signal);
  }
  return { lines, signal: await ended };
}

/** Runs a script with the folder of run.py first in the path; `sys.argv[2:]` are the arguments. */
const script = (text: string, ...given: string[]): Promise<{ stdout: string }> =>
  execute('python3', ['-B', '-c', `import sys; sys.path.insert(0, sys.argv[1])\n${text}`, library, ...given]);

/** Losses by step, out of the lines of run.py. */
const lossesOf = (lines: string): Map<number, number> =>
  new Map([...lines.matchAll(/^step (\d+) loss ([\d.]+)/gm)].map(([, step, loss]) => [+step, +loss]));

/** How far the weights of two states are apart, relative to how far the run has moved them. */
function distance(a: TrainingState, b: TrainingState): number {
  let [apart, moved] = [0, 0];
  for (const [key, values] of checkpoint.state) {
    if (key.includes(':')) continue;
    values.forEach((value, k) => {
      apart += (a.get(key)![k] - b.get(key)![k]) ** 2;
      moved += (a.get(key)![k] - value) ** 2;
    });
  }
  return Math.sqrt(apart / moved);
}

const steps = Array.from({ length: last - before }, (_, k) => before + 1 + k);

function expectNear(found: Map<number, number>, wanted: Map<number, number>, tolerance: number): number {
  expect([...found.keys()]).toEqual(steps);
  const errors = steps.map((step) => Math.abs(found.get(step)! / wanted.get(step)! - 1));
  expect(Math.max(...errors)).toBeLessThan(tolerance);
  return Math.max(...errors);
}

it('is not written for processes that cannot share the batch', async () => {
  await expect(exported('three', { processes: 3 })).rejects.toThrow(UsageError);
  await expect(exported('three', { processes: 3 })).rejects.toThrow(
    /expected a batch that 3 processes can share, got 4/,
  );
});

describe.runIf(!missingTorch)('with Python and torch', { timeout: 300_000 }, () => {
  let folder: string;
  let whole: string;
  let trained: Checkpoint;
  beforeAll(async () => {
    folder = await exported('whole');
    whole = await launch(folder, []);
    trained = await importRun(join(folder, 'out'));
  }, 300_000);

  /** The batches that the folder's run is trained on, by step. */
  async function batches(): Promise<Map<number, Batch>> {
    const path = place.path('batches.safetensors');
    const text = `import json, torch, run, files
folder, path = sys.argv[2:]
with open(folder + '/run.json') as file: made = json.load(file)
device, rows = torch.device('cpu'), slice(0, made['options']['batch'])
sampler = run.Sampler(folder, made, device, rows)
inputs = {name: run.empty_input(shape, device) for name, shape in made['dataShapes'].items()}
arrays = {}
for step in range(${before + 1}, ${last + 1}):
    sampler.fill(inputs, step)
    arrays.update({f'{step} {name}': value.contiguous().numpy().copy() for name, value in inputs.items()})
files.write_safetensors(path, arrays, {})`;
    await script(text, folder, path);
    const { tensors } = parseSafetensors(new Uint8Array(await readFile(path)));
    const named = [...tensors].map(([key, tensor]) => [...key.split(' '), tensor] as const);
    return new Map(
      steps.map((step) => [
        step,
        new Map(
          named
            .filter(([number]) => Number(number) === step)
            .map(([, name, tensor]) => [
              name as string,
              Float32Array.from(toFloat32(tensor as Parameters<typeof toFloat32>[0])),
            ]),
        ),
      ]),
    );
  }

  it('goes on with the losses and weights that onnxruntime has on its batches', async () => {
    expect(whole).toMatch(/^validation step 12 loss [\d.]+; q20 .* bpp .* dB, q80/);
    const { config, options, state } = checkpoint;
    const size = { batch: 4, height: 64, width: 64, threads: 1 };
    const trainer = await Trainer.create(await loadOnnxRuntime(), config, { ...options, ...size }, state);
    const schedule = scheduleOf(options);
    const wanted = new Map<number, number>();
    for (const [step, batch] of await batches()) {
      const rates = { learningRate: learningRateAt(schedule, step), emaDecay: emaDecayAt(schedule, step) };
      wanted.set(step, (await trainer.step(batch, { ...rates, step })).loss);
    }
    const error = expectNear(lossesOf(whole), wanted, 1e-4);
    const apart = distance(await trainer.state(), trained.state);
    await trainer.release();
    console.info(
      `run folder against onnxruntime: losses ${error.toExponential(1)}, weights ${apart.toExponential(1)}`,
    );
    expect({ ...trained, state: undefined }).toEqual({ ...checkpoint, step: last, state: undefined });
    expect(apart).toBeLessThan(0.01);
  });

  it('has everything that it needs in it', async () => {
    for (const file of torchFiles()) {
      expect(await readFile(join(folder, basename(file)))).toEqual(await readFile(file));
    }
  });

  it('trains in two processes as in one with the whole batch', async () => {
    const shared = await exported('shared', { processes: 2 });
    const lines = await launch(shared, [], 2);
    expect(lines).toMatch(/^2 processes, 4 crops together\n/);
    expect(lines.match(/^saved/gm)).toHaveLength(1);
    const error = expectNear(lossesOf(lines), lossesOf(whole), 1e-5);
    const found = await importRun(join(shared, 'out'));
    expect({ ...found, state: undefined }).toEqual({ ...trained, state: undefined });
    const apart = distance(found.state, trained.state);
    console.info(
      `two processes against one: losses ${error.toExponential(1)}, weights ${apart.toExponential(1)}`,
    );
    expect(apart).toBeLessThan(1e-3);
  });

  it('saves when torchrun is asked to stop, and goes on in one process', async () => {
    const stopped = await exported('stopped', { processes: 2 });
    const several = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2'];
    const flags = ['--device', 'cpu', '--threads', '1', '--print-every', '1', '--out', join(stopped, 'out')];
    const { lines } = await interrupted(
      [...several, join(stopped, 'run.py'), stopped, ...flags],
      'step 14 ',
      'SIGTERM',
    );
    const { step } = await importRun(join(stopped, 'out'));
    expect(step).toBe(Math.max(...lossesOf(lines).keys()));
    expect(step).toBeLessThan(last);
    const rest = await launch(folder, ['--out', join(stopped, 'out'), '--resume']);
    expectNear(new Map([...lossesOf(lines), ...lossesOf(rest)]), lossesOf(whole), 1e-5);
  });

  it('does not save weights that are not finite', async () => {
    const spoilt = await exported('spoilt');
    const path = join(spoilt, 'state.safetensors');
    const { tensors, metadata } = parseSafetensors(new Uint8Array(await readFile(path)));
    (tensors.get('synthesis.out.bias')!.data as Float32Array)[0] = Number.NaN;
    await writeFile(path, serializeSafetensors(tensors, metadata));
    await expect(launch(spoilt, ['--minutes', '0'])).rejects.toThrow(
      /run\.py: expected finite weights to save, got others after step 12/,
    );
    expect(existsSync(join(spoilt, 'out'))).toBe(false);
  });

  it('says what batch several processes make', async () => {
    await expect(launch(folder, [], 2)).rejects.toThrow(
      /run\.py: process \d of 2: --batch: expected 8, the 4 for which the graph was exported in each of 2 processes, got 4/,
    );
    await expect(launch(folder, ['--batch', '8'])).rejects.toThrow(
      /run\.py: --batch: expected 4, the 4 for which .* in each of 1 processes, got 8/,
    );
    await expect(launch(folder, ['--batch', '8', '--serve'], 2)).rejects.toThrow(
      /--serve: expected one process, got 2/,
    );
  });

  it('is killed and goes on from the last checkpoint with the same losses', async () => {
    const killed = await exported('killed');
    const flags = ['--device', 'cpu', '--threads', '1', '--print-every', '1', '--save-minutes', '0'];
    const program = [join(killed, 'run.py'), killed, ...flags, '--out', join(killed, 'out')];
    const { lines, signal } = await interrupted(program, 'step 15 ', 'SIGKILL');
    expect(signal).toBe('SIGKILL');
    const { step } = await importRun(join(killed, 'out'));
    const done = Math.max(...lossesOf(lines).keys());
    expect(done).toBeLessThan(last);
    expect([done, done - 1]).toContain(step);

    await expect(launch(killed, [])).rejects.toThrow(
      /out holds a run already, at step \d+; go on .* --resume/,
    );
    const rest = lossesOf(await launch(killed, ['--resume']));
    expect(Math.min(...rest.keys())).toBe(step + 1);
    expect(new Map([...lossesOf(lines), ...rest])).toEqual(lossesOf(whole));
    expect((await importRun(join(killed, 'out'))).state).toEqual(trained.state);
    await expect(launch(folder, ['--out', place.path('nothing'), '--resume'])).rejects.toThrow(
      /--resume: expected a checkpoint in .*nothing, found none/,
    );
  });

  it('leaves weights and average in half precision, and goes on from them', async () => {
    const half = await exported('half');
    await launch(half, ['--half', '--precision', 'bf16']);
    const found = await importRun(join(half, 'out'));
    // Without moments the rate has to warm up again from here.
    const options = { ...trained.options, restart: last };
    expect({ ...found, state: undefined }).toEqual({ ...trained, options, state: undefined });
    const key = 'synthesis.out.weight';
    found.state.get(`ema:${key}`)!.forEach((value, k) => {
      expect(Math.abs(value - trained.state.get(`ema:${key}`)![k])).toBeLessThan(0.003);
    });
    expect(Math.max(...found.state.get(`v:${key}`)!)).toBe(0);
    const lines = await launch(half, ['--half', '--resume', '--steps', String(last + 2)]);
    expect([...lossesOf(lines).keys()]).toEqual([last + 1, last + 2]);
    const resumed = await importRun(join(half, 'out'));
    expect([resumed.step, resumed.options.steps]).toEqual([last + 2, last + 2]);
  });

  it('unpacks pictures as they were packed', async () => {
    const [width, height] = [7, 5];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, k) => (k * 7919) >> 3);
    await writeFile(place.path('packed'), await packPicture({ width, height, data }));
    const text = `import sampling
print(sampling.unpack_picture(open(sys.argv[2], 'rb').read(), ${height}, ${width}).tobytes().hex())`;
    const { stdout } = await script(text, place.path('packed'));
    expect(stdout.trim()).toBe(Buffer.from(data).toString('hex'));
  });

  it('scales crops down half of the time, as Photographs does', async () => {
    const { images } = await runIn(place);
    const picture = (await images.get(0))!;
    await mkdir(place.path('scaled'));
    await writeFile(place.path('scaled/pictures.bin'), await packPicture(picture));
    const { length } = await readFile(place.path('scaled/pictures.bin'));
    const made = {
      pictures: [{ offset: 0, length, width: picture.width, height: picture.height }],
      options: { seed: 3, batch: 200, crop: 64 },
      rate: JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')).rate,
      leastScale: 0.6,
    };
    const text = `import json, torch, sampling
sampler = sampling.Sampler(sys.argv[2], json.loads(sys.argv[3]), torch.device('cpu'), slice(0, 200))
crop = lambda side, mirrored: sampler.crop(0, 10, 20, side, mirrored).permute(1, 2, 0).byte().numpy().tobytes().hex()
print(json.dumps([crop(64, False), crop(80, False), crop(107, True)]))
sides, sampler.crop = [], lambda picture, top, left, side, mirrored: sides.append(int(side)) or torch.zeros(3, 64, 64)
shapes = {'x': (200, 3, 64, 64), 'hat': (200, made['ratePoints']), 'lambda': (200,), 'weight': (200,)}
sampler.fill({name: torch.zeros(shape) for name, shape in shapes.items()}, 1)
print(json.dumps(sides))`.replace("made['ratePoints']", "sampler.rate['ratePoints']");
    const { stdout } = await script(text, place.path('scaled'), JSON.stringify(made));
    const [crops, sides] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)) as [string[], number[]];
    for (const [k, side] of [64, 80, 107].entries()) {
      const { data } = await images.resize(cropPicture(picture, 20, 10, side, side), 64, 64);
      const found = Buffer.from(crops[k], 'hex');
      let error = 0;
      data.forEach((value, place) => {
        const [x, rest] = [Math.floor(place / 3) % 64, place - 3 * (Math.floor(place / 3) % 64)];
        error += (value - found[rest + 3 * (side === 107 ? 63 - x : x)]) ** 2;
      });
      console.info(`crop of ${side}: ${Math.sqrt(error / data.length).toFixed(3)} levels from Photographs`);
      expect(Math.sqrt(error / data.length)).toBeLessThan(side === 64 ? 1e-9 : 1);
    }
    const scaled = sides.filter((side) => side > 64);
    expect(scaled.length / sides.length).toBeGreaterThan(0.4);
    expect(scaled.length / sides.length).toBeLessThan(0.6);
    expect(Math.max(...sides)).toBeLessThanOrEqual(Math.round(64 / 0.6));
    expect(Math.max(...sides)).toBeGreaterThan(100);
  });
});
