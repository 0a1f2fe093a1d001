import { chmod, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  metricKeys,
  metricNames,
  metricsFor,
  openMetrics,
  parseMetrics,
} from '../../../eval/metrics/metrics.js';
import { msSsim } from '../../../eval/metrics/ms-ssim.js';
import { UnsupportedError, UsageError } from '../../../src/errors.js';
import { createImage, type Image } from '../../../src/io/image.js';
import { lumaPsnr, psnr } from '../../../src/metrics/psnr.js';
import { samplePicture } from '../pictures.js';
import { pictureFolder } from '../step-codec.js';

const { path } = pictureFolder();
const { image } = samplePicture(176);
const darker: Image = { ...image, data: image.data.map((value) => Math.max(0, value - 9)) };

const before = process.env.PATH;
beforeEach(() => {
  process.env.PATH = path();
});
afterEach(() => {
  process.env.PATH = before;
});

/** Puts a program on the search path that prints a text if it is given two PNG files. */
async function install(name: string, text: string): Promise<void> {
  const script = `#!${process.execPath}
const { readFileSync } = require('node:fs');
if (process.argv.length < 4) process.exit(1);
for (const file of process.argv.slice(2)) if (readFileSync(file)[1] !== 80) process.exit(2);
console.log(${JSON.stringify(text)});`;
  await writeFile(path(name), script);
  await chmod(path(name), 0o755);
}

describe('openMetrics', () => {
  it('always has PSNR over RGB and luma, and MS-SSIM on request', async () => {
    const plain = await openMetrics([]);
    expect(plain.names).toEqual(['psnr']);
    const two = { psnr: psnr(image, darker), lumaPsnr: lumaPsnr(image, darker) };
    expect(await plain.measure(image, darker)).toEqual(two);
    const more = await openMetrics(['ms-ssim']);
    expect(await more.measure(image, darker)).toEqual({ ...two, msSsim: msSsim(image, darker) });
    const small = createImage(40, 40, 3);
    expect(Object.keys(await more.measure(small, small))).toEqual(['psnr', 'lumaPsnr']);
  });

  it('asks programs, and takes the number out of what they print', async () => {
    await install('ssimulacra2', '-71.25');
    await install('butteraugli_main', '3.3842084408\n3-norm: 1.605048');
    const metrics = await openMetrics(['butteraugli', 'ssimulacra2']);
    expect(metrics.names).toEqual(['psnr', 'ssimulacra2', 'butteraugli']);
    expect(Object.keys(metrics.versions)).toEqual(['butteraugli_main', 'ssimulacra2']);
    expect(await metrics.measure(image, darker)).toMatchObject({
      ssimulacra2: -71.25,
      butteraugli: 1.605048,
    });
    await install('ssimulacra2', 'what?');
    await expect(metrics.measure(image, darker)).rejects.toThrow(UnsupportedError);
    await expect(metrics.measure(image, darker)).rejects.toThrow(
      /a number from ssimulacra2 but it printed 'what\?'/,
    );
  });

  it('names programs that are not installed', async () => {
    const metrics = await openMetrics(['ssimulacra2', 'psnr']);
    expect(metrics.names).toEqual(['psnr']);
    expect(metrics.missing).toEqual([
      {
        name: 'ssimulacra2',
        reason: expect.stringMatching(/the program ssimulacra2, which is not installed/),
      },
    ]);
  });
});

describe('names', () => {
  it('are checked', () => {
    expect(parseMetrics('psnr, ms-ssim,psnr')).toEqual(['psnr', 'ms-ssim']);
    expect(() => parseMetrics('vmaf')).toThrow(UsageError);
    expect(() => parseMetrics('')).toThrow(/some of psnr, ms-ssim, ssimulacra2, butteraugli, got $/);
    expect(Object.keys(metricKeys)).toEqual([...metricNames]);
  });

  it('fit sizes', () => {
    expect(metricsFor(['psnr', 'ms-ssim'], { width: 161, height: 161 })).toEqual(['psnr', 'ms-ssim']);
    expect(metricsFor(['psnr', 'ms-ssim'], { width: 161, height: 160 })).toEqual(['psnr']);
  });
});
