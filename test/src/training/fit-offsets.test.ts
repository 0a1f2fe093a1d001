/**
 * Offsets of values: rounding, which they are measured against, needs none; without that comparison they are the mean
 * error of what a quantizer leaves to a value, so that none is left; rare values keep theirs near zero.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Coder, coderOf } from '../../../codec/coder.js';
import { offsetColumns } from '../../../codec/quantizers/dequantize.js';
import { type Quantization, quantizationOf, quantizerNames } from '../../../codec/quantizers/registry.js';
import {
  type ExpectedError,
  fitOffsets,
  habitualErrors,
  measureHabits,
  roundingErrors,
} from '../../../src/training/fit-offsets.js';
import { type AnalysedPicture, analysePicture } from '../../../src/training/fit-tables.js';
import { tinyModel } from '../../golden/cases.js';
import { picture } from '../../golden/pictures.js';

let coder: Coder;
let rounding: ExpectedError;
const pictures: AnalysedPicture[] = [];

beforeAll(async () => {
  coder = await coderOf(await tinyModel(), 'wasm', 1);
  for (const quality of [30, 70]) {
    pictures.push(await analysePicture(coder, picture('mixed', 192, 128, 3, 1), quality));
  }
  rounding = roundingErrors(coder.entropy, coder.model.tables.scales, pictures);
});

const plain = (name: string): Quantization => {
  const own = quantizationOf(coder.model, name);
  return { ...own, offsets: own.offsets.map(() => 0) };
};

/** Mean of |latent| - |value| over all nonzero values. */
function bias(quantization: Quantization): number {
  let [sum, count] = [0, 0];
  for (const { area, height, width, rate } of pictures) {
    const passes: { residuals: Float32Array; indices: Int32Array; means: Float32Array; at: Int32Array }[] =
      [];
    const { passes: values } = coder.entropy.encode(area, height, width, rate, quantization, {
      pass: ({ residuals, indices, prediction, positions }) =>
        passes.push({ residuals, indices, means: prediction.means.slice(), at: positions }),
    });
    for (const [pass, { residuals, indices, means, at }] of passes.entries()) {
      for (const [n, index] of indices.entries()) {
        if (index === 0) continue;
        const value = values[pass][at[n]] - means[at[n]];
        sum += Math.sign(index) * (residuals[n] - value);
        count++;
      }
    }
  }
  return sum / count;
}

describe('fitOffsets', () => {
  it('gives rounding none: it is what others are compared with', () => {
    const { offsets } = fitOffsets(coder.entropy, plain('round'), rounding, pictures);
    expect(offsets).toEqual(new Float32Array(offsets.length));
  });

  it.each(quantizerNames)('takes the mean error away where the synthesis has no habits: %s', (name) => {
    const before = plain(name);
    const none = bias(before);
    // Where nothing is known the offset is 0, and counting starts at once.
    const options = { shrinkage: 0, priorWeight: 1e-6 };
    const fitted = fitOffsets(coder.entropy, before, rounding, pictures, options);
    expect({ ...fitted, offsets: before.offsets }).toEqual(before);
    expect(fitted.offsets.every(Number.isFinite)).toBe(true);
    // Other values make other contexts, so that not all of it goes.
    const left = Math.abs(bias(fitted));
    expect(left).toBeLessThan(Math.max(0.3 * Math.abs(none), 0.01));
  });

  it('keeps offsets of rare values near zero', () => {
    const strong = { priorWeight: 1e9 };
    const errors = roundingErrors(coder.entropy, coder.model.tables.scales, pictures, 1e9);
    const { offsets } = fitOffsets(coder.entropy, plain('tcq8'), errors, pictures, strong);
    expect(Math.max(...offsets.map(Math.abs))).toBeLessThan(1e-4);
    const normal = fitOffsets(coder.entropy, plain('tcq8'), rounding, pictures).offsets;
    expect(Math.max(...normal.map(Math.abs))).toBeGreaterThan(0.01);
    expect(normal.filter((offset) => offset === 0).length).toBeGreaterThan(normal.length / 10);
  });

  it('does not depend on the offsets that are there already', () => {
    const own = quantizationOf(coder.model, 'tcq4');
    expect(own.offsets.some((offset) => offset !== 0)).toBe(true);
    const again = fitOffsets(coder.entropy, own, rounding, pictures).offsets;
    expect(again).toEqual(fitOffsets(coder.entropy, plain('tcq4'), rounding, pictures).offsets);
  });

  it('measures rounding by scale and magnitude, towards zero where latents are normal', () => {
    const { scales } = coder.model.tables;
    const errors = Array.from({ length: scales * offsetColumns }, (_, n) =>
      rounding(Math.floor(n / offsetColumns), (n % offsetColumns) + 1),
    );
    const known = errors.filter((error) => error !== 0);
    expect(known.length).toBeGreaterThan(20);
    expect(known.filter((error) => error < 0).length).toBeGreaterThan(known.length / 2);
    // Straight lines between its values, and the first and last beyond them.
    const scale = Math.floor(
      errors.findIndex((error, n) => error !== 0 && n % offsetColumns === 0) / offsetColumns,
    );
    expect(rounding(scale, 1.5)).toBeCloseTo((rounding(scale, 1) + rounding(scale, 2)) / 2, 12);
    expect(rounding(scale, 0.5)).toBe(rounding(scale, 1));
    expect(rounding(scale, 99)).toBe(rounding(scale, offsetColumns));
  });
});

describe('habits of a fine-tuned synthesis', () => {
  it('leave the values that it was trained on as they are', () => {
    const own = quantizationOf(coder.model, 'tcq8');
    const habits = measureHabits(coder.entropy, own, pictures, 0);
    const kept = fitOffsets(coder.entropy, own, habitualErrors(habits), pictures, { priorWeight: 0 });
    const away = kept.offsets.map((offset, n) => (offset === 0 ? 0 : Math.abs(offset - own.offsets[n])));
    // The two tables of a scale, and values of one column, share what the synthesis expects.
    const moved = away.filter((distance) => distance > 0.15).length;
    expect(moved).toBeLessThan(away.length / 20);
    const fromRounding = fitOffsets(coder.entropy, plain('tcq8'), rounding, pictures, { priorWeight: 0 });
    expect(fromRounding.offsets).not.toEqual(kept.offsets);
  });

  it('give rounding the offsets that make up for them', () => {
    const habits = measureHabits(coder.entropy, quantizationOf(coder.model, 'tcq64'), pictures);
    expect(habits.every(Number.isFinite)).toBe(true);
    const { offsets } = fitOffsets(coder.entropy, plain('round'), habitualErrors(habits), pictures);
    expect(offsets.some((offset) => Math.abs(offset) > 0.01)).toBe(true);
  });
});
