/** Searched scales: errors fall, and stay what a fine scan over scales would find. */
import { describe, expect, it } from 'vitest';
import { schemes } from '../../../src/weights/registry.js';
import { measureScheme } from '../../../src/weights/report.js';
import type { SchemeOptions } from '../../../src/weights/scheme.js';
import { leastErrorStep } from '../../../src/weights/step-search.js';
import { gaussianTensor } from './support.js';

const searching = schemes
  .filter(({ options, calibrated }) => options?.includes('search') && !calibrated)
  .flatMap((scheme) => scheme.bitWidths.map((bits) => [scheme.name, bits, scheme] as const));

describe.each(searching)('%s, %f bits', (name, bits, scheme) => {
  const tensor = gaussianTensor(16, 1024, 5);

  it('comes nearer to the weights with a search than without', () => {
    const without = measureScheme(scheme, tensor, { bits, search: false }).sqnr;
    const searched = measureScheme(scheme, tensor, { bits, search: true }).sqnr;
    // Elastic binary has its best scale anyway, and clipping costs more than a fine step of a wide range gains.
    const hasBest = (name === 'paretoq' && bits === 1) || (name.endsWith('-asym') && bits > 6);
    const least = hasBest ? -1e-9 : 0.001;
    expect(searched - without, `${searched} dB instead of ${without} dB`).toBeGreaterThan(least);
  });
});

const weighted = searching.filter(([, , scheme]) => scheme.options?.includes('importance'));

describe.each(weighted)('%s, %f bits', (_name, bits, scheme) => {
  // Short rows: each has a scale of its own that importance can move.
  const tensor = gaussianTensor(64, 48, 6);
  const importance = tensor.values.map((_, i) => (i % 3 === 0 ? 100 : 1));
  const weightedError = (back: Float32Array): number =>
    back.reduce((sum, value, i) => sum + importance[i] * (value - tensor.values[i]) ** 2, 0);
  const rows = scheme.options?.includes('granularity') ? ({ granularity: 'row' } as const) : {};
  const error = (options: SchemeOptions): number =>
    weightedError(scheme.dequantize(scheme.quantize(tensor, { bits, ...rows, ...options })));

  it('favours what is important', () => {
    expect(error({ importance })).toBeLessThan(error({ search: true }) * (1 - 1e-5));
    // With equal importance it is the plain search.
    const equal = new Float32Array(importance.length).fill(1);
    expect(error({ importance: equal })).toBe(error({ search: true }));
    expect(Number.isFinite(error({ importance: new Float32Array(importance.length) }))).toBe(true);
  });

  it('refuses importance that is none', () => {
    const quantize = (values: Float32Array) => () => scheme.quantize(tensor, { bits, importance: values });
    expect(quantize(new Float32Array(3))).toThrow('expected one importance for each of 3072 weights, got 3');
    expect(quantize(importance.map((value, i) => (i === 5 ? -1 : value)))).toThrow(
      'tensor gaussian: expected importances of at least 0, got -1',
    );
  });
});

describe('the step of least squared error', () => {
  it.each([2, 3, 4, 6])('is nearly the best of a fine scan, %i bits', (bits) => {
    const grid = { shift: 0, low: -(2 ** (bits - 1)), high: 2 ** (bits - 1) - 1 };
    for (let seed = 1; seed <= 5; seed++) {
      const { values } = gaussianTensor(1, 64, seed);
      const error = (step: number): number =>
        values.reduce((sum, value) => {
          const code = Math.min(grid.high, Math.max(grid.low, Math.round(value / step)));
          return sum + (value - code * step) ** 2;
        }, 0);
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / grid.high;
      const found = error(leastErrorStep(values, 0, 64, grid, largest));
      let best = Number.POSITIVE_INFINITY;
      for (let k = 1; k <= 1000; k++) best = Math.min(best, error((1.1 * largest * k) / 1000));
      expect(found).toBeLessThan(best * 1.12);
      expect(found).toBeLessThanOrEqual(error(largest));
    }
  });
});
