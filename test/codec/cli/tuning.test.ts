/**
 * `codec fit-tables` and `codec sweep` as users see them: the model that they write codes and decodes, with other tables and
 * settings for the quantizers that were named and nothing else changed; test pictures and values that make no sense are
 * refused before anything is computed.
 */
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { loadModel } from '../../../codec/model/load.js';
import { type ParsedModel, serializeModel } from '../../../codec/model/model-file.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { quantizerNames } from '../../../codec/quantizers/registry.js';
import { findDatasetIfPresent } from '../../../datasets/index.js';
import { createImage } from '../../../src/io/image.js';
import { encodePng } from '../../../src/io/png.js';
import { codec, fails, model, picture, temporaryFolder, works } from './support.js';

// The holiday picture stands in for those of the test sets, which are not part of the project. What makes it must not
// lead to the module that is replaced here.
const holiday = vi.hoisted(async () => {
  const { picture: golden } = await import('../../golden/pictures.js');
  return golden('mixed', 80, 80);
});
vi.mock('../../../datasets/kodak.js', async (original) => {
  const { kodakManifest, kodakSizes } = await original<typeof import('../../../datasets/kodak.js')>();
  const { pixelHash } = await import('../../../datasets/pixel-hash.js');
  const hashes = { sha256: '0'.repeat(64), pixels: pixelHash(await holiday) };
  return {
    kodakManifest: { ...kodakManifest, 'kodim99.png': hashes },
    kodakSizes: [...kodakSizes, [80, 80]],
  };
});

const { path, files } = temporaryFolder();
let images: string;

beforeEach(async () => {
  images = path('images');
  await mkdir(images);
  for (const [k, side] of [70, 90, 120].entries()) {
    await writeFile(join(images, `${k}.png`), encodePng(picture(side, side + 10)));
  }
});

const engine = ['--engine', 'wasm', '-j', '1'];
const fitting = (...options: string[]): string[] => [
  'fit-tables',
  ...[model, path('fitted.safetensors'), '--images', images, '--crop', '64', ...engine, ...options],
];
const sweeping = (...options: string[]): string[] => [
  'sweep',
  ...[model, path('swept.safetensors'), '--images', images, '--crop', '64', ...engine, ...options],
];

const read = async (file: string): Promise<ParsedModel> => loadModel(new Uint8Array(await readFile(file)));

/** Quantizers whose tables differ between two models. */
function changedTables(a: ParsedModel, b: ParsedModel): string[] {
  return quantizerNames.filter((name) => {
    const [one, other] = [a, b].map(({ tables }) => tables.quantizers.get(name)!.tables.toTensors());
    return Buffer.compare(
      Buffer.from(one.frequenciesMinusOne.buffer),
      Buffer.from(other.frequenciesMinusOne.buffer),
    );
  });
}

/** Codes a picture with a model file and a quantizer, decodes it, and returns the report. */
async function roundTrip(file: string, quantizer: string): Promise<{ bytes: number; quantizer: string }> {
  const options = ['-m', file, '--engine', 'wasm'];
  const input = join(images, '2.png');
  const { out } = await works([
    'encode',
    input,
    path('a.tlc'),
    '--quantizer',
    quantizer,
    '--json',
    ...options,
  ]);
  const { err } = await works(['decode', path('a.tlc'), path('a.png'), '--reference', input, ...options]);
  expect(Number(/([\d.]+) dB/.exec(err)?.[1])).toBeGreaterThan(20);
  return JSON.parse(out);
}

