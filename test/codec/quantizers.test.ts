/**
 * The scalar quantizers by themselves: what integers they choose, that rate-distortion optimised quantization never does
 * worse than the others in the objective it minimises, and that values come back exactly.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussianTables } from '../../codec/entropy/index.js';
import { quantizerIds } from '../../codec/format/index.js';
import { type QuantizationTask, quantizerNames, quantizerOf } from '../../codec/quantizers/quantizer.js';
import { UsageError } from '../../src/errors.js';
import { Random } from '../../src/training/random.js';

const scales = [0.2, 0.5, 1, 3, 20];
const tables = gaussianTables(scales);

/** Residuals as the tables expect them, with a few far outside. */
function task(seed: number, lagrangian: number, length = 4096): QuantizationTask {
  const random = Random.of(seed);
  const tableIndices = Uint8Array.from({ length }, () => random.integer(scales.length));
  const residuals = Float32Array.from(tableIndices, (table) => {
    const far = random.integer(100) === 0 ? 30 : 1;
    return far * scales[table] * random.normal();
  });
  return { residuals, tableIndices, tables, lagrangian };
}

/** Sum of squared errors and price of all bits, as documented in quantizer.ts. */
function objective({ residuals, tableIndices, lagrangian }: QuantizationTask, indices: Int32Array): number {
  return residuals.reduce(
    (sum, residual, n) =>
      sum + (residual - indices[n]) ** 2 + lagrangian * tables.bits(tableIndices[n], indices[n]),
    0,
  );
}

const single = (value: number): QuantizationTask => ({
  residuals: Float32Array.of(value),
  tableIndices: Uint8Array.of(2),
  tables,
  lagrangian: 0,
});

describe('quantizerOf', () => {
  it('knows the quantizers, each registered in the format, and names them in its error', () => {
    for (const name of quantizerNames) {
      expect(quantizerOf(name).name).toBe(name);
      expect(quantizerIds).toHaveProperty(name);
    }
    expect(() => quantizerOf('vq')).toThrow(UsageError);
    expect(() => quantizerOf('vq')).toThrow(/round, deadzone, rdoq/);
  });
});

describe('round', () => {
  it.each([
    [0, 0],
    [0.49, 0],
    [-0.49, 0],
    [0.51, 1],
    [-0.51, -1],
    [7.3, 7],
    [-1e6, -1e6],
  ])('%d becomes %d', (value, expected) => {
    expect(quantizerOf('round').quantize(single(value))[0]).toBe(expected);
  });

  it('errs by half a step at most', () => {
    const { residuals, ...rest } = task(1, 0);
    const indices = quantizerOf('round').quantize({ residuals, ...rest });
    for (const [n, residual] of residuals.entries()) {
      expect(Math.abs(residual - indices[n])).toBeLessThanOrEqual(0.5);
    }
  });
});

describe('deadzone', () => {
  it('is odd, never above rounding in magnitude, and within one of it', () => {
    const { residuals, ...rest } = task(2, 0);
    const dead = quantizerOf('deadzone').quantize({ residuals, ...rest });
    const mirrored = quantizerOf('deadzone').quantize({ residuals: residuals.map((r) => -r), ...rest });
    const rounded = quantizerOf('round').quantize({ residuals, ...rest });
    for (let n = 0; n < dead.length; n++) {
      expect(mirrored[n] + dead[n]).toBe(0);
      expect(Math.abs(rounded[n]) - Math.abs(dead[n])).toBeOneOf([0, 1]);
    }
  });

  it('makes more zeros than rounding', () => {
    const given = task(3, 0);
    const zeros = (name: string): number =>
      quantizerOf(name)
        .quantize(given)
        .filter((k) => k === 0).length;
    expect(zeros('deadzone')).toBeGreaterThan(zeros('round'));
  });
});

describe('rdoq', () => {
  it('never does worse than the other scalar quantizers in its objective, for any Lagrangian', () => {
    const properties = fc.record({
      seed: fc.integer({ min: 0, max: 1e6 }),
      lagrangian: fc.double({ min: 0, max: 3, noNaN: true }),
    });
    fc.assert(
      fc.property(properties, ({ seed, lagrangian }) => {
        const given = task(seed, lagrangian, 256);
        const best = objective(given, quantizerOf('rdoq').quantize(given));
        // Costs are kept in float32, so the two ways of adding them up differ by rounding.
        const margin = 1e-6 * best + 1e-6;
        for (const name of ['round', 'deadzone']) {
          expect(best).toBeLessThanOrEqual(objective(given, quantizerOf(name).quantize(given)) + margin);
        }
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  it('is rounding where bits are free, up to ties', () => {
    const given = task(5, 0);
    expect(quantizerOf('rdoq').quantize(given)).toEqual(quantizerOf('round').quantize(given));
  });

  it('spends fewer bits the more they cost', () => {
    const bits = [0, 0.03, 0.1, 0.3, 1].map((lagrangian) => {
      const given = task(6, lagrangian);
      const indices = quantizerOf('rdoq').quantize(given);
      return indices.reduce((sum, index, n) => sum + tables.bits(given.tableIndices[n], index), 0);
    });
    for (let k = 1; k < bits.length; k++) expect(bits[k]).toBeLessThan(bits[k - 1]);
  });
});

describe.each(quantizerNames.filter((name) => !name.startsWith('tcq')))('%s', (name) => {
  it('gives values back exactly: one step is 1', () => {
    const indices = Int32Array.of(0, 1, -1, 12345, -(2 ** 24), 2 ** 24);
    expect(quantizerOf(name).dequantize(indices)).toEqual(Float32Array.from(indices));
  });

  it('takes no latents for an answer', () => {
    const empty = { ...single(0), residuals: new Float32Array(0), tableIndices: new Uint8Array(0) };
    expect(quantizerOf(name).quantize(empty)).toEqual(new Int32Array(0));
    expect(quantizerOf(name).dequantize(new Int32Array(0))).toEqual(new Float32Array(0));
  });
});
