import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { crc32c, readContainer, writeContainer } from '../../../codec/format/index.js';
import { codec, fails, model, picture, small, temporaryFolder, works } from './support.js';

const { path, files, png } = temporaryFolder();
let file: Uint8Array;

beforeEach(async () => {
  const input = await png('a.png', picture(90, 60));
  file = (await works(['encode', input, '-', '--tile', '64', ...small])).bytes;
});

/** `codec decode` of these bytes fails for that reason, names the file and leaves nothing behind. */
async function refuses(bytes: Uint8Array, reason: RegExp): Promise<void> {
  await writeFile(path('bad.tlc'), bytes);
  const before = await files();
  const { err } = await fails(['decode', path('bad.tlc'), path('out.png'), ...small], reason);
  expect(err.startsWith(`codec: ${path('bad.tlc')}: `)).toBe(true);
  expect(await files()).toEqual(before);
}

describe('files that cannot be decoded', () => {
  it('refuses truncated files', async () => {
    for (const length of [1, 7, 8, 20, 51, 60, file.length - 300, file.length - 13, file.length - 1]) {
      await refuses(file.subarray(0, length), /truncated|ends after|expected a \.tlc file/);
    }
  });

  it('refuses files with a flipped bit', async () => {
    const step = Math.ceil(file.length / 40);
    for (let byte = 0; byte < file.length; byte += step) {
      const damaged = file.slice();
      damaged[byte] ^= 1 << (byte % 8);
      await refuses(damaged, /expected|damaged|version|unknown/);
    }
  });

  it('refuses another version', async () => {
    const newer = file.slice();
    newer[9] = 3;
    // The checksum is checked first: what is damaged is not called new.
    await refuses(newer, /damaged/);
    await writeFile(path('a.tlc'), file);
    const end = 9 + file[8];
    new DataView(newer.buffer).setUint32(end, crc32c(newer.subarray(9, end)));
    await refuses(newer, /format version 3\.0, this decoder reads version 2\.x/);
    newer.set(new TextEncoder().encode('HEAD'), 8);
    await refuses(newer, /format version 1\.x, this decoder reads version 2\.x/);
  });

  it('refuses another model, and says which one', async () => {
    const { header, tiles } = readContainer(file);
    const other = writeContainer({ header: { ...header, modelId: '0123456789abcdef' }, tiles });
    await refuses(other, /model 0123456789abcdef, got [0-9a-f]{16}/);
    await writeFile(path('bad.tlc'), other);
    await fails(['decode', path('bad.tlc'), path('out.png')], /none of the bundled .*--model/);
  });

  it('refuses absurd sizes before anything is allocated', async () => {
    const { header, tiles } = readContainer(file);
    const one = { ...header, tileSide: 0, width: 2 ** 31 - 1, height: 2 ** 31 - 1 };
    await refuses(
      writeContainer({ header: one, tiles: tiles.slice(0, 1) }),
      /limit of 268435456.*--max-pixels/,
    );
    const large = { ...one, width: 2 ** 14, height: 2 ** 13 };
    await refuses(writeContainer({ header: large, tiles: tiles.slice(0, 1) }), /tiles: expected at most/);
    await writeFile(path('a.tlc'), file);
    await fails(['decode', path('a.tlc'), path('b.png'), '--max-pixels', '100', ...small], /limit of 100/);
    await fails(['encode', path('a.png'), '--max-pixels', '100', ...small], /a\.png: .*5400|a\.png: .*100/);
  });

  it('refuses empty files and files of another kind', async () => {
    await refuses(new Uint8Array(), /expected a \.tlc file .* got no bytes/);
    await refuses(Buffer.from('hello, world'), /expected a \.tlc file/);
    await writeFile(path('bad.tlc'), '');
    await fails(['info', path('bad.tlc')], /bad\.tlc: expected a \.tlc file/);
  });
});