describe('codec fit-prior', () => {
  const prior = (...options: string[]): string[] => [
    'fit-prior',
    ...[model, path('prior.safetensors'), '--images', images, ...engine, ...options],
  ];

  it('writes a model with contexts of hyper-latents and nothing else changed, which codes and decodes', async () => {
    const { err } = await works(prior('--contexts', '5', '--qualities', '3', '--limit', '2'));
    const [before, after] = [await read(model), await read(path('prior.safetensors'))];
    expect(err).toMatch(/^2 pictures at 3 qualities, \d+ places of hyper-latents\n/);
    expect(err).toContain(`prior.safetensors: 5 contexts of hyper-latents, id ${after.id}\n`);
    const { hyperContexts, hyperLatents, ...others } = after.tables;
    const { hyperLatents: count, ratePoints } = before.config;
    expect(hyperContexts!.thresholds).toHaveLength(4 * count);
    expect(hyperLatents.count).toBe(5 * count * ratePoints);
    expect(changedTables(before, after)).toEqual([]);
    expect(others.firstCoded).toBe(before.tables.firstCoded);
    expect([after.parameters, after.config, after.card]).toEqual([
      before.parameters,
      before.config,
      before.card,
    ]);
    const report = await roundTrip(path('prior.safetensors'), 'tcq8');
    expect(report.bytes).toBeLessThan((await roundTrip(model, 'tcq8')).bytes);
    await works(['decode', path('a.tlc'), path('b.png'), '-m', model, '--engine', 'wasm']);
    await works(prior('--limit', '1'));
    await roundTrip(path('prior.safetensors'), 'round');
    await fails(['decode', path('a.tlc'), path('b.png'), '-m', model], /made with model [0-9a-f]{16}, got/);
  });

  it('is kept by what fits other tables, and fits its own anew', async () => {
    await works(prior('--contexts', '4'));
    const own = path('prior.safetensors');
    const options = ['--images', images, '--crop', '64', '--quantizers', 'rdoq', '--limit', '1', ...engine];
    await works(['fit-tables', own, path('both.safetensors'), ...options]);
    const [one, both] = [await read(own), await read(path('both.safetensors'))];
    expect(both.tables.hyperContexts).toEqual(one.tables.hyperContexts);
    expect(both.tables.hyperLatents.toTensors()).toEqual(one.tables.hyperLatents.toTensors());
    expect(changedTables(one, both)).toEqual(['rdoq']);
    await works(['fit-prior', own, own, '--images', images, '--contexts', '3', ...engine]);
    expect((await read(own)).tables.hyperLatents.count).toBe((3 * one.tables.hyperLatents.count) / 4);
  });

  it('shows how far it is on terminals, and refuses what makes no sense', async () => {
    const { err } = await works(prior('--limit', '2'), { columns: 80 });
    expect(err).toMatch(/█.* analysing/);
    for (const options of [
      ['--contexts', '1'],
      ['--contexts', '65'],
      ['--qualities', '0'],
    ]) {
      expect((await codec(prior(...options))).code, options.join(' ')).toBe(2);
    }
    await fails(prior('--no-overwrite'), /prior\.safetensors: exists already/);
    await writeFile(join(images, 'holiday.png'), encodePng(await holiday));
    await fails(['fit-prior', model, path('x.safetensors'), '--images', images, ...engine], /kodim99/);
  });
});

