import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Evaluation, Measurement } from '../../../eval/index.js';
import { encodePng, packageRoot } from '../../../src/io/index.js';
import { codec, fails, picture, small, temporaryFolder, works } from './support.js';

const { path, files } = temporaryFolder();

beforeEach(async () => {
  await mkdir(path('photos'));
  for (const [n, name] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    await writeFile(path('photos', `${name}.png`), encodePng(picture(48 + 8 * n, 64)));
  }
});

const evaluation = (...options: string[]): string[] => [
  ...['eval', path('photos'), ...small, '--qualities', '20,40,60,80', '--out', path('out'), ...options],
];
const read = async (...names: string[]): Promise<Evaluation> =>
  JSON.parse(await readFile(path(...names), 'utf8'));

/** Everything but the clock. */
const numbers = ({ codecs, comparisons, images, failures }: Evaluation) => ({
  images,
  failures,
  comparisons,
  perImage: codecs.map(({ perImage }) =>
    (perImage as readonly Measurement[]).map(({ encodeSeconds, decodeSeconds, ...rest }) => rest),
  ),
});

describe('codec eval', () => {
  it('measures quantizers and competitors on a folder, into every output', async () => {
    const outputs = ['--json', path('e.json'), '--csv', path('e.csv'), '--markdown', path('R.md')];
    const more = [
      '--compressai',
      path('curves'),
      '--quantizers',
      'round,rdoq',
      '--competitors',
      'jpeg,webp:0',
    ];
    const { out, err } = await works(evaluation(...outputs, ...more, '--limit', '3'));
    expect(out).toMatch(/^photos, 3 images\n/);
    expect(out).toMatch(/\ntiny rdoq against others by PSNR over RGB.*\n.*\ntiny round +[-+]/);
    expect(err).toMatch(/^\d+\/75 a\.png tiny round, .* left$/m);
    expect(err).toMatch(/photos\.json: 3 of 3 images\n$/);
    const result = await read('e.json');
    expect(result).toEqual(await read('out', 'photos.json'));
    expect(result.codecs.map(({ name }) => name)).toEqual(['tiny round', 'tiny rdoq', 'jpeg', 'webp:0']);
    expect(result.environments[0]).toMatchObject({ jobs: 1, threads: expect.any(Number) });
    const rows = (await readFile(path('e.csv'), 'utf8')).trimEnd().split('\n');
    expect(rows).toHaveLength(1 + 3 * (4 + 4 + 9 + 8));
    expect(await readFile(path('R.md'), 'utf8')).toMatch(
      /^# Results on photos\n\nMade by `codec eval .* --markdown .*R\.md/,
    );
    const curve = JSON.parse(await readFile(path('curves', 'tiny-rdoq.json'), 'utf8'));
    expect(curve.results.bpp).toHaveLength(4);
    expect(existsSync(path('curves', 'webp-0.json'))).toBe(true);
  });

  it('writes a report with crops, and a document that shows its charts', async () => {
    const outputs = ['--report', path('docs', 'charts'), '--markdown', path('docs', 'R.md'), '--crops', '1'];
    const { err } = await works(evaluation('--limit', '2', '--competitors', 'webp:0', ...outputs));
    expect(err).toMatch(/b\.png: coding with tiny tcq1024\+1 and webp:0 to look at/);
    expect(err).toMatch(/docs.charts.report\.html: the report/);
    const page = await readFile(path('docs', 'charts', 'report.html'), 'utf8');
    expect(page).toContain('b.png');
    expect(page.match(/data:image\/png;base64,/g)!.length).toBeGreaterThanOrEqual(3);
    const document = await readFile(path('docs', 'R.md'), 'utf8');
    const [, chart] = /!\[[^\]]*\]\((charts\/[\w-]+\.svg)\)/.exec(document)!;
    expect(await readFile(path('docs', chart), 'utf8')).toContain('<svg');
    const set = [
      path('out', 'photos.json'),
      '--markdown',
      path('docs', 'all.md'),
      '--charts',
      path('docs', 'r'),
    ];
    await works(['eval', 'document', ...set, '--made-by', 'npm run results']);
    const all = await readFile(path('docs', 'all.md'), 'utf8');
    expect(all).toMatch(/^# Results\n\nMade by `npm run results`/);
    const [, named] = /!\[[^\]]*\]\((r\/photos-[\w-]+\.svg)\)/.exec(all)!;
    expect(await readFile(path('docs', named), 'utf8')).toContain('<svg');
    const merged = await works(['eval', 'merge', path('out', 'photos.json'), '--report', path('again')]);
    expect(merged.err).toMatch(/again.report\.html: the report/);
  });

  it('goes on where it was stopped, recomputing nothing', async () => {
    let lines = 0;
    const ended = await codec(evaluation('--competitors', 'none', '--json', '-'), {
      onError: (text, interrupt) => text.includes('left') && ++lines === 3 && interrupt(),
    });
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(
      /stopped with \d+ results in .*photos\.results\.jsonl; the same command goes on/,
    );
    const kept = (await readFile(path('out', 'photos.results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(kept.length).toBeGreaterThan(8);
    expect(kept.length).toBeLessThan(20);
    const { out } = await works(evaluation('--competitors', 'none', '--json', '-'));
    const whole = JSON.parse(out) as Evaluation;
    expect(whole.codecs[0].perImage).toHaveLength(20);
    const after = (await readFile(path('out', 'photos.results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(after.slice(0, kept.length)).toEqual(kept);
    expect(after).toHaveLength(20);
    const again = JSON.parse((await works(evaluation('--competitors', 'none', '--json', '-'))).out);
    expect(again.codecs).toEqual(whole.codecs);
    await works(evaluation('--competitors', 'none', '--fresh', '--limit', '1'));
    const fresh = (await readFile(path('out', 'photos.results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(fresh).toHaveLength(4);
  });

  it('takes over what another evaluation has measured, and codes with the price that is asked for', async () => {
    const options = ['--competitors', 'jpeg', '--quantizers', 'rdoq', '--threads', '1', '--limit', '1'];
    await works(evaluation(...options, '--json', path('e.json')));
    const other = [...options, '--out', path('other'), '--reuse', path('e.json'), '--json', path('f.json')];
    const { err } = await works(evaluation(...other));
    expect(err).toMatch(/e\.json: 13 measurements taken over\n/);
    expect(numbers(await read('f.json'))).toEqual(numbers(await read('e.json')));
    const sizes = async (lagrangian: string): Promise<number[]> => {
      const priced = ['--lagrangian', lagrangian, '--reuse', path('e.json'), '--out', path('priced')];
      await works(evaluation(...options, ...priced, '--json', path('p.json')));
      return (await read('p.json')).codecs[0].perImage.map(({ bytes }) => bytes!);
    };
    const [cheap, dear] = [await sizes('0.01'), await sizes('5')];
    for (const [n, bytes] of dear.entries()) expect(bytes).toBeLessThan(cheap[n]);
  });

  it('takes what a run of competitors alone has measured', async () => {
    const first = ['--competitors', 'jpeg,webp:0', '--threads', '1', '--json', '-'];
    const alone = JSON.parse((await works(evaluation(...first, '--quantizers', 'none'))).out) as Evaluation;
    expect(alone.codecs.map(({ name }) => name)).toEqual(['jpeg', 'webp:0']);
    expect(alone.comparisons).toEqual([]);
    const store = path('out', 'photos.results.jsonl');
    const kept = await readFile(store, 'utf8');
    const whole = JSON.parse((await works(evaluation(...first, '--qualities', '20,80'))).out) as Evaluation;
    expect(whole.codecs.slice(1)).toEqual(alone.codecs);
    const added = (await readFile(store, 'utf8')).slice(kept.length).trimEnd().split('\n');
    expect((await readFile(store, 'utf8')).startsWith(kept)).toBe(true);
    expect(added).toHaveLength(5 * 2);
    await fails(
      evaluation(...first, '--competitors', 'none', '--quantizers', 'none'),
      /at least one, got none/,
    );
  });

  it('gives the same numbers sharded in three and merged', async () => {
    const whole = JSON.parse((await works(evaluation('--competitors', 'jpeg', '--json', '-'))).out);
    for (const shard of ['1/3', '2/3', '3/3']) {
      await works(evaluation('--competitors', 'jpeg', '--shard', shard));
    }
    const parts = [1, 2, 3].map((index) => path('out', `photos-${index}-of-3.json`));
    const once = await works(['eval', 'merge', ...parts, '--json', path('merged.json')]);
    const merged = await read('merged.json');
    expect(numbers(merged)).toEqual(numbers(whole));
    expect(merged.scope).toEqual(whole.scope);
    expect(once.out).toMatch(/^photos, 5 images\n/);
    const twice = await works(['eval', 'merge', path('merged.json'), parts[1], ...parts, '--json', '-']);
    expect(JSON.parse(twice.out)).toEqual(merged);
    const two = await codec(['eval', 'merge', parts[0], parts[2]]);
    expect(two.code).toBe(3);
    expect(two.err).toMatch(/2 of 5 images are in none of the files: b\.png \.\.\./);
  });

  it('takes its shard from the environment of job arrays', async () => {
    process.env.JOB_COMPLETION_INDEX = '4';
    process.env.JOB_COMPLETIONS = '5';
    try {
      await works(evaluation('--competitors', 'none', '--shard', 'auto'));
    } finally {
      delete process.env.JOB_COMPLETION_INDEX;
      delete process.env.JOB_COMPLETIONS;
    }
    const { images } = await read('out', 'photos-5-of-5.json');
    expect(images.map(({ name }) => name)).toEqual(['e.png']);
  });

  it('uses programs as codecs, from a file or in one word', async () => {
    const copy = `${process.execPath} -e "require('fs').copyFileSync(process.argv[1],process.argv[2])" {in} {out}`;
    await writeFile(
      path('copy.json'),
      JSON.stringify({ name: 'copy', encode: copy, decode: copy, settings: [1], picture: 'ppm' }),
    );
    const { err, code } = await codec(
      evaluation(
        ...['--limit', '1', '--competitors', 'none', '--csv', path('e.csv')],
        ...['--external', path('copy.json'), '--external', 'broken=false {in} {out};false {in} {out};1,2'],
      ),
    );
    expect(code).toBe(3);
    expect(err).toMatch(/codec: not measured: broken: a\.png: Expected false to succeed/);
    expect(await readFile(path('e.csv'), 'utf8')).toMatch(/^copy,competitor,a\.png,1,9229,.*,Infinity,/m);
  });

  it('writes a report without crops where the codec that they are to show fails by then', async () => {
    const copy = path('copy.cjs');
    await writeFile(
      copy,
      `const fs = require('fs');
if (fs.existsSync(${JSON.stringify(path('gone'))})) process.exit(1);
fs.copyFileSync(process.argv[2], process.argv[3]);`,
    );
    const program = `${process.execPath} ${copy} {in} {out}`;
    const template = { name: 'copy', encode: program, decode: program, settings: [1, 2], picture: 'ppm' };
    await writeFile(path('copy.json'), JSON.stringify(template));
    const measuring = ['--limit', '2', '--competitors', 'none', '--external', path('copy.json')];
    await works(evaluation(...measuring));
    await writeFile(path('gone'), '');
    const { err } = await codec(evaluation(...measuring, '--report', path('report'), '--crops', '2'));
    expect(err).toMatch(/report: no more crops, Expected .*node to succeed/);
    const page = await readFile(path('report', 'report.html'), 'utf8');
    expect(page).toContain('<svg');
    expect(page).not.toContain('data:image/png');
  });

  it('names what fails, does the rest, and exits with 3', async () => {
    await writeFile(path('photos', 'b.png'), 'no picture');
    await writeFile(path('photos', 'SHA256SUMS'), `${'0'.repeat(64)}  z.png\n`);
    const metrics = ['--metrics', 'psnr,ssimulacra2', '--competitors', 'webp', '--csv', '-'];
    const before = process.env.PATH;
    process.env.PATH = path();
    const { code, out, err } = await codec(evaluation(...metrics)).finally(() => {
      process.env.PATH = before;
    });
    expect(code).toBe(3);
    expect(out.trimEnd().split('\n')).toHaveLength(1 + 4 * (4 + 8));
    expect(err).toMatch(/not measured: b\.png: .*b\.png: Expected a PNG/);
    expect(err).toMatch(/not measured: z\.png: Expected an image at/);
    expect(err).toMatch(/not measured: ssimulacra2: expected the program ssimulacra2/);
    expect(err).toMatch(/4 of 6 images\n$/);
  });

  it('fails where there is nothing to measure', async () => {
    await mkdir(path('empty'));
    await fails(['eval', path('empty'), ...small], /empty: Expected images in '.*empty' but it has none/);
    await fails(['eval', path('none'), ...small], /none: Expected a folder of images/);
    await fails(evaluation('-m', path('no.safetensors')), /no\.safetensors: cannot be read/);
    for (const name of ['a', 'b', 'c', 'd', 'e']) await writeFile(path('photos', `${name}.png`), '');
    await fails(evaluation(), /photos: nothing could be measured; a\.png: .*the file is empty/);
    await fails(['eval', 'merge', path('photos', 'a.png')], /expected the JSON file of an evaluation/);
  });

  it('refuses options that make no sense, before anything runs', async () => {
    for (const [options, reason] of [
      [['--quantizers', 'magic'], /--quantizers.*expected one of round, deadzone, rdoq.*got magic/],
      [['--qualities', '20,200'], /--qualities.*from 0 to 100/],
      [['--competitors', 'gif'], /--competitors.*expected one of jpeg/],
      [['--metrics', 'vmaf'], /--metrics.*expected some of psnr/],
      [['--shard', '4/3'], /--shard.*got 4 of 3/],
      [['--jobs', '0'], /--jobs.*at least|--jobs.*from 1/],
    ] as const) {
      const { code, err } = await codec(evaluation(...options));
      expect(err).toMatch(reason);
      expect(err.trimEnd()).not.toContain('\n');
      expect(code).toBe(2);
    }
    await fails(evaluation('--competitors', 'webp,webp'), /expected every name once, got webp twice/);
    expect(await files()).toEqual(['photos']);
  });

  // Worker processes run compiled code.
  it.skipIf(!existsSync(join(packageRoot(), 'dist', 'eval', 'worker.js')))(
    'gives the same numbers with two processes',
    async () => {
      const options = ['--competitors', 'jpeg', '--limit', '3', '--json', '-', '-j', '1'];
      const one = JSON.parse((await works(evaluation(...options))).out) as Evaluation;
      const two = JSON.parse(
        (await works(evaluation(...options, '--jobs', '2', '--fresh'))).out,
      ) as Evaluation;
      expect(numbers(two)).toEqual(numbers(one));
      expect(two.environments[0]).toMatchObject({ jobs: 2, threads: 1 });
    },
  );
});
