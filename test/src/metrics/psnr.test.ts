import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { createImage, mergeAlpha, splitAlpha } from '../../../src/io/image.js';
import { lumaPsnr, mse, psnr } from '../../../src/metrics/psnr.js';
import { noise } from '../io/pictures.js';

describe('psnr', () => {
  it('is infinite for equal pictures', () => {
    expect(psnr(noise(8, 8, 3), noise(8, 8, 3))).toBe(Number.POSITIVE_INFINITY);
  });

  it('follows its definition', () => {
    const [a, b] = [noise(9, 7, 3, 1), noise(9, 7, 3, 2)];
    const sum = a.data.reduce((total, value, i) => total + (value - b.data[i]) ** 2, 0);
    expect(mse(a, b)).toBe(sum / (9 * 7 * 3));
    expect(psnr(a, b)).toBeCloseTo(20 * Math.log10(255 / Math.sqrt(sum / 189)), 12);
  });

  it('knows one step everywhere as 48.13 dB', () => {
    const [a, b] = [
      createImage(4, 4, 3, new Uint8Array(48).fill(7)),
      createImage(4, 4, 3, new Uint8Array(48).fill(8)),
    ];
    expect(psnr(a, b)).toBeCloseTo(48.1308, 4);
  });

  it('leaves alpha out and counts gray as three equal colours', () => {
    const a = noise(5, 5, 4, 1);
    const b = noise(5, 5, 4, 2);
    expect(mse(a, b)).toBe(mse(splitAlpha(a).color, splitAlpha(b).color));
    const gray = noise(5, 5, 1, 3);
    const rgb = createImage(
      5,
      5,
      3,
      Uint8Array.from({ length: 75 }, (_, i) => gray.data[Math.floor(i / 3)]),
    );
    expect(mse(gray, rgb)).toBe(0);
    expect(mse(mergeAlpha(gray, new Uint8Array(25)), noise(5, 5, 1, 4))).toBe(mse(gray, noise(5, 5, 1, 4)));
  });

  it('refuses pictures of different sizes', () => {
    expect(() => psnr(noise(4, 5, 3), noise(5, 4, 3))).toThrow(UsageError);
  });
});

describe('lumaPsnr', () => {
  it('weighs colours as BT.601 does', () => {
    const [a, b] = [noise(9, 7, 3, 1), noise(9, 7, 3, 2)];
    let sum = 0;
    for (let n = 0; n < a.data.length; n += 3) {
      const difference = (k: number): number => a.data[n + k] - b.data[n + k];
      sum += (0.299 * difference(0) + 0.587 * difference(1) + 0.114 * difference(2)) ** 2;
    }
    expect(lumaPsnr(a, b)).toBeCloseTo(20 * Math.log10(255 / Math.sqrt(sum / 63)), 10);
  });

  it('is that of the samples for gray, ignores alpha, and does not see equal luma', () => {
    const [a, b] = [noise(6, 6, 1, 1), noise(6, 6, 1, 2)];
    expect(lumaPsnr(a, b)).toBeCloseTo(psnr(a, b), 10);
    const rgba = noise(5, 5, 4, 3);
    expect(lumaPsnr(rgba, splitAlpha(rgba).color)).toBe(Number.POSITIVE_INFINITY);
    // 299 * 114 and 114 * 299 thousandths.
    const red = createImage(1, 1, 3, Uint8Array.of(114, 0, 0));
    const nearBlue = createImage(1, 1, 3, Uint8Array.of(0, 0, 255));
    expect(lumaPsnr(red, nearBlue)).toBeGreaterThan(30);
    expect(() => lumaPsnr(noise(4, 5, 3), noise(5, 4, 3))).toThrow(UsageError);
  });
});