describe('codec fit-tables', () => {
  it('writes a model with other tables for the named quantizers, and nothing else changed', async () => {
    const { err } = await works(fitting('--quantizers', 'rdoq, tcq8', '--limit', '2'));
    expect(err).toMatch(/^2 pictures at 7 qualities\n/);
    const [before, after] = [await read(model), await read(path('fitted.safetensors'))];
    expect(err).toMatch(
      new RegExp(`fitted\\.safetensors: tables and offsets of rdoq, tcq8, id ${after.id}\n$`),
    );
    expect(after.id).not.toBe(before.id);
    expect(changedTables(before, after)).toEqual(['rdoq', 'tcq8']);
    for (const [name, { step, offsets, lagrangian }] of before.tables.quantizers) {
      expect(after.tables.quantizers.get(name)).toMatchObject({ step, lagrangian });
      const found = Array.from(after.tables.quantizers.get(name)!.offsets);
      if (['rdoq', 'tcq8'].includes(name)) expect(found, name).not.toEqual(Array.from(offsets));
      else expect(found, name).toEqual(Array.from(offsets));
    }
    expect([after.parameters, after.config, after.card]).toEqual([
      before.parameters,
      before.config,
      before.card,
    ]);
    expect(after.tables.hyperLatents.toTensors()).toEqual(before.tables.hyperLatents.toTensors());
  });

  it('gives a model quantizers that it lacks', async () => {
    const whole = await read(model);
    const quantizers = new Map([...whole.tables.quantizers].filter(([name]) => name !== 'tcq256'));
    const without = serializeModel(
      { ...whole, tables: { ...whole.tables, quantizers } },
      coderSpecs(whole.config),
    );
    await writeFile(path('without.safetensors'), without);
    const options = ['--images', images, '--crop', '64', '--quantizers', 'tcq256', '--limit', '1', ...engine];
    await works(['fit-tables', path('without.safetensors'), path('with.safetensors'), ...options]);
    const after = await read(path('with.safetensors'));
    expect([...after.tables.quantizers.keys()]).toEqual([...whole.tables.quantizers.keys()]);
    expect((await roundTrip(path('with.safetensors'), 'tcq256')).quantizer).toBe('tcq256');
  });

  it('leaves values on the grid and changes prices where that is asked for', async () => {
    const { err } = await works(
      fitting('--quantizers', 'tcq8', '--limit', '1', '--no-offsets', '--price', '0.5'),
    );
    expect(err).toContain('fitted.safetensors: tables without offsets of tcq8, id ');
    const [before, after] = [await read(model), await read(path('fitted.safetensors'))];
    const [old, { offsets, lagrangian }] = [before, after].map(
      ({ tables }) => tables.quantizers.get('tcq8')!,
    );
    expect(old.offsets.some((offset) => offset !== 0)).toBe(true);
    expect(offsets.every((offset) => offset === 0)).toBe(true);
    expect(lagrangian).toBeCloseTo(old.lagrangian / 2, 6);
    expect(changedTables(before, after)).toEqual(['tcq8']);
  });

  it('writes a model that codes smaller files of its pictures, which it decodes and the old one refuses', async () => {
    await works(fitting('--quantizers', 'tcq8'));
    const fitted = path('fitted.safetensors');
    const [old, report] = [await roundTrip(model, 'tcq8'), await roundTrip(fitted, 'tcq8')];
    expect(report.quantizer).toBe('tcq8');
    expect(report.bytes).toBeLessThan(old.bytes);
    await fails(['decode', path('a.tlc'), path('b.png'), '-m', model], /made with model [0-9a-f]{16}, got/);
    expect((await roundTrip(fitted, 'round')).bytes).toBe((await roundTrip(model, 'round')).bytes);
  });

  it('fits every quantizer by default, and shows how far it is on terminals', async () => {
    const { err } = await works(fitting('--limit', '1', '--rounds', '1'), { columns: 80 });
    expect(err).toContain('tcq64');
    const after = await read(path('fitted.safetensors'));
    expect(changedTables(await read(model), after)).toEqual(quantizerNames);
  });

  it('may replace the model that it read, and names the new one', async () => {
    const own = path('own.safetensors');
    await copyFile(model, own);
    const { err } = await works([
      'fit-tables',
      own,
      own,
      '--images',
      images,
      '--crop',
      '64',
      '--quantizers',
      'rdoq',
      ...engine,
    ]);
    expect(err).toContain(`id ${(await read(own)).id}`);
  });

  it('works in pipes', async () => {
    const { bytes, err } = await works([
      ...['fit-tables', model, '-', '--images', images, '--crop', '64', '--limit', '1'],
      ...['--quantizers', 'round', ...engine],
    ]);
    const { id } = await loadModel(bytes);
    expect(err).toContain(`standard output: tables and offsets of round, id ${id}`);
  });
});

