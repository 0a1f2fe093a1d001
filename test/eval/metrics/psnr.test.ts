import { describe, expect, it } from 'vitest';
import { mse, psnr, psnrOfMse } from '../../../eval/metrics/psnr.js';
import { UsageError } from '../../../src/errors.js';
import { createImage } from '../../../src/io/image.js';

describe('psnr', () => {
  const black = createImage(2, 1, 3);

  it('is over all pixels and colours at once', () => {
    const other = createImage(2, 1, 3, Uint8Array.of(3, 0, 0, 0, 4, 0));
    expect(mse(black, other)).toBeCloseTo(25 / 6, 12);
    expect(psnr(black, other)).toBeCloseTo(10 * Math.log10((255 ** 2 * 6) / 25), 12);
    expect(psnr(black, createImage(2, 1, 3, new Uint8Array(6).fill(255)))).toBe(0);
    expect(psnr(black, black)).toBe(Number.POSITIVE_INFINITY);
    expect(psnrOfMse(255 ** 2 / 1000)).toBeCloseTo(30, 12);
  });

  it('takes gray as equal colours and leaves alpha out', () => {
    const gray = createImage(2, 1, 1, Uint8Array.of(10, 20));
    const grayAlpha = createImage(2, 1, 2, Uint8Array.of(10, 1, 20, 2));
    const color = createImage(2, 1, 4, Uint8Array.of(10, 10, 10, 7, 20, 20, 20, 9));
    expect(mse(gray, color)).toBe(0);
    expect(mse(grayAlpha, gray)).toBe(0);
    expect(mse(black, gray)).toBe(250);
  });

  it('refuses other sizes', () => {
    expect(() => psnr(black, createImage(1, 2, 3))).toThrow(UsageError);
    expect(() => psnr(black, createImage(1, 2, 3))).toThrow(/2x1.*1x2/);
  });
});
