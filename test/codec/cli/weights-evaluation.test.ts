/** `codec eval --weights` and `codec pack-model`, end to end with the smallest model. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Evaluation, MeasuredCodec } from '../../../eval/index.js';
import { encodePng } from '../../../src/io/index.js';
import { codec, fails, model, picture, small, temporaryFolder, works } from './support.js';

const { path } = temporaryFolder();

beforeEach(async () => {
  await mkdir(path('photos'));
  await writeFile(path('photos', 'a.png'), encodePng(picture(80, 64)));
  await writeFile(path('photos', 'b.png'), encodePng(picture(64, 72)));
});

const evaluation = (...options: string[]): string[] => [
  ...['eval', path('photos'), ...small, '--qualities', '20,40,60,80', '--out', path('out')],
  ...['--competitors', 'none', '--quantizers', 'round', ...options],
];

describe('codec eval --weights', () => {
  it('measures schemes as codecs, in a table, a plot and the JSON; and goes on where it was', async () => {
    const schemes = ['int8', 'int6', 'gptq:5', 'gptq:6'];
    const options = [
      '--weights',
      schemes.join(','),
      '--calibration',
      path('photos'),
      '--report',
      path('report'),
    ];
    const { out, err } = await works(evaluation(...options, '--json', path('e.json'), '--crops', '0'));
    expect(err).toMatch(/^weights gptq:5: 5\.\d+ bits per weight, SQNR \d+\.\d+ dB, decoder of /m);
    const result = JSON.parse(await readFile(path('e.json'), 'utf8')) as Evaluation;
    const names = ['tiny round', ...schemes.map((scheme) => `tiny round ${scheme}`)];
    expect(result.codecs.map(({ name }) => name)).toEqual(names);
    expect(result.codecs.map(({ kind }) => kind)).toEqual(['ours', ...schemes.map(() => 'quantized')]);
    expect(result.comparisons.map(({ tested, reference }) => [tested, reference])).toEqual(
      names.slice(1).map((name) => [name, 'tiny round']),
    );
    const [int8, int6] = result.codecs.slice(1) as MeasuredCodec[];
    expect(int8.weights).toMatchObject({ scheme: 'int8', reference: 'tiny round' });
    expect(int6.weights!.decoder.bytes).toBeLessThan(int8.weights!.decoder.bytes);
    expect(result.comparisons[0].rate!.percent).toBeLessThan(result.comparisons[1].rate!.percent);
    expect(out).toMatch(
      /\nQuantized weights of the networks.*\nweights +bits per weight.*\ntiny round in half precision +16\.000 /,
    );
    expect(out).toMatch(
      /\ngptq:5 +5\.\d{3} +\d+\.\d{3} +\d+\.\d\d +\d+ +\d+ +[+-]?\d+\.\d\d +[+-]?\d\.\d{3}\n/,
    );
    const page = await readFile(path('report', 'report.html'), 'utf8');
    expect(page).toContain('id="weights"');
    expect(page).toMatch(/<th scope="row">(?:(?!<\/th>).)*gptq:5/);
    const chart = await readFile(path('report', 'weights.svg'), 'utf8');
    expect(chart).toMatch(
      /tiny round gptq:6\n[+\u2212]?\d+\.\d\d\u202f% bits against tiny round\n6\.\d\d bits per weight/,
    );
    expect(await readFile(path('report', 'results.md'), 'utf8')).toMatch(
      /!\[Quantized weights on photos\]\(\.\/weights\.svg\)[\s\S]*\n## Quantized weights\n[\s\S]*\| int6 \| 6\./,
    );

    const weights = path('out', 'weights');
    const again = await works(evaluation(...options, '--json', '-'));
    expect(again.err).not.toMatch(/^weights /m);
    expect((JSON.parse(again.out) as Evaluation).comparisons).toEqual(result.comparisons);
    expect((await stat(weights)).isDirectory()).toBe(true);
  });

  it('refuses what it cannot do before anything runs', async () => {
    await fails(evaluation('--weights', 'int8,gptq:4'), /folder of photographs \(--calibration\) for gptq:4/);
    await fails(
      [...evaluation('--weights', 'int8'), '--quantizers', 'none'],
      /expected a quantizer of latents to measure them with, got none/,
    );
    for (const [list, reason] of [
      ['magic', /--weights.*expected one of int2.*got magic/],
      ['int8,int8', /--weights.*every scheme once, got int8 twice/],
      ['gptq:11', /--weights.*gptq: expected bits among/],
    ] as const) {
      const { code, err } = await codec(evaluation('--weights', list));
      expect(err).toMatch(reason);
      expect(code).toBe(2);
    }
    await fails(
      evaluation('--weights', 'gptq', '--calibration', path('none')),
      /none: .*expected a readable folder/,
    );
  });
});

describe('codec pack-model', () => {
  it('makes a model file that encode and decode take', async () => {
    const { err } = await works(['pack-model', model, path('small.safetensors'), '--bits', '4']);
    expect(err).toMatch(/small\.safetensors: .* of .* in half precision, id [0-9a-f]{16}\n/);
    expect((await stat(path('small.safetensors'))).size).toBeLessThan(0.9 * (await stat(model)).size);
    const options = ['-m', path('small.safetensors'), '--engine', 'wasm'];
    await works(['encode', path('photos', 'a.png'), path('a.tlc'), ...options]);
    await works(['decode', path('a.tlc'), path('b.png'), ...options]);
    await fails(['decode', path('a.tlc'), path('c.png'), ...small], /model/);
    await fails(['pack-model', model, path('small.safetensors'), '--no-overwrite'], /exists already/);
    expect((await codec(['pack-model', model, path('x.safetensors'), '--bits', '0'])).code).toBe(2);
  });

  it('gives tensors bits by what their errors do to photographs', async () => {
    const pack = (file: string, ...options: string[]) => [
      'pack-model',
      model,
      path(file),
      '--bits',
      '4',
      ...options,
    ];
    await works(pack('even.safetensors'));
    const { err } = await works(pack('uneven.safetensors', '--calibration', path('photos'), '-v'));
    const bits = [...err.matchAll(/^\S+\.weight: (\d\.\d\d) bits$/gm)].map(([, text]) => Number(text));
    expect(bits.length).toBeGreaterThan(20);
    expect(Math.max(...bits) - Math.min(...bits)).toBeGreaterThan(2);
    const [even, uneven] = await Promise.all(
      ['even', 'uneven'].map(async (name) => (await stat(path(`${name}.safetensors`))).size),
    );
    expect(Math.abs(uneven / even - 1)).toBeLessThan(0.02);
    await fails(pack('x.safetensors', '--calibration', path('none')), /none: .*expected a readable folder/);
  });
});