describe('inputs and outputs that are no good', () => {
  it('refuses what is no picture', async () => {
    await writeFile(path('empty.png'), '');
    await writeFile(path('text.png'), 'this is no picture');
    await writeFile(path('cut.png'), (await png('b.png', picture(60, 60))) && file.subarray(0, 100));
    const before = await files();
    await fails(['encode', path('empty.png'), ...small], /empty\.png: .*the file is empty/);
    await fails(['encode', path('text.png'), ...small], /text\.png: Expected a PNG, JPEG/);
    await fails(['encode', path('cut.png'), ...small], /cut\.png: /);
    await fails(['encode', path('none.png'), ...small], /none\.png: cannot be read: no such file/);
    await fails(['encode', path(), ...small], /cannot be read: it is a folder/);
    await fails(['encode', '-', path('x.tlc'), ...small], /standard input: .*empty/);
    expect(await files()).toEqual(before);
  });

  it('refuses outputs that cannot be written and leaves nothing behind', async () => {
    await mkdir(path('folder'));
    const before = await files();
    const encode = (output: string, reason: RegExp) =>
      fails(['encode', path('a.png'), output, ...small], reason);
    await encode(path('no', 'a.tlc'), /no\/a\.tlc: cannot be written: no such file or folder/);
    await encode(path('folder'), /folder: cannot be written: it is a folder/);
    await encode(path('a.png', 'x.tlc'), /a part of the path is no folder/);
    await encode(path('a.png'), /expected another file for the output/);
    await encode(path('b.png'), /expected a name like .*b\.tlc/);
    if (existsSync('/dev/full')) await encode('/dev/full', /no space left/);
    await writeFile(path('a.tlc'), file);
    await fails(['decode', path('a.tlc'), path('b.xyz'), ...small], /b\.xyz: .*\.png, \.jpg/);
    await fails(['decode', path('a.tlc'), path('no', 'b.png'), ...small], /cannot be written/);
    expect(await files()).toEqual([...before, 'a.tlc'].sort());
  });

  it('refuses references of another size and unknown models', async () => {
    await writeFile(path('a.tlc'), file);
    const other = await png('b.png', picture(60, 90));
    await fails(
      ['decode', path('a.tlc'), path('c.png'), '--reference', other, ...small],
      /b\.png: expected a reference of 90x60, got 60x90/,
    );
    await fails(['encode', path('a.png'), '-m', 'nonesuch'], /nonesuch: model: expected .*got nonesuch/);
    await fails(['encode', path('a.png'), '-m', path('x.safetensors')], /x\.safetensors: cannot be read/);
    await writeFile(path('y.safetensors'), 'no model');
    await fails(['encode', path('a.png'), '-m', path('y.safetensors')], /y\.safetensors: /);
    expect(existsSync(model)).toBe(true);
  });
});

describe('usage errors', () => {
  it.each([
    [['encode', 'a.png', '-q', '101'], /'-q, --quality <0-100>' argument '101' is invalid/],
    [['encode', 'a.png', '-q', 'high'], /Expected a number from 0 to 100/],
    [['encode', 'a.png', '--effort', '11'], /Expected a whole number from 1 to/],
    [['encode', 'a.png', '--tile', '100'], /Expected a multiple of 64/],
    [['encode', 'a.png', '--engine', 'abacus'], /Allowed choices are auto, onnxruntime, wasm/],
    [['encode', 'a.png', '--qality', '5'], /unknown option '--qality' \(Did you mean --quality\?\)/],
    [['encode'], /missing required argument 'input'/],
    [['encode', 'a', 'b', 'c'], /too many arguments/],
    [['decode', 'a.tlc', 'b.jpg', '-q', '0'], /from 1 to 100/],
    [['train'], /required option '--images <folder>' not specified/],
    [['encoed', 'a.png'], /unknown command 'encoed' \(Did you mean encode\?\)/],
  ])('%j exits with 2 and one line', async (args, reason) => {
    const { code, out, err } = await codec(args);
    expect(err).toMatch(/^codec: [^\n]*\n$/);
    expect(err).toMatch(reason);
    expect([code, out]).toEqual([2, '']);
  });

  it('calls bugs unexpected and shows their stack with -v', async () => {
    const bug = new TypeError('something\nbroke');
    const { err } = await fails(
      ['encode', '-', path('x.tlc'), ...small],
      /^codec: standard input: unexpected error: something; broke$/m,
      { stdin: bug },
    );
    expect(err).not.toContain('at ');
    const told = await codec(['encode', '-', path('x.tlc'), '-v', ...small], { stdin: bug });
    expect(told.err).toContain('errors.test.ts');
    const closed = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    expect(await codec(['encode', '-', path('x.tlc')], { stdin: closed })).toMatchObject({
      code: 0,
      err: '',
    });
  });
});
