import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kodakManifest } from '../../../datasets/index.js';
import { encodePng } from '../../../src/io/index.js';
import { codec, fails, picture, temporaryFolder, works } from './support.js';

const { path } = temporaryFolder();

const before = process.env.CODEC_DATA;
beforeEach(() => {
  delete process.env.CODEC_DATA;
});
afterEach(() => {
  if (before !== undefined) process.env.CODEC_DATA = before;
});

async function validationSet(): Promise<void> {
  await mkdir(path('validation'));
  await writeFile(path('validation', 'a.png'), encodePng(picture(20, 10)));
  await writeFile(path('validation', 'SHA256SUMS'), `${'0'.repeat(64)}  b.png\n`);
}

describe('codec datasets', () => {
  it('lists the sets with where they lie or come from', async () => {
    await validationSet();
    const { out } = await works(['datasets', 'list', '--data', path()]);
    expect(out).toMatch(/^kodak +24 .*absent; from http:\/\/r0k\.us/m);
    expect(out).toMatch(/^tecnick +30 .*testimages\.org/m);
    expect(out).toContain(`${path('validation')}\n`);
    process.env.CODEC_DATA = path();
    const sets = JSON.parse((await works(['datasets', 'list', '--json'])).out);
    expect(sets[2]).toMatchObject({ name: 'validation', images: 2, folder: path('validation') });
    expect(sets.map(({ name }: { name: string }) => name)).toEqual(['kodak', 'tecnick', 'validation']);
  });

  it('verifies, names every absent or damaged picture, and fails then', async () => {
    await validationSet();
    await mkdir(path('kodak'));
    await writeFile(path('kodak', 'kodim01.png'), encodePng(picture(20, 10)));
    const { code, out, err } = await codec(['datasets', 'verify', 'validation', 'kodak', '--data', path()]);
    expect(code).toBe(1);
    expect(err).toBe('codec: validation, kodak: 25 pictures are absent or damaged\n');
    expect(out).toContain(`validation in ${path('validation')}: 1 not in the manifest, 1 bad\n`);
    expect(out).toMatch(/kodim01\.png: expected SHA-256 a56e27cb/);
    expect(out).toMatch(/kodim24\.png' but it cannot be read/);
    await writeFile(path('validation', 'SHA256SUMS'), '');
    const good = await works(['datasets', 'verify', 'validation', '--data', path(), '--json']);
    expect(JSON.parse(good.out)[0].images).toEqual([{ name: 'a.png', state: 'unlisted' }]);
    await fails(
      ['datasets', 'verify', 'tecnick', '--data', path()],
      /tecnick: expected the images in '.*they come/,
    );
    await fails(['datasets', 'verify', 'clic'], /clic: data set: expected one of kodak, tecnick, validation/);
  });

  it('fetches from a mirror, and says what arrived wrong', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      response.end('not a picture');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const mirror = ['--from', `http://127.0.0.1:${port}/mirror`, '--data', path('data')];
    const { code, err } = await codec(['datasets', 'fetch', 'kodak', ...mirror]);
    server.close();
    expect(code).toBe(1);
    expect(asked).toEqual(['/mirror/kodim01.png']);
    expect(err).toMatch(
      /^1\/24 kodim01\.png\ncodec: kodak: http.*: expected a file of SHA-256 a56e27cb.*nothing/,
    );
    expect(Object.keys(kodakManifest)[0]).toBe('kodim01.png');
    await fails(['datasets', 'fetch', 'tecnick', '--data', path()], /testimages\.org.*Put the files into/);
  });
});
