import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createImage, encodePng } from '../../../src/io/index.js';
import { loadCheckpoint, saveCheckpoint } from '../../../src/training/checkpoint.js';
import { parameterSpecs } from '../../../src/training/train.js';
import { missingTorch } from '../../src/engines/torch-support.js';
import { codec, fails, picture, temporaryFolder, works } from './support.js';

const { path } = temporaryFolder();
let images: string;

beforeEach(async () => {
  images = path('images');
  await mkdir(images);
  for (const [k, side] of [70, 90, 110].entries()) {
    await writeFile(join(images, `${k}.png`), encodePng(picture(side, side + 10)));
  }
});

interface Line {
  readonly type: string;
  readonly step: number;
  readonly loss: number;
  readonly [key: string]: unknown;
}

const parse = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const tiny = ['--model', 'tiny', '--batch', '1', '--crop', '64', '--seed', '7'];
const command = (run: string, ...options: string[]): string[] => [
  'train',
  ...['--images', images, '--out', path(run), '-j', '1', '--log-every', '1', ...options],
];

describe('codec train', () => {
  it('resumes an interrupted run to the very weights of an uninterrupted one', async () => {
    const whole = await works(command('whole', ...tiny, '--steps', '4'));
    const first = parse(whole.out);
    expect(first.map((line) => line.type)).toEqual([
      'start',
      ...['step', 'step', 'step', 'step', 'checkpoint', 'end'],
    ]);
    const half = await works(command('half', ...tiny, '--steps', '4'), {
      watch: (text, interrupt) => {
        if (text.includes('"step":2,')) interrupt();
      },
    });
    expect(half.err).toMatch(/stopped after step 2; continue with: codec train --resume --images .* --out /);
    expect(parse(half.out).at(-1)).toMatchObject({ type: 'end', step: 2, reason: 'stopped' });
    const rest = await works(command('half', '--resume'));
    expect(rest.err).toContain('resuming at step 2: tiny');
    const lines = parse(await readFile(path('half', 'log.jsonl'), 'utf8'));
    const losses = (all: Line[]): number[] =>
      all.filter(({ type }) => type === 'step').map(({ loss }) => loss);
    expect(losses(lines)).toEqual(losses(first));
    const checkpoint = (run: string): Promise<Buffer> => readFile(path(run, 'checkpoint.safetensors'));
    expect((await checkpoint('half')).equals(await checkpoint('whole'))).toBe(true);
    await fails(command('half', '--resume'), /half: has its 4 steps done/);
  });

  it('saves as often, learns as fast and keeps as much in memory as is asked for', async () => {
    const usual = parse((await works(command('usual', ...tiny, '--steps', '4'))).out);
    const losses = (lines: Line[]): number[] =>
      lines.filter(({ type }) => type === 'step').map(({ loss }) => loss);
    const often = ['--checkpoint-every', '2', '--memory', '1'];
    const saved = parse((await works(command('often', ...tiny, '--steps', '4', ...often))).out);
    expect(saved.filter(({ type }) => type === 'checkpoint').map(({ step }) => step)).toEqual([2, 4]);
    expect(losses(saved)).toEqual(losses(usual));
    const fast = parse(
      (await works(command('fast', ...tiny, '--steps', '4', '--learning-rate', '0.01'))).out,
    );
    expect(losses(fast)[0]).toBe(losses(usual)[0]);
    expect(losses(fast)[3]).not.toBe(losses(usual)[3]);
    const { options } = parse(await readFile(path('fast', 'log.jsonl'), 'utf8'))[0];
    expect(options).toMatchObject({ learningRate: 0.01 });
  });

  it('puts no more pictures into a run folder than is asked for', async () => {
    // Noise, which nothing packs well.
    for (const k of [3, 4, 5]) {
      const noise = createImage(640, 640, 3, randomBytes(3 * 640 * 640));
      await writeFile(join(images, `${k}.png`), encodePng(noise));
    }
    const sizeOf = async (...options: string[]): Promise<number> => {
      await works(
        command(`run${options.length}`, ...tiny, '--steps', '1', '--export', path('box'), ...options),
      );
      return (await stat(path('box', 'pictures.bin'))).size;
    };
    const [all, some] = [await sizeOf(), await sizeOf('--export-size', '1')];
    expect(all).toBeGreaterThan(2e6);
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(1.1e6);
  });

  it('refuses SOAP without torch, and takes it along into a folder for torch', async () => {
    const refused = await codec(command('run', ...tiny, '--optimizer', 'soap'));
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toBe(
      "codec: option '--optimizer soap' needs '--engine torch', got '--engine onnxruntime'\n",
    );
    await works(command('run', ...tiny, '--steps', '1'));
    const log = parse(await readFile(path('run', 'log.jsonl'), 'utf8'));
    expect(log[0].options).toMatchObject({ optimizer: 'adam' });
    await works(command('run', '--resume', '--steps', '2', '--optimizer', 'soap', '--export', path('box')));
    const { options } = JSON.parse(await readFile(path('box', 'run.json'), 'utf8'));
    expect(options).toMatchObject({ optimizer: 'soap', steps: 2 });
    expect(await readFile(path('box', 'optimizer.py'), 'utf8')).toContain('class Soap');
  });

  it('refuses to compile what torch does not run', async () => {
    const refused = await codec(command('run', ...tiny, '--compile'));
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toBe(
      "codec: option '--compile' needs '--engine torch', got '--engine onnxruntime'\n",
    );
  });

  it.runIf(!missingTorch)('goes on with another optimizer and says what becomes of the moments', async () => {
    await works(command('run', ...tiny, '--steps', '1'));
    const torch = ['--engine', 'torch', '--device', 'cpu'];
    const soap = await works(command('run', '--resume', '--steps', '2', '--optimizer', 'soap', ...torch));
    expect(soap.err).toContain(
      'soap goes on from adam: first moments are kept, second moments start from the Kronecker factors\n',
    );
    const kept = await works(command('run', '--resume', '--steps', '3', ...torch));
    expect(kept.err).not.toContain('goes on from');
    const { code, err } = await codec(command('run', '--resume', '--steps', '4'));
    expect(code).toBe(2);
    expect(err).toContain("option '--optimizer soap' needs '--engine torch'");
    const adam = await works(command('run', '--resume', '--steps', '4', '--optimizer', 'adam'));
    expect(adam.err).toContain(
      'adam goes on from soap: first moments are kept, second moments are turned back',
    );
  });

  it('makes a model that codes pictures', async () => {
    await works(command('run', ...tiny, '--steps', '2'));
    const file = path('mine.safetensors');
    const { err } = await works(['export', path('run'), file, '--card', 'author=me', '--card', 'note=a=b']);
    expect(err).toMatch(/mine\.safetensors: tiny after 2 steps, [\d,]+ bytes, id [0-9a-f]{16}/);
    const [{ card }] = JSON.parse((await works(['models', file, '--json'])).out);
    expect(card).toMatchObject({ name: 'mine', author: 'me', note: 'a=b', steps: '2' });
    await works(['encode', join(images, '0.png'), path('a.tlc'), '-m', file]);
    await works(['decode', path('a.tlc'), path('a.png'), '-m', file, '--engine', 'wasm']);
    await fails(['export', path('run'), file, '--no-overwrite'], /exists already/);
    await fails(['export', path('none'), file], /checkpoint\.safetensors: cannot be read/);
  });

  it('refuses flags that differ from the run, and runs that are there already', async () => {
    await works(command('run', ...tiny, '--steps', '1'));
    const different = await codec(command('run', '--resume', '--batch', '2'));
    expect(different).toMatchObject({ code: 2, out: '' });
    expect(different.err).toMatch(/^codec: option '--batch 2' differs from the run's, which is 1\n$/);
    expect((await codec(command('run', '--resume', '--model', 'base'))).code).toBe(2);
    await fails(command('run', ...tiny), /run: holds a run already; continue it with --resume/);
    await fails(command('other', '--resume'), /checkpoint\.safetensors: cannot be read: no such file/);
    const { out } = await works(command('run', '--resume', '--steps', '2', '--batch', '1'));
    expect(parse(out).at(-1)).toMatchObject({ type: 'end', step: 2, reason: 'finished' });
  });

  it('grows a run to the size that its network has now, and no other', async () => {
    await works(command('run', ...tiny, '--steps', '1'));
    const file = join(path('run'), 'checkpoint.safetensors');
    const whole = await loadCheckpoint(file);
    const config = { ...whole.config, blocks: 0 };
    await saveCheckpoint(file, { ...whole, config }, parameterSpecs(config));
    await works(command('run', '--resume', '--grow', '--steps', '2'));
    const grown = await loadCheckpoint(file);
    expect(grown).toMatchObject({ step: 2, config: whole.config, options: { restart: 1 } });
    expect(grown.state.has('analysis.block.0.mix.weight')).toBe(true);
    await fails(
      command('run', '--resume', '--grow', '--model', 'base'),
      /grow: expected base to have the \d+ values/,
    );
    const { code, err } = await codec(command('run', '--grow'));
    expect([code, err]).toEqual([2, "codec: option '--grow' needs '--resume'\n"]);
  });

  it('exports a run for another machine and takes it back', async () => {
    const exported = await works([
      'train',
      '--images',
      images,
      '--export',
      path('box'),
      ...tiny,
      '--steps',
      '9',
    ]);
    expect(exported.err).toMatch(/box: tiny at step 0; train it with: python3 .*box\/run\.py /);
    expect(await readFile(path('box', 'run.py'), 'utf8')).toContain('torch');
    const several = ['train', '--images', images, '--export', path('shared'), ...tiny, '--batch', '4'];
    const shared = await works([...several, '--processes', '2']);
    expect(shared.err).toMatch(/train it with: torchrun --nproc-per-node 2 .*shared\/run\.py /);
    const run = JSON.parse(await readFile(path('shared', 'run.json'), 'utf8'));
    expect([run.options.batch, run.dataShapes.x[0]]).toEqual([4, 2]);
    await fails([...several, '--processes', '3'], /expected a batch that 3 processes can share, got 4/);
    // What run.py leaves is a checkpoint like that of any run.
    await works(command('done', ...tiny, '--steps', '1'));
    const taken = await works(['train', '--import', path('done'), '--out', path('run')]);
    expect(taken.err).toMatch(/run\/checkpoint\.safetensors: tiny at step 1\n$/);
    const { out } = await works(command('run', '--resume', '--steps', '2'));
    expect(parse(out).at(-1)).toMatchObject({ type: 'end', step: 2 });
    const older = ['train', '--import', path('done'), '--out', path('run')];
    await fails(older, /run: holds step 2, which is beyond step 1 of /);
    await fails(['train', '--import', path('none'), '--out', path('x')], /none: import: expected a readable/);
  });

  it('says what is missing', async () => {
    for (const args of [
      ['--images', images],
      ['--out', path('x')],
      ['--import', path('x')],
    ]) {
      const { code, err } = await codec(['train', ...args]);
      expect(err).toMatch(/^codec: required option '--(images|out) <\w+>' not specified\n$/);
      expect(code).toBe(2);
    }
  });

  it('reports unreadable pictures and goes on, but needs one', async () => {
    await writeFile(join(images, 'broken.png'), 'no picture');
    const { out, err } = await works(command('run', ...tiny, '--steps', '1'));
    expect(parse(out)[0]).toMatchObject({ type: 'skip', file: join(images, 'broken.png') });
    expect(err).toContain('skipped');
    await mkdir(path('empty'));
    await fails(['train', '--images', path('empty'), '--out', path('x')], /empty: images: expected pictures/);
    await fails(['train', '--images', path('none'), '--out', path('x')], /none/);
  });

  it('validates and draws a bar on a terminal', async () => {
    const validation = path('validation');
    await mkdir(validation);
    await writeFile(join(validation, 'a.png'), encodePng(picture(256, 256)));
    const { out, err } = await codec(
      command('run', ...tiny, '--steps', '2', '--validation', validation, '--validate-every', '1'),
      { columns: 100 },
    );
    expect(out).toBe('');
    expect(err).toMatch(/\r█+ 2\/2 {2}loss \d+\.\d{3} {2}.*\/step {2}in \d+ s/);
    expect(err).toMatch(/step 1: validation loss \d+\.\d+ \| \d\.\d{3} bpp \d+\.\d\d dB/);
    const lines = parse(await readFile(path('run', 'log.jsonl'), 'utf8'));
    expect(lines.filter(({ type }) => type === 'validation').map(({ step }) => step)).toEqual([0, 1, 2]);
  });
});
