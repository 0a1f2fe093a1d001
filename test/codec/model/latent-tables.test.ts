/**
 * Tables of normal latents: one or two per scale index, symmetric, summing to what the coder needs, at prices that agree
 * with the model of trellis/rate-models.ts where an entry can say them, with an escape for what lies beyond.
 */
import { describe, expect, it } from 'vitest';
import { FREQUENCY_TOTAL, gaussianTables, scaleTable, type TableSet } from '../../../codec/entropy/index.js';
import { quantizerIds } from '../../../codec/format/index.js';
import { defaultQuantizerParts, normalTables } from '../../../codec/model/latent-tables.js';
import { offsetColumns } from '../../../codec/quantizers/dequantize.js';
import { quantizerNames, quantizerOf } from '../../../codec/quantizers/registry.js';
import { UsageError } from '../../../src/errors.js';
import { gaussianRates } from '../../../trellis/index.js';

const scales = scaleTable();
const steps = [0.5, 0.64, 1, 1.7];

function expectSymmetric(tables: TableSet): void {
  for (let t = 0; t < tables.count; t++) {
    const { firstSymbol, frequencies } = tables.table(t);
    const symbols = frequencies.subarray(0, -1);
    expect(symbols.length, `table ${t}`).toBe(1 - 2 * firstSymbol);
    expect(symbols, `table ${t}`).toEqual(symbols.slice().reverse());
  }
}

describe.each(quantizerNames)('normal tables of %s', (name) => {
  const perScale = quantizerOf(name).machine ? 2 : 1;

  it.each(steps)('are symmetric and complete at steps of %d', (step) => {
    const tables = normalTables(name, scales, step);
    expect(tables.count).toBe(perScale * scales.length);
    expectSymmetric(tables);
    for (let t = 0; t < tables.count; t++) {
      const { frequencies } = tables.table(t);
      expect(frequencies.reduce((sum, frequency) => sum + frequency, 0)).toBe(FREQUENCY_TOTAL);
      expect(Math.min(...frequencies)).toBeGreaterThanOrEqual(1);
    }
  });

  it('depend on scales in steps only', () => {
    const [wide, narrow] = [normalTables(name, [2, 6], 2), normalTables(name, [1, 3], 1)];
    expect(wide.toTensors()).toEqual(narrow.toTensors());
  });

  it('get wider with the scale, and refuse scales that are none', () => {
    const { sizes } = normalTables(name, scales, 0.64);
    for (let t = perScale; t < sizes.length; t++) {
      expect(sizes[t]).toBeGreaterThanOrEqual(sizes[t - perScale]);
    }
    for (const scale of [0, -1, Number.NaN, 4097]) {
      expect(() => normalTables(name, [scale], 1)).toThrow(UsageError);
    }
  });
});

describe('tables of scalar quantizers', () => {
  it('are those of rounded normal latents', () => {
    const expected = gaussianTables(Array.from(scales, (scale) => scale / 0.8));
    expect(normalTables('rdoq', scales, 0.8).toTensors()).toEqual(expected.toTensors());
  });
});

describe('tables of trellis-coded quantizers', () => {
  it.each(steps)('cost what the rates of normal latents say, steps of %d', (step) => {
    const tables = normalTables('tcq8', scales, step);
    const rates = gaussianRates(Array.from(scales, (scale) => scale / step));
    for (let row = 0; row < tables.count; row++) {
      const { firstSymbol, frequencies } = tables.table(row);
      for (let k = firstSymbol; k <= -firstSymbol; k++) {
        // A frequency is a whole number, and each entry has at least one: half of one is what a price may be off.
        const exact = FREQUENCY_TOTAL * 2 ** -rates.bits(row >> 1, row & 1, k);
        const found = frequencies[k - firstSymbol];
        expect(Math.abs(found - exact), `row ${row}, index ${k}`).toBeLessThan(1.5 + 0.006 * exact);
      }
    }
  });

  it('leave to the escape what is rarer than an entry can say', () => {
    const tables = normalTables('tcq8', scales, 0.64);
    const rates = gaussianRates(Array.from(scales, (scale) => scale / 0.64));
    let trimmed = 0;
    for (let row = 0; row < tables.count; row++) {
      const { firstSymbol, frequencies } = tables.table(row);
      const bits = (k: number): number => rates.bits(row >> 1, row & 1, k);
      if (firstSymbol < 0) expect(bits(firstSymbol)).toBeLessThanOrEqual(16);
      expect(bits(firstSymbol - 1)).toBeGreaterThan(16);
      // The rates of trellis/ list indices down to 2^-20 of the mass.
      if (firstSymbol > rates.first[row]) trimmed++;
      const beyond = frequencies[frequencies.length - 1] / FREQUENCY_TOTAL;
      let inside = 0;
      for (let k = firstSymbol; k <= -firstSymbol; k++) inside += 2 ** -bits(k);
      expect(beyond).toBeGreaterThan(1 - inside - 2 / FREQUENCY_TOTAL);
      expect(beyond).toBeLessThan(0.01);
    }
    expect(trimmed).toBeGreaterThan(64);
  });

  it('differ in the quantizer: the first has even points, the second odd ones and zero', () => {
    // One step away is likelier than two, so that the second's zero is the less certain.
    const tables = normalTables('tcq8', [0.5], 1);
    expect(tables.bits(0, 0)).toBeLessThan(tables.bits(1, 0));
    expect(tables.bits(1, 1)).toBeLessThan(tables.bits(0, 1) - 2);
  });
});

describe('parts of a new model', () => {
  it('are there for every registered quantizer, with float32 settings above 0', () => {
    const parts = defaultQuantizerParts(scales);
    expect([...parts.keys()]).toEqual(Object.keys(quantizerIds));
    for (const [name, { tables, step, offsets, lagrangian }] of parts) {
      expect(tables.count, name).toBe((quantizerOf(name).machine ? 2 : 1) * scales.length);
      expect(offsets, name).toEqual(new Float32Array(offsetColumns * tables.count));
      expect(step).toBeGreaterThan(0);
      expect(lagrangian).toBeGreaterThan(0);
      expect([Math.fround(step), Math.fround(lagrangian)]).toEqual([step, lagrangian]);
    }
    expect(parts.get('tcq8')!.step).toBeLessThan(parts.get('rdoq')!.step);
  });
});
