import { describe, expect, it } from 'vitest';
import { isInstalled } from '../../eval/command.js';
import {
  checkCompetitor,
  competitorCodecs,
  competitorNames,
  defaultCompetitors,
} from '../../eval/competitors.js';
import { measure } from '../../eval/measure.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { UnsupportedError, UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { psnr } from '../../src/metrics/psnr.js';
import { samplePicture } from './pictures.js';

const small = samplePicture(96);
const hasJpegXl = await isInstalled('cjxl');
const runnable = competitorNames.filter((name) => name !== 'jxl' || hasJpegXl);
const bytesOf = async (name: string, quality: number): Promise<number> => {
  const [codec] = await competitorCodecs([name], 1);
  return (await codec.encode(small.image, quality)).bytes.length;
};

describe('competitors', () => {
  it.each(runnable)('%s gets better with the setting', async (name) => {
    const [codec] = await competitorCodecs([name]);
    const metrics = await openMetrics(['psnr']);
    const { settings } = codec;
    const low = await measure(codec, small, settings[1], metrics);
    const high = await measure(codec, small, settings[settings.length - 1], metrics);
    expect(high.bpp).toBeGreaterThan(low.bpp);
    expect(high.psnr).toBeGreaterThan(low.psnr + 3);
    expect([...settings].sort((a, b) => a - b)).toEqual(settings);
    expect(codec.version).not.toMatch(/unknown/);
  });

  it('codes gray pictures as equal colours', async () => {
    const samples = Uint8Array.from({ length: 1024 }, (_, n) => n >> 2);
    const gray = createImage(32, 32, 1, samples);
    for (const codec of await competitorCodecs(runnable)) {
      const { bytes } = await codec.encode(gray, codec.settings[codec.settings.length - 1]);
      expect(psnr(gray, (await codec.decode(bytes)).image)).toBeGreaterThan(35);
    }
  });

  it('take efforts, which are in name and version and change the file', async () => {
    const [fast, usual] = await competitorCodecs(['webp:0', 'webp']);
    expect([fast.name, usual.name]).toEqual(['webp:0', 'webp']);
    expect(fast.version).toMatch(/effort 0$/);
    expect(usual.version).toMatch(/effort 6$/);
    expect(await bytesOf('webp:0', 45)).not.toBe(await bytesOf('webp', 45));
    expect(await bytesOf('webp:6', 45)).toBe(await bytesOf('webp', 45));
    expect(await bytesOf('avif:0', 45)).not.toBe(await bytesOf('avif:6', 45));
  });

  it('are known by name, and efforts by their range', async () => {
    const refuses = async (name: string, reason: RegExp): Promise<void> => {
      await expect(competitorCodecs([name])).rejects.toThrow(reason);
      expect(() => checkCompetitor(name)).toThrow(UsageError);
    };
    await refuses('gif', /one of jpeg, mozjpeg, webp, avif, jxl, got gif/);
    await refuses('avif:10', /an effort from 0 to 9 for avif, got 10/);
    await refuses('webp:', /an effort from 0 to 6 for webp, got $/);
    await refuses('jpeg:3', /jpeg without an effort, got jpeg:3/);
    expect(await competitorCodecs([])).toEqual([]);
    expect(defaultCompetitors).toEqual(['jpeg', 'mozjpeg', 'webp', 'avif']);
  });

  it.skipIf(hasJpegXl)('say which program is not installed', async () => {
    await expect(competitorCodecs(['jxl'])).rejects.toThrow(UnsupportedError);
    await expect(competitorCodecs(['jxl'])).rejects.toThrow(/program cjxl to be installed/);
  });
});
