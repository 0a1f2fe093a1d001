/**
 * Rate control as users see it: `codec encode --target-...` and `codec find-close`, what they promise about files, and what
 * they say about wishes that cannot be met.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodePng } from '../../../src/io/index.js';
import { codec, model, picture, small, temporaryFolder } from './support.js';

const { path } = temporaryFolder();

beforeEach(async () => {
  await mkdir(path('photos'));
  await writeFile(join(path('photos'), 'a.png'), encodePng(picture(90, 70)));
  await writeFile(join(path('photos'), 'b.png'), encodePng(picture(130, 64)));
});

const encoding = (...options: string[]): string[] => [
  'encode',
  ...[path('photos/a.png'), path('a.tlc'), ...small, ...options],
];
const finding = (...options: string[]): string[] => [
  'find-close',
  ...[path('photos'), '-m', model, '--engine', 'wasm', ...options],
];

describe('codec encode', () => {
  it('keeps below a target size and says which quality that took', async () => {
    const most = (await codec([...encoding('-q', '80'), '--json'])).out;
    const target = Math.round((JSON.parse(most) as { bytes: number }).bytes * 0.8);
    const { code, err } = await codec(encoding('--target-size', String(target)));
    expect(code).toBe(0);
    expect((await readFile(path('a.tlc'))).length).toBeLessThanOrEqual(target);
    expect(err).toMatch(/bpp, quality [\d.]+, /);
  });

  it('prints the PSNR that it was asked for', async () => {
    const { err } = await codec(encoding('--target-psnr', '31'));
    expect(err).toMatch(/, (30\.9[5-9]|31\.0[0-5]) dB, quality /);
  });

  it.each([
    ['10', /at least \d+ bytes for this picture, got 10/, 1],
    ['none', /whole number/, 2],
  ])('refuses a target size of %s', async (size, message, expected) => {
    const { code, err } = await codec(encoding('--target-size', size));
    expect(code).toBe(expected);
    expect(err).toMatch(message);
  });

  it.each([[['-q', '30', '--target-bpp', '1']], [['--target-bpp', '1', '--target-size', '100']]])(
    'takes one wish: %s',
    async (options) => {
      const { code, err } = await codec(encoding(...options));
      expect(code).toBe(2);
      expect(err).toBe(
        'codec: expected one of --target-size, --target-bpp, --target-psnr, got 2\n'.replace(
          'one of ',
          options.includes('-q') ? 'one of --quality, ' : 'one of ',
        ),
      );
    },
  );
});

describe('codec find-close', () => {
  it('finds a quality for every picture', async () => {
    const { code, out } = await codec(finding('--target-bpp', '1', '--json'));
    expect(code).toBe(0);
    const { found } = JSON.parse(out) as { found: { image: string; bitsPerPixel: number; psnr: number }[] };
    expect(found.map(({ image }) => image)).toEqual(['a.png', 'b.png']);
    for (const { bitsPerPixel, psnr } of found) {
      expect(bitsPerPixel).toBeLessThanOrEqual(1);
      expect(bitsPerPixel).toBeGreaterThan(0.97);
      expect(psnr).toBeGreaterThan(15);
    }
  });

  it('names what it could not do, does the rest, and says so by its exit code', async () => {
    await writeFile(path('photos/c.png'), 'no picture');
    const { code, out, err } = await codec(finding('--target-psnr', '24'));
    expect(code).toBe(3);
    expect(err).toMatch(/c\.png/);
    expect(out).toMatch(/^picture +quality +bytes/);
    expect(out).toMatch(/\nb\.png .*\nmean /);
  });

  it('names pictures that have no such quality, beside the nearest that they have', async () => {
    const { code, out, err } = await codec(finding('--target-size', '1000000', '--json'));
    expect(code).toBe(3);
    expect(err).toMatch(/a\.png: not reached: quality 100 is the nearest, with [\d,]+ bytes, [\d.]+ bpp, /);
    expect(JSON.parse(out).found).toMatchObject([{ quality: 100 }, { quality: 100 }]);
  });

  it('wants a target', async () => {
    const { code, err } = await codec(finding());
    expect(code).toBe(2);
    expect(err).toMatch(/expected one of --target-size, --target-bpp, --target-psnr/);
  });
});
