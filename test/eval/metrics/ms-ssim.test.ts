import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findDatasetIfPresent, loadImage } from '../../../datasets/index.js';
import { leastMsSsimSide, msSsim, msSsimDecibels } from '../../../eval/metrics/ms-ssim.js';
import { UsageError } from '../../../src/errors.js';
import { type Channels, createImage, type Image, packageRoot, readImage } from '../../../src/io/index.js';

/** A picture by an integer formula, and the same with noise, so that other programs can make them too. */
function pictures(width: number, height: number, channels: Channels, amplitude: number): [Image, Image] {
  const clean = createImage(width, height, channels);
  const noisy = createImage(width, height, channels);
  for (let y = 0, n = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < channels; k++, n++) {
        const slow = Math.floor((x * x * (3 + k) + y * (7 + 2 * k) * x + 11 * y * y) / 64) % 200;
        clean.data[n] = (slow + ((x * 13 + y * 29 + k * 17) % 31)) % 256;
        const noise =
          ((((x * 7919 + y * 104729 + k * 1299709) * 31) % 1009) % (2 * amplitude + 1)) - amplitude;
        noisy.data[n] = Math.min(Math.max(clean.data[n] + noise, 0), 255);
      }
    }
  }
  return [clean, noisy];
}

/** The sample picture of the package, or a picture of Kodak where the set is here. */
async function goldenPicture(name: string): Promise<Image | undefined> {
  if (name === 'sample') return (await readImage(join(packageRoot(), 'assets', 'sample.png'))).image;
  const entry = (await findDatasetIfPresent('kodak'))?.images.find((image) => image.name === name);
  return entry && (await loadImage(entry)).image;
}

describe('msSsim', () => {
  // Made by a NumPy program with SciPy's convolve2d and the whole 11x11 window, symmetric padding before halving.
  it.each<[number, number, Channels, number, number]>([
    [176, 192, 3, 12, 0.9950358470607205],
    [163, 201, 3, 40, 0.902698753450441],
    [192, 176, 1, 90, 0.7788950110122141],
  ])(
    'agrees with an independent implementation on %dx%dx%d with noise of %d',
    (w, h, c, amplitude, value) => {
      const [clean, noisy] = pictures(w, h, c, amplitude);
      expect(msSsim(clean, noisy)).toBeCloseTo(value, 12);
      expect(msSsim(noisy, clean)).toBeCloseTo(value, 12);
    },
  );

  // ms_ssim of the Python package pytorch-msssim 1.0.0, the one that CompressAI uses, in float64 on PyTorch 1.13.1; its
  // window and weights are float32, which is what the last digits differ by.
  const golden: readonly (readonly [string, readonly (readonly [number, number])[]])[] = [
    [
      'sample',
      [
        [8, 0.9924527748846358],
        [24, 0.9414400588628155],
        [64, 0.8424091840099789],
      ],
    ],
    [
      'kodim05.png',
      [
        [8, 0.9981411159051432],
        [24, 0.9819159693430839],
        [64, 0.9022594034799623],
      ],
    ],
    [
      'kodim19.png',
      [
        [8, 0.9947860851891033],
        [24, 0.9466932610907581],
        [64, 0.8058128162426902],
      ],
    ],
  ];
  it.for(golden)(
    'agrees with what CompressAI uses on %s, samples cut to steps',
    async ([name, values], { skip }) => {
      const image = await goldenPicture(name);
      if (!image) return skip(`${name} is not here`);
      for (const [step, value] of values) {
        const cut = image.data.map((sample) => Math.min(Math.floor(sample / step) * step + step / 2, 255));
        const decoded = createImage(image.width, image.height, image.channels, cut);
        expect(Math.abs(msSsim(image, decoded) - value)).toBeLessThan(3e-6);
      }
    },
  );

  it('is 1 for equal pictures, gray against RGB included, and ignores alpha', () => {
    const [gray] = pictures(170, 161, 1, 1);
    const wide = (channels: 3 | 4): Image =>
      createImage(
        170,
        161,
        channels,
        Uint8Array.from({ length: 170 * 161 * channels }, (_, n) =>
          n % channels === 3 ? n % 251 : gray.data[Math.floor(n / channels)],
        ),
      );
    expect(msSsim(gray, gray)).toBeCloseTo(1, 12);
    expect(msSsim(gray, wide(3))).toBeCloseTo(1, 12);
    expect(msSsim(wide(4), wide(3))).toBeCloseTo(1, 12);
  });

  it('takes negative structure as 0', () => {
    const [clean] = pictures(176, 176, 1, 1);
    const inverse = createImage(
      176,
      176,
      1,
      clean.data.map((value) => 255 - value),
    );
    expect(msSsim(clean, inverse)).toBe(0);
  });

  it('refuses other sizes and short sides', () => {
    const side = leastMsSsimSide;
    expect(side).toBe(161);
    expect(() => msSsim(createImage(side, side, 1), createImage(side, side + 1, 1))).toThrow(UsageError);
    expect(() => msSsim(createImage(side, 160, 1), createImage(side, 160, 1))).toThrow(
      /at least 161.*161x160/,
    );
  });
});

it('gives decibels', () => {
  expect(msSsimDecibels(0.99)).toBeCloseTo(20, 10);
  expect(msSsimDecibels(1)).toBe(Number.POSITIVE_INFINITY);
});
