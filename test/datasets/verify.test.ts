import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  findDataset,
  findDatasetIfPresent,
  folderDataset,
  loadImage,
  pixelHash,
  verifyDataset,
} from '../../datasets/index.js';
import { IntegrityError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { encodePng } from '../../src/io/png.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verify-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const picture = createImage(
  3,
  2,
  3,
  Uint8Array.from({ length: 18 }, (_, n) => 13 * n),
);

describe('pixelHash', () => {
  it('is that of the text of the size and the samples', () => {
    // printf '1x1x3\n\001\002\003' | sha256sum
    expect(pixelHash(createImage(1, 1, 3, Uint8Array.of(1, 2, 3)))).toBe(
      '7c528aadb229a724d6bf55574c9b25ac47a004d015d9355e373d2fa24fde9be4',
    );
  });

  it('ignores alpha and tells sizes and samples apart', () => {
    const wide = createImage(2, 1, 3, Uint8Array.of(1, 2, 3, 4, 5, 6));
    const high = createImage(1, 2, 3, wide.data);
    expect(pixelHash(createImage(2, 1, 4, Uint8Array.of(1, 2, 3, 9, 4, 5, 6, 0)))).toBe(pixelHash(wide));
    expect(pixelHash(high)).not.toBe(pixelHash(wide));
  });
});

describe('verifyDataset', () => {
  it('knows listed files, repacked copies, unlisted ones and bad ones', async () => {
    const png = encodePng(picture);
    for (const name of ['a.png', 'b.png', 'c.png']) await writeFile(join(folder, name), png);
    const other = createImage(
      3,
      2,
      3,
      Uint8Array.from({ length: 18 }, (_, n) => 13 * n + (n === 7 ? 1 : 0)),
    );
    await writeFile(join(folder, 'd.png'), encodePng(other));
    await writeFile(join(folder, 'e.png'), png.subarray(0, 60));
    const hashes = { sha256: '0'.repeat(64), pixels: pixelHash(picture) };
    const { sha256 } = await loadImage({ name: 'a.png', path: join(folder, 'a.png') });
    const entry = (name: string, known: object) => ({ name, path: join(folder, name), ...known });
    const images = [
      entry('a.png', { sha256 }),
      entry('b.png', hashes),
      entry('c.png', {}),
      ...['d.png', 'e.png', 'f.png'].map((name) => entry(name, hashes)),
    ];
    const seen: number[] = [];
    const states = await verifyDataset({ name: 'mine', folder, images, complete: true }, (done) =>
      seen.push(done),
    );
    expect(states.map(({ state }) => state)).toEqual(['file', 'pixels', 'unlisted', 'bad', 'bad', 'bad']);
    expect(states[3].reason).toMatch(/d\.png: expected SHA-256 0{64}, got [0-9a-f]{64}; the file is damaged/);
    expect(states[4].reason).toMatch(/e\.png: expected SHA-256/);
    expect(states[5].reason).toMatch(/f\.png' but it cannot be read/);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('names absent pictures of a folder with a manifest', async () => {
    await writeFile(join(folder, 'a.png'), encodePng(picture));
    await writeFile(join(folder, 'SHA256SUMS'), `${'0'.repeat(64)}  b.png\n`);
    const states = await verifyDataset(await folderDataset(folder, { allowAbsent: true }));
    expect(states.map(({ name, state }) => `${name} ${state}`)).toEqual(['a.png unlisted', 'b.png bad']);
  });

  it('takes a Kodak picture that was repacked as WebP without loss', async ({ skip }) => {
    const found = await findDatasetIfPresent('kodak');
    if (!found) return skip('the images of kodak are not here');
    await mkdir(join(folder, 'kodak'));
    const [first, second] = found.images;
    await sharp(first.path)
      .webp({ lossless: true })
      .toFile(join(folder, 'kodak', 'kodim01.webp'));
    await sharp(second.path)
      .webp({ quality: 99 })
      .toFile(join(folder, 'kodak', 'kodim02.webp'));
    await copyFile(found.images[2].path, join(folder, 'kodak', 'kodim03.png'));
    const dataset = await findDataset('kodak', { dataDir: folder, allowAbsent: true });
    const repacked = await loadImage(dataset.images[0]);
    expect(repacked.name).toBe('kodim01.png');
    expect(repacked.sha256).not.toBe(first.sha256);
    expect(repacked.pixels).toBe(first.pixels);
    await expect(loadImage(dataset.images[1])).rejects.toThrow(IntegrityError);
    const states = await verifyDataset(dataset);
    expect(states.slice(0, 3).map(({ state }) => state)).toEqual(['pixels', 'bad', 'file']);
    expect(states.slice(3).every(({ state }) => state === 'bad')).toBe(true);
  });
});