describe('codec sweep', () => {
  it('writes the best setting and its tables, and logs everything that it tried', async () => {
    const log = path('sweep.json');
    const options = ['--quantizers', 'rdoq,tcq8', '--steps', '0.64,1', '--lagrangians', '0.02,0.05'];
    const { err } = await works(sweeping(...options, '--limit', '2', '--log', log));
    expect(err).toMatch(/^2 pictures; BD-rates are against rounding/);
    expect(err).toMatch(/\n {2}tcq8, step 0\.64, Lagrangian 0\.0[25]: [-\d.]+ %\n/);
    const [before, after] = [await read(model), await read(path('swept.safetensors'))];
    expect(err).toMatch(new RegExp(`swept\\.safetensors: rdoq, tcq8 as swept, id ${after.id}\n$`));
    const { model: id, pictures, crop, reference, records } = JSON.parse(await readFile(log, 'utf8'));
    expect([id, pictures, crop, reference.length]).toEqual([before.id, 2, 64, 7]);
    expect(records.map(({ quantizer }: { quantizer: string }) => quantizer)).toEqual(['rdoq', 'tcq8']);
    for (const { quantizer, tables, step, lagrangian, bdRate, tried } of records) {
      expect(tables).toBe('normal');
      expect(Math.min(...tried.map((one: { bdRate: number }) => one.bdRate))).toBe(bdRate);
      expect(after.tables.quantizers.get(quantizer)).toMatchObject({
        step: Math.fround(step),
        lagrangian: Math.fround(lagrangian),
      });
    }
    for (const name of quantizerNames.filter((one) => !['rdoq', 'tcq8'].includes(one))) {
      const { step, lagrangian } = before.tables.quantizers.get(name)!;
      expect(after.tables.quantizers.get(name)).toMatchObject({ step, lagrangian });
    }
    expect((await roundTrip(path('swept.safetensors'), 'tcq8')).quantizer).toBe('tcq8');
  });

  it('counts tables where it has pictures for that', async () => {
    const options = ['--quantizers', 'round,tcq4', '--steps', '0.7', '--lagrangians', '0.03'];
    const { err } = await works(
      sweeping(...options, '--fit-images', images, '--fit-limit', '1', '--limit', '2'),
    );
    expect(err).toMatch(/round, fitted tables: step 0\.7, Lagrangian 0: /);
    expect(err).toMatch(/tcq4, fitted tables: step 0\.7, Lagrangian 0\.03: -\d/);
    const after = await read(path('swept.safetensors'));
    expect(changedTables(await read(model), after)).toEqual(['round', 'tcq4']);
    expect(after.tables.quantizers.get('round')).toMatchObject({ step: Math.fround(0.7), lagrangian: 0 });
    await roundTrip(path('swept.safetensors'), 'round');
  });
});

describe('curves that do not rise', () => {
  it('are swept without the qualities that are named', async () => {
    const flat = path('flat');
    await mkdir(flat);
    await writeFile(join(flat, 'a.png'), encodePng(createImage(80, 64, 3)));
    const log = path('sweep.json');
    const { err } = await works([
      ...['sweep', model, path('swept.safetensors'), '--images', flat, '--crop', '64', ...engine],
      ...['--quantizers', 'tcq4', '--steps', '0.7', '--lagrangians', '0.015', '--log', log],
    ]);
    expect(err).toMatch(
      /tcq4, step 0\.7, Lagrangian 0\.015: -[\d.]+ %, PSNR does not rise at quality [\d, ]+\n/,
    );
    const { records } = JSON.parse(await readFile(log, 'utf8'));
    expect(records[0].leftOut.length).toBeGreaterThan(0);
    expect(await files()).toContain('swept.safetensors');
  });
});

