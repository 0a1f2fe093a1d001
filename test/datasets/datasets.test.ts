import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  dataFolders,
  datasetNames,
  findDataset,
  findDatasetIfPresent,
  folderDataset,
  knownDatasets,
  kodakManifest,
  loadImage,
  tecnickManifest,
} from '../../datasets/index.js';
import { IntegrityError, UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { encodePng } from '../../src/io/png.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'datasets-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const png = encodePng(createImage(2, 1, 4, Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 0)));
const pngHash = createHash('sha256').update(png).digest('hex');

describe('manifests', () => {
  it('have a hash for every picture', () => {
    expect(Object.keys(kodakManifest)).toHaveLength(24);
    expect(Object.keys(tecnickManifest)).toHaveLength(30);
    const all = [...Object.values(kodakManifest), ...Object.values(tecnickManifest)];
    for (const { sha256, pixels } of all) {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(pixels).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(new Set(all.flatMap(({ sha256, pixels }) => [sha256, pixels])).size).toBe(2 * 54);
  });

  // Only where the pictures are: they are not part of the project.
  it.for(datasetNames)('match the pictures of %s on this machine', async (name, { skip }) => {
    const found = await findDatasetIfPresent(name);
    if (!found) return skip(`the images of ${name} are not in ${dataFolders().join(' or ')}`);
    const { image, pixels } = await loadImage(found.images[0]);
    expect(image.channels).toBe(3);
    if (knownDatasets[name].manifest) expect(pixels).toBe(found.images[0].pixels);
    expect(found.images.every(({ sha256 }) => sha256 !== undefined)).toBe(true);
  });
});

describe('findDataset', () => {
  it('says where it looked and where to get an absent set', async () => {
    const finding = findDataset('kodak', { dataDir: folder });
    await expect(finding).rejects.toThrow(UsageError);
    await expect(finding).rejects.toThrow(join(folder, 'kodak'));
    await expect(finding).rejects.toThrow(/r0k\.us.*CODEC_DATA/);
    expect(await findDatasetIfPresent('kodak', { dataDir: folder })).toBeUndefined();
  });

  it('names an absent file', async () => {
    await mkdir(join(folder, 'kodak'));
    for (const name of Object.keys(kodakManifest)) {
      if (name !== 'kodim07.png') await writeFile(join(folder, 'kodak', name), png);
    }
    await expect(findDataset('kodak', { dataDir: folder })).rejects.toThrow(/kodim07\.png is absent$/);
  });

  it('names a damaged file when it is loaded', async () => {
    await mkdir(join(folder, 'kodak'));
    for (const name of Object.keys(kodakManifest)) await writeFile(join(folder, 'kodak', name), png);
    const { images, complete } = await findDataset('kodak', { dataDir: folder });
    expect(complete).toBe(true);
    const loading = loadImage(images[2]);
    await expect(loading).rejects.toThrow(IntegrityError);
    await expect(loading).rejects.toThrow(/kodim03\.png: expected SHA-256 e25ca1ff/);
  });

  it('knows its names, and nothing else of objects', async () => {
    await expect(findDataset('imagenet')).rejects.toThrow(/expected one of kodak, tecnick, validation/);
    await expect(findDataset('toString')).rejects.toThrow(UsageError);
  });

  it('looks where the environment says, then beside the project', () => {
    const before = process.env.CODEC_DATA;
    process.env.CODEC_DATA = folder;
    expect(dataFolders()[0]).toBe(folder);
    expect(dataFolders()[1]).toMatch(/shared.data$/);
    expect(dataFolders({ dataDir: 'here' })).toEqual(['here']);
    if (before === undefined) delete process.env.CODEC_DATA;
    else process.env.CODEC_DATA = before;
  });
});

describe('folderDataset', () => {
  it('takes the pictures of a folder in order and leaves out alpha', async () => {
    for (const name of ['b.png', 'a.png', 'notes.txt']) await writeFile(join(folder, name), png);
    const { images, name } = await folderDataset(folder, { name: 'mine' });
    expect(name).toBe('mine');
    expect(images.map((image) => image.name)).toEqual(['a.png', 'b.png']);
    const loaded = await loadImage(images[0]);
    expect(loaded.sha256).toBe(pngHash);
    expect([...loaded.image.data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([
    ['SHA256SUMS', `${pngHash}  a.png\n`],
    ['manifest.tsv', `file\tlicence\tsha256\na.png\tCC0\t${pngHash}\n`],
  ])('checks files against %s', async (manifest, text) => {
    await writeFile(join(folder, manifest), text);
    await expect(folderDataset(folder)).rejects.toThrow(/none/);
    await writeFile(join(folder, 'b.png'), png);
    await expect(folderDataset(folder)).rejects.toThrow(/a\.png .*absent/);
    await writeFile(join(folder, 'a.png'), png);
    const { images } = await folderDataset(folder);
    expect(images.map(({ sha256 }) => sha256)).toEqual([pngHash, undefined]);
    await writeFile(join(folder, 'a.png'), png.slice(0, -1));
    await expect(loadImage(images[0])).rejects.toThrow(IntegrityError);
  });

  it('knows names that were listed as ./*, and leaves subfolders and an empty manifest out', async () => {
    for (const name of ['a.png', 'b.png']) await writeFile(join(folder, name), png);
    await writeFile(join(folder, 'SHA256SUMS'), `${pngHash}  ./a.png\n${pngHash}  ./sub/c.png\n`);
    const { images } = await folderDataset(folder, { allowAbsent: true });
    expect(images.map(({ name, sha256 }) => [name, sha256])).toEqual([
      ['a.png', pngHash],
      ['b.png', undefined],
    ]);
    await rm(join(folder, 'SHA256SUMS'));
    await writeFile(join(folder, 'manifest.tsv'), '');
    expect((await folderDataset(folder)).images).toHaveLength(2);
  });

  it('names missing folders and files, and odd manifests', async () => {
    await expect(folderDataset(join(folder, 'no'))).rejects.toThrow(UsageError);
    await writeFile(join(folder, 'a.png'), png);
    const { images } = await folderDataset(folder);
    await rm(join(folder, 'a.png'));
    await expect(loadImage(images[0])).rejects.toThrow(/a\.png/);
    await writeFile(join(folder, 'SHA256SUMS'), 'what is this');
    await expect(folderDataset(folder)).rejects.toThrow(/'what is this'/);
  });
});
