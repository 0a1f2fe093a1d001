/**
 * `codec finetune` as users see it: a model file comes out that codes and decodes and says how it was made, a run that was
 * interrupted goes on, and what makes no sense is refused before anything is computed.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../../codec/model/load.js';
import { serializeModel } from '../../../codec/model/model-file.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { encodePng } from '../../../src/io/png.js';
import { tinyModel } from '../../golden/cases.js';
import { codec, fails, picture, temporaryFolder, works } from './support.js';

const { path } = temporaryFolder();
let images: string;
/** A model with two quantizers: tables of all eight take long to fit. */
let source: string;

beforeEach(async () => {
  images = path('images');
  await mkdir(images);
  for (const k of [0, 1]) await writeFile(join(images, `${k}.png`), encodePng(picture(260, 256 + k)));
  const { tables, ...rest } = await tinyModel();
  const quantizers = new Map([...tables.quantizers].filter(([name]) => ['rdoq', 'tcq8'].includes(name)));
  source = path('source.safetensors');
  await writeFile(
    source,
    serializeModel({ ...rest, tables: { ...tables, quantizers } }, coderSpecs(rest.config)),
  );
});

const few = [
  '--quantizers',
  'tcq8',
  '--steps',
  '2',
  '--rounds',
  '1',
  '--pool',
  '2',
  '--crop',
  '64',
  '-j',
  '1',
];
const command = (run: string, output: string, ...options: string[]): string[] => [
  ...['finetune', source, path(output), '--images', images, '--run', path(run), ...options],
];

describe('codec finetune', () => {
  it('writes a model that says how it was made, and goes on where it was interrupted', async () => {
    const whole = await works(command('whole', 'whole.safetensors', ...few, '--validation', images));
    expect(whole.err).toMatch(/round 1, tcq8: validation loss \d+\.\d+ \| .* dB\n/);
    expect(whole.err).toMatch(/end, tcq8: validation loss/);
    expect(whole.err).toContain('decoder+entropy on tcq8, 1 rounds of 2 steps, id ');
    const bytes = await readFile(path('whole.safetensors'));
    const { card, habits } = await loadModel(new Uint8Array(bytes));
    expect(card.finetuning).toBe('decoder+entropy on tcq8, 1 rounds of 2 steps');
    expect(habits).toBeDefined();
    const log = (await readFile(path('whole', 'finetune.jsonl'), 'utf8')).trim().split('\n');
    expect(log.map((line) => JSON.parse(line).type)).toEqual(['validation', 'step', 'validation']);

    await fails(
      command('whole', 'other.safetensors', ...few),
      /whole: holds a run already; continue it with --resume/,
    );
    const again = await works(command('whole', 'again.safetensors', '--resume', '-j', '1'));
    expect(again.err).toContain('id ');
    expect((await readFile(path('again.safetensors'))).equals(bytes)).toBe(true);

    const coded = ['-m', path('whole.safetensors'), '--engine', 'wasm'];
    const input = join(images, '0.png');
    await works(['encode', input, path('a.tlc'), '--quantizer', 'tcq8', ...coded]);
    await works(['decode', path('a.tlc'), path('a.png'), ...coded]);
  });

  it('refuses what makes no sense before it computes anything', async () => {
    const output = 'tuned.safetensors';
    const usage = async (reason: string, ...options: string[]): Promise<void> => {
      const refused = await codec(command('run', output, ...few, ...options));
      expect(refused.err).toContain(reason);
      expect(refused.code).toBe(2);
    };
    await usage("argument 'tcq9' is invalid", '--quantizers', 'tcq9');
    await usage("'encoder' is invalid. Allowed choices are decoder, decoder+entropy", '--parts', 'encoder');
    await usage('Expected a multiple of 64', '--crop', '100');
    await usage('Expected a number from 0.01 to 100', '--prices', '1,much');
    await fails(command('run', output, ...few, '--prices', '1,2'), /expected 1 factors of prices.*got 2/);
    await fails(
      command('run', output, ...few, '--quantizers', 'tcq64'),
      /one that the model has \(rdoq, tcq8\)/,
    );
    await fails(command('run', output, '--resume'), /finetune\.safetensors: /);
    await fails(['finetune', 'nothing', path(output), '--images', images, '--run', path('run')], /nothing: /);
    const lost = command('run', output, ...few).map((word) => (word === images ? path('lost') : word));
    await fails(lost, /lost: .*expected a readable folder/);
  });
});