describe('test pictures', () => {
  const refused =
    /images: expected pictures that nothing is measured on, holiday\.webp is the test picture kodim99\.png\n$/;

  it('are refused by their pixels, whatever file they lie in', async () => {
    const { width, height, data } = await holiday;
    const raw = { width, height, channels: 3 as const };
    await sharp(data, { raw }).webp({ lossless: true }).toFile(join(images, 'holiday.webp'));
    await fails(fitting('--quantizers', 'round'), refused);
    await fails(sweeping('--quantizers', 'round'), refused);
    const clean = path('clean');
    await mkdir(clean);
    await copyFile(join(images, '0.png'), join(clean, '0.png'));
    await fails(
      ['sweep', model, path('swept.safetensors'), '--images', clean, '--fit-images', images, '--crop', '64'],
      refused,
    );
    const training = ['train', '-m', 'tiny', '--out', path('run'), '--crop', '64', '--steps', '1'];
    await fails([...training, '--images', images], refused);
    expect(await files()).not.toContain('swept.safetensors');
  });

  it('are looked for among pictures of their size, which may be others or damaged', async () => {
    await writeFile(join(images, 'same-size.png'), encodePng(picture(80, 80)));
    const damaged = encodePng(await holiday);
    await writeFile(join(images, 'damaged.png'), damaged.subarray(0, damaged.length - 60));
    const { err } = await works(fitting('--quantizers', 'round'));
    expect(err).toMatch(/fitted\.safetensors: tables and offsets of round/);
  });

  it('of Kodak are known, where they are on this machine', async ({ skip }) => {
    // The holiday picture, which is in the manifest here, is absent everywhere.
    const kodak = await findDatasetIfPresent('kodak', { allowAbsent: true });
    if (kodak === undefined) return skip('the images of kodak are not here');
    await sharp(kodak.images[0].path).tiff({ compression: 'lzw' }).toFile(join(images, 'other.tiff'));
    await fails(fitting('--quantizers', 'round'), /other\.tiff is the test picture kodim01\.png/);
  });
});

describe('what makes no sense is refused', () => {
  it.each([
    [['--quantizers', 'tcq9'], /'--quantizers <names>' argument 'tcq9' is invalid.*round, deadzone/],
    [['--quantizers', ''], /'--quantizers <names>' argument '' is invalid/],
    [['--crop', '63'], /Expected a whole number from 64 to 4096/],
    [['--limit', '0'], /Expected a whole number of at least 1/],
  ])('%j by both, with exit code 2', async (options, reason) => {
    for (const command of [fitting(...options), sweeping(...options)]) {
      const { code, out, err } = await codec(command);
      expect(err).toMatch(/^codec: [^\n]*\n$/);
      expect(err).toMatch(reason);
      expect([code, out]).toEqual([2, '']);
    }
  });

  it.each([
    [['--steps', '1,0.5'], /rising numbers/],
    [['--steps', '0.5,0.5'], /rising numbers/],
    [['--steps', '0.5,'], /Expected a number from/],
    [['--steps', '0'], /Expected a number from/],
    [['--lagrangians', '-1'], /Expected a number from/],
    [['--fit-limit', '1.5'], /whole number of at least 1/],
  ])('%j by sweep', async (options, reason) => {
    const { code, err } = await codec(sweeping(...options));
    expect(err).toMatch(reason);
    expect(code).toBe(2);
  });

  it('folders without pictures, models and outputs', async () => {
    const { code, err } = await codec(['fit-tables', model, path('x.safetensors')]);
    expect([code, err]).toEqual([2, expect.stringMatching(/required option '--images <folder>'/)]);
    const empty = path('empty');
    await mkdir(empty);
    const over = (folder: string, source = model): string[] => [
      ...['fit-tables', source, path('x.safetensors'), '--images', folder, ...engine],
    ];
    await fails(over(empty), /empty: images: expected pictures of at least 64 pixels/);
    await fails(over(path('none')), /none: images: expected a readable folder/);
    await fails(over(images, path('none.safetensors')), /none\.safetensors: cannot be read/);
    expect(await files()).toEqual(['empty', 'images']);
  });

  it('an output that exists, before the work is done', async () => {
    await writeFile(path('fitted.safetensors'), 'mine');
    // No picture is looked at: the folder is not there.
    const command = [
      'fit-tables',
      model,
      path('fitted.safetensors'),
      '--images',
      path('none'),
      '--no-overwrite',
    ];
    await fails(command, /fitted\.safetensors: exists already/);
    expect((await stat(path('fitted.safetensors'))).size).toBe(4);
    const terminal = await codec(['sweep', model, '-', '--images', images], { columns: 80 });
    expect(terminal.err).toMatch(/^codec: standard output: expected a file or a pipe/);
  });
});
