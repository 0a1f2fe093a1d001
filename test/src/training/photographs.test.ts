/**
 * Folders of photographs: every readable picture becomes 8-bit RGB, what cannot be read is reported once and skipped, and
 * memory stays within its limit.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import type { Channels } from '../../../src/io/image.js';
import { encodePng } from '../../../src/io/png.js';
import { Photographs } from '../../../src/training/photographs.js';
import { picture } from '../../golden/pictures.js';
import { type Workplace, workplace } from './support.js';

let place: Workplace;
beforeAll(() => {
  place = workplace(3);
});
afterAll(() => place.remove());

/** A folder in the workplace with these files. */
function folderOf(name: string, files: Readonly<Record<string, Uint8Array>>): string {
  const folder = place.path(name);
  mkdirSync(folder);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes);
  return folder;
}

const png = (width: number, height: number, channels: Channels = 3): Uint8Array =>
  encodePng(picture('mixed', width, height, channels));

describe('Photographs', () => {
  it('are in the order of their names and hold the pixels of the files', async () => {
    const images = await Photographs.open(place.images, { leastSide: 64 });
    expect(images.count).toBe(3);
    for (let k = 0; k < 3; k++) {
      expect(images.name(k)).toMatch(new RegExp(`picture-${k}\\.png$`));
      const { width, height, data } = picture(k % 2 ? 'texture' : 'mixed', 96, 80, 3, k);
      const got = await images.get(k);
      expect(got).toMatchObject({ width, height });
      expect(Buffer.compare(got!.data, data)).toBe(0);
    }
  });

  it('become 8-bit RGB, whatever they were', async () => {
    const gray16 = await sharp(new Uint16Array(80 * 70).fill(32768), {
      raw: { width: 80, height: 70, channels: 1 },
    })
      .toColourspace('grey16')
      .png()
      .toBuffer();
    const rgb = sharp(picture('mixed', 80, 70).data, { raw: { width: 80, height: 70, channels: 3 } });
    const folder = folderOf('kinds', {
      'a.png': png(80, 70, 1),
      'b.png': png(80, 70, 2),
      'c.png': png(80, 70, 4),
      'd.png': gray16,
      'e.jpg': await rgb.clone().jpeg().toBuffer(),
      'f.webp': await rgb.clone().webp().toBuffer(),
      'g.JPEG': await rgb.clone().toColourspace('cmyk').jpeg().toBuffer(),
      'h.jpg': await rgb.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    });
    const images = await Photographs.open(folder, { leastSide: 64 });
    expect(images.count).toBe(8);
    for (let k = 0; k < images.count; k++) {
      const got = await images.get(k);
      expect(got?.data.length, images.name(k)).toBe(80 * 70 * 3);
      expect([got?.width, got?.height], images.name(k)).toEqual(k === 7 ? [70, 80] : [80, 70]);
    }
  });

  it('that are unreadable or too small are reported once, with the reason, and skipped', async () => {
    const good = png(80, 80);
    const damaged = Buffer.from(
      await sharp(picture('noise', 200, 200).data, { raw: { width: 200, height: 200, channels: 3 } })
        .png()
        .toBuffer(),
    );
    damaged.fill(0x55, damaged.length >> 1);
    const folder = folderOf('faulty', {
      'a-broken-header.png': Uint8Array.of(1, 2, 3),
      'b-empty.jpg': new Uint8Array(0),
      'c-small.png': png(63, 100),
      'd-good.png': good,
      'e-broken-pixels.png': damaged,
      'notes.txt': new TextEncoder().encode('no picture'),
    });
    const skipped: [file: string, reason: string][] = [];
    const images = await Photographs.open(folder, {
      leastSide: 64,
      onSkip: (file, reason) => skipped.push([file.slice(folder.length + 1), reason]),
    });
    expect(images.count).toBe(2);
    expect((await images.get(0))?.width).toBe(80);
    for (let attempt = 0; attempt < 3; attempt++) expect(await images.get(1)).toBeUndefined();
    expect(skipped.map(([file]) => file)).toEqual([
      'a-broken-header.png',
      'b-empty.jpg',
      'c-small.png',
      'e-broken-pixels.png',
    ]);
    expect(skipped[2][1]).toBe('63x100 is smaller than 64');
    for (const [, reason] of skipped) expect(reason).toMatch(/^.+$/);
  });

  it('are refused where there are none', async () => {
    const without = folderOf('without', { 'notes.txt': new Uint8Array(1), 'small.png': png(10, 10) });
    for (const folder of [without, place.path('missing'), join(place.images, 'picture-0.png')]) {
      await expect(Photographs.open(folder, { leastSide: 64 })).rejects.toBeInstanceOf(UsageError);
    }
  });

  it('are kept up to the memory limit and decoded again beyond it', async () => {
    const size = 96 * 80 * 3;
    const images = await Photographs.open(place.images, { leastSide: 64, memory: 2 * size });
    const first = await images.get(0);
    expect(await images.get(0)).toBe(first);
    await images.get(1);
    expect(await images.get(0)).toBe(first);
    await images.get(2);
    // Picture 1 was the one not used for longest.
    expect(await images.get(0)).toBe(first);
    await images.get(1);
    await images.get(2);
    const again = await images.get(0);
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });

  it('are scaled to exactly the size asked for', async () => {
    const images = await Photographs.open(place.images, { leastSide: 64 });
    const scaled = await images.resize((await images.get(0))!, 31, 17);
    expect(scaled).toMatchObject({ width: 31, height: 17 });
    expect(scaled.data.length).toBe(31 * 17 * 3);
  });

  it('are not changed by reading them', async () => {
    const path = join(place.images, 'picture-0.png');
    const before = readFileSync(path);
    const images = await Photographs.open(place.images, { leastSide: 64 });
    await images.get(0);
    expect(readFileSync(path)).toEqual(before);
  });
});
