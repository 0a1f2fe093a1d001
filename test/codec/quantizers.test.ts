/**
 * The quantizers by themselves: what integers they choose at any step, and that those that weigh the rate never do worse
 * than simpler choices in the objective that they minimise (quantizer.ts), with the tables that code their integers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantizerIds } from '../../codec/format/index.js';
import { normalTables } from '../../codec/model/latent-tables.js';
import { dequantizeLatents, offsetColumns } from '../../codec/quantizers/dequantize.js';
import type { LatentQuantizer, QuantizationTask } from '../../codec/quantizers/quantizer.js';
import { quantizationOf, quantizerNames, quantizerOf, quantizers } from '../../codec/quantizers/registry.js';
import { rateTablesOf, trellisQuantizers } from '../../codec/quantizers/trellis.js';
import { UnsupportedError, UsageError } from '../../src/errors.js';
import { Random } from '../../src/training/random.js';
import { dequantizeTrellis, TrellisState } from '../../trellis/index.js';
import { tinyModel } from '../golden/cases.js';

const scales = [0.2, 0.5, 1, 3, 20];

interface Wanted {
  readonly lagrangian?: number;
  readonly step?: number;
  readonly length?: number;
}

/** Residuals as the tables of a quantizer expect them, with a few far outside. */
function task(name: string, seed: number, wanted: Wanted = {}): QuantizationTask {
  const { lagrangian = 0, step = 1, length = 4096 } = wanted;
  const random = Random.of(seed);
  const scaleIndices = Uint8Array.from({ length }, () => random.integer(scales.length));
  const residuals = Float32Array.from(scaleIndices, (scale) => {
    const far = random.integer(100) === 0 ? 30 : 1;
    return far * scales[scale] * random.normal();
  });
  const tables = normalTables(quantizerOf(name).name, scales, step);
  return { residuals, scaleIndices, tables, step, lagrangian };
}

/** A few residuals of scale 1. */
function residualsOf(name: string, values: readonly number[], wanted: Wanted = {}): QuantizationTask {
  const residuals = Float32Array.from(values);
  return { ...task(name, 0, wanted), residuals, scaleIndices: new Uint8Array(values.length).fill(2) };
}

const choose = (name: string, given: QuantizationTask): Int32Array => quantizerOf(name).quantize(given);

/** Grid integer and bits of every index, one after the other. */
function walk({ machine }: LatentQuantizer, indices: Int32Array, { scaleIndices, tables }: QuantizationTask) {
  const state = machine && new TrellisState(machine);
  return Array.from(indices, (index, n) => {
    const table = state ? 2 * scaleIndices[n] + state.quantizer : scaleIndices[n];
    return { grid: state ? state.step(index) : index, bits: tables.bits(table, index) };
  });
}

/** Sum of squared errors and price of all bits, as documented in quantizer.ts. */
function objective(name: string, given: QuantizationTask, indices: Int32Array): number {
  const { residuals, step, lagrangian } = given;
  return walk(quantizerOf(name), indices, given).reduce(
    (sum, { grid, bits }, n) => sum + (residuals[n] - grid * step) ** 2 + lagrangian * bits,
    0,
  );
}

const bitsOf = (name: string, given: QuantizationTask, indices: Int32Array): number =>
  walk(quantizerOf(name), indices, given).reduce((sum, { bits }) => sum + bits, 0);

describe('the registry', () => {
  it('knows the quantizers, each registered in the format, and names them in its error', () => {
    expect(new Set(quantizerNames)).toEqual(new Set(Object.keys(quantizerIds)));
    for (const name of quantizerNames) expect(quantizerOf(name).name).toBe(name);
    expect(() => quantizerOf('vq')).toThrow(UsageError);
    expect(() => quantizerOf('vq')).toThrow(/round, deadzone, rdoq, tcq4, .*tcq1024, got vq/);
  });

  it('gives trellis-coded quantizers as many states as their names say, and others none', () => {
    for (const { name, machine } of quantizers) {
      expect(machine?.states, name).toBe(name.startsWith('tcq') ? Number(name.slice(3)) : undefined);
    }
  });

  it('sets quantizers up as the model has them, with another price on request', async () => {
    const model = await tinyModel();
    const own = quantizationOf(model, 'tcq8');
    expect(own).toEqual({ quantizer: quantizerOf('tcq8'), ...model.tables.quantizers.get('tcq8') });
    expect(quantizationOf(model, 'tcq8', 0.5)).toEqual({ ...own, lagrangian: 0.5 });
    expect(quantizationOf(model, 'tcq8', 0).lagrangian).toBe(0);
    for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => quantizationOf(model, 'rdoq', wrong)).toThrow(UsageError);
    }
    expect(() => quantizationOf(model, 'vq')).toThrow(UsageError);
  });

  it('refuses quantizers that a model has no tables for', async () => {
    const model = await tinyModel();
    const known = new Map(model.tables.quantizers);
    known.delete('tcq8');
    const without = { ...model, tables: { ...model.tables, quantizers: known } };
    expect(() => quantizationOf(without, 'tcq8')).toThrow(UnsupportedError);
    expect(() => quantizationOf(without, 'tcq8')).toThrow(/round, .*tcq4, tcq16, .*got tcq8/);
    expect(quantizationOf(without, 'tcq16').quantizer.name).toBe('tcq16');
  });
});

describe('round', () => {
  it.each([
    [0, 1, 0],
    [0.49, 1, 0],
    [-0.49, 1, 0],
    [0.51, 1, 1],
    [-0.51, 1, -1],
    [7.3, 1, 7],
    [-1e6, 1, -1e6],
    [0.51, 0.25, 2],
    [-7.3, 3, -2],
  ])('%d at steps of %d becomes %d', (value, step, expected) => {
    expect(Array.from(choose('round', residualsOf('round', [value], { step })))).toEqual([expected]);
  });

  it.each([0.5, 1, 1.7])('errs by half a step of %d at most', (step) => {
    const given = task('round', 1, { step });
    const indices = choose('round', given);
    for (const [n, residual] of given.residuals.entries()) {
      expect(Math.abs(residual - indices[n] * step)).toBeLessThanOrEqual(0.500001 * step);
    }
  });
});

describe('deadzone', () => {
  it('is odd, never above rounding in magnitude, and within one of it', () => {
    const given = task('deadzone', 2, { lagrangian: 0.1, step: 0.9 });
    const dead = choose('deadzone', given);
    const mirrored = choose('deadzone', { ...given, residuals: given.residuals.map((r) => -r) });
    const rounded = choose('round', given);
    for (let n = 0; n < dead.length; n++) {
      expect(mirrored[n] + dead[n]).toBe(0);
      expect(Math.abs(rounded[n]) - Math.abs(dead[n])).toBeOneOf([0, 1]);
    }
  });

  it.each([
    [0.02, 1],
    [0.1, 0.7],
    [0.4, 1.3],
  ])('moves thresholds by what two bits cost: price %d, step %d', (lagrangian, step) => {
    // Between k and k + 1 steps the thresholds lie where (r - k)^2 + 2 k bits and its successor cost the same.
    for (const k of [0, 1, 5]) {
      const threshold = (k + 0.5) * step + lagrangian / step;
      const [below, above] = [threshold - 1e-4, threshold + 1e-4];
      const given = residualsOf('deadzone', [below, above, -below, -above], { lagrangian, step });
      const found = Array.from(choose('deadzone', given), (index) => index + 0);
      expect(found).toEqual([k, k + 1, -k + 0, -k - 1]);
      const price = (r: number, index: number): number => (r - index * step) ** 2 + 2 * lagrangian * index;
      expect(price(threshold, k)).toBeCloseTo(price(threshold, k + 1), 12);
    }
  });

  it('truncates where bits are dear, and rounds where they are free', () => {
    const given = task('deadzone', 3, { lagrangian: 50 });
    const truncated = Int32Array.from(given.residuals, Math.trunc);
    expect(choose('deadzone', given)).toEqual(truncated);
    expect(choose('deadzone', { ...given, lagrangian: 0 })).toEqual(choose('round', given));
  });

  it('makes more zeros the more bits cost', () => {
    const zeros = [0, 0.05, 0.2].map(
      (lagrangian) => choose('deadzone', task('deadzone', 3, { lagrangian })).filter((k) => k === 0).length,
    );
    expect(zeros[1]).toBeGreaterThan(zeros[0]);
    expect(zeros[2]).toBeGreaterThan(zeros[1]);
  });
});

describe('rdoq', () => {
  it('never does worse than the other scalar quantizers in its objective, for any price and step', () => {
    const properties = fc.record({
      seed: fc.integer({ min: 0, max: 1e6 }),
      lagrangian: fc.double({ min: 0, max: 3, noNaN: true }),
      step: fc.double({ min: 0.3, max: 3, noNaN: true }),
    });
    fc.assert(
      fc.property(properties, ({ seed, lagrangian, step }) => {
        const given = task('rdoq', seed, { lagrangian, step, length: 256 });
        const best = objective('rdoq', given, choose('rdoq', given));
        // Costs are kept in float32, so the two ways of adding them up differ by rounding.
        const margin = 1e-6 * best + 1e-6;
        for (const name of ['round', 'deadzone']) {
          expect(best).toBeLessThanOrEqual(objective('rdoq', given, choose(name, given)) + margin);
        }
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  it('is rounding where bits are free, up to ties', () => {
    const given = task('rdoq', 5, { step: 0.8 });
    expect(choose('rdoq', given)).toEqual(choose('round', given));
  });
});

/** What a trellis could choose without a search: the cheapest index of each latent in the state that the last one left. */
function greedyPath(quantizer: LatentQuantizer, given: QuantizationTask): Int32Array {
  const { residuals, scaleIndices, tables, step, lagrangian } = given;
  const state = new TrellisState(quantizer.machine!);
  return Int32Array.from(residuals, (residual, n) => {
    const q = state.quantizer;
    const nearest = Math.round(residual / step / 2);
    const cost = (k: number): number =>
      (residual - (2 * k - Math.sign(k) * q) * step) ** 2 +
      lagrangian * tables.bits(2 * scaleIndices[n] + q, k);
    const candidates = [0, nearest, nearest - 1, nearest + 1];
    const best = candidates.reduce((least, k) => (cost(k) < cost(least) ? k : least));
    state.step(best);
    return best;
  });
}

describe.each(trellisQuantizers.map((quantizer) => [quantizer.name, quantizer] as const))(
  '%s',
  (name, quantizer) => {
    it.each([
      [0, 0.64],
      [0.02, 0.64],
      [0.3, 0.64],
      [0.05, 1],
      [1.5, 3],
    ])('beats a greedy choice and any change of one index, price %d, step %d', (lagrangian, step) => {
      const given = task(name, 7, { lagrangian, step, length: 2000 });
      const indices = choose(name, given);
      const least = objective(name, given, indices);
      // The search counts in fixed point: latents in 2^-12 steps.
      const margin = 2 ** -11 * given.residuals.length * step * step;
      expect(least).toBeLessThan(objective(name, given, greedyPath(quantizer, given)) - margin);
      const random = Random.of(8);
      for (let attempt = 0; attempt < 40; attempt++) {
        const changed = indices.slice();
        const n = random.integer(changed.length);
        changed[n] += [-2, -1, 1, 2][random.integer(4)];
        expect(objective(name, given, changed)).toBeGreaterThan(least - 2 ** -8 * step * step);
      }
    });

    it('errs less than rounding with indices as far apart', () => {
      const given = task(name, 9, { step: 0.5 });
      const scalar = { ...given, step: 1, tables: normalTables('round', scales, 1) };
      const rounding = objective('round', scalar, choose('round', scalar));
      // Four states gain 1 dB.
      expect(objective(name, given, choose(name, given))).toBeLessThan(0.82 * rounding);
    });

    it('does the same at every step when all is scaled', () => {
      const small = task(name, 10, { lagrangian: 0.04, step: 0.5 });
      const large = {
        ...small,
        residuals: small.residuals.map((residual) => 4 * residual),
        step: 2,
        lagrangian: 16 * 0.04,
      };
      expect(choose(name, large)).toEqual(choose(name, small));
    });

    it('pays what the coder spends, escapes included', () => {
      const { tables } = task(name, 0, { step: 0.64 });
      const rates = rateTablesOf(tables);
      expect(rates.count).toBe(scales.length);
      for (let row = 0; row < tables.count; row++) {
        const far = 3 * tables.sizes[row] + 1000;
        for (let k = -far; k <= far; k++) {
          expect(rates.bits(row >> 1, row & 1, k)).toBeCloseTo(tables.bits(row, k), 4);
        }
      }
      expect(rateTablesOf(tables)).toBe(rates);
    });

    it('takes latents far beyond its tables, and refuses those beyond all int32', () => {
      const far = [2 ** 20, -(2 ** 20), 2 ** 26 + 8, 0.1];
      const given = residualsOf(name, far, { lagrangian: 0.03, step: 0.5 });
      const path = walk(quantizer, choose(name, given), given);
      for (const [n, { grid }] of path.entries())
        expect(Math.abs(grid * 0.5 - far[n])).toBeLessThanOrEqual(2);
      for (const wrong of [2 ** 30, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => choose(name, residualsOf(name, [0, wrong], { step: 0.5 }))).toThrow(UsageError);
      }
    });
  },
);

it('more states are better', () => {
  const costs = trellisQuantizers.map(({ name }) => {
    const given = task(name, 11, { lagrangian: 0.03, step: 0.64, length: 50_000 });
    return objective(name, given, choose(name, given));
  });
  for (let k = 1; k < costs.length; k++) expect(costs[k]).toBeLessThan(costs[k - 1]);
});

describe('dequantizeLatents', () => {
  const machine = quantizerOf('tcq8').machine!;

  it('is what the step makes of grid integers, rounded to float32', () => {
    const random = Random.of(13);
    const indices = Int32Array.from({ length: 1000 }, () => random.integer(2 ** 20) - 2 ** 19);
    const none = { step: Math.fround(0.7), offsets: new Float32Array(offsetColumns) };
    const tables = new Uint8Array(indices.length);
    expect(dequantizeLatents(indices, tables, none)).toEqual(
      Float32Array.from(indices, (k) => k * none.step),
    );
    expect(dequantizeLatents(indices, tables, none, machine)).toEqual(
      dequantizeTrellis(indices, { machine, step: none.step }),
    );
  });

  it('moves values away from zero by the offset of their table and magnitude, and leaves zeros alone', () => {
    const offsets = Float32Array.of(0.25, 0.5, -0.125, 1, 2, 4);
    const indices = Int32Array.of(0, 1, -1, 2, -2, 3, -3, 100, 0, 1, -2, -3, 7);
    const tables = Uint16Array.from(indices, (_, n) => (n < 8 ? 0 : 1));
    expect(Array.from(dequantizeLatents(indices, tables, { step: 2, offsets }))).toEqual([
      ...[0, 2.25, -2.25, 4.5, -4.5, 5.875, -5.875, 199.875],
      ...[0, 3, -6, -10, 18],
    ]);
    // In state 0 all of these stand for even places: 2 k steps.
    const still = Int32Array.of(2, -2, 0, 4);
    expect(Array.from(dequantizeLatents(still, new Uint8Array(4), { step: 1, offsets }, machine))).toEqual([
      4.5, -4.5, 0, 7.875,
    ]);
  });

  it('takes the ends of 32 bits', () => {
    const ends = Int32Array.of(-(2 ** 31), 2 ** 31 - 1);
    const offsets = Float32Array.of(1, 1, 1024);
    expect(Array.from(dequantizeLatents(ends, new Uint8Array(2), { step: 1, offsets }))).toEqual(
      [-(2 ** 31) - 1024, 2 ** 31 + 1024].map(Math.fround),
    );
  });
});

describe.each(quantizerNames)('%s', (name) => {
  it('takes no latents for an answer', () => {
    expect(choose(name, residualsOf(name, []))).toEqual(new Int32Array(0));
  });

  it('leaves its input alone and repeats itself', () => {
    const given = task(name, 12, { lagrangian: 0.02, step: 0.8, length: 300 });
    const copies = [given.residuals.slice(), given.scaleIndices.slice()];
    const first = choose(name, given);
    expect(choose(name, given)).toEqual(first);
    expect([given.residuals, given.scaleIndices]).toEqual(copies);
  });
});

describe.each(['rdoq', ...trellisQuantizers.map(({ name }) => name)])('%s', (name) => {
  it('spends fewer bits the more they cost', () => {
    const bits = [0, 0.03, 0.1, 0.3, 1].map((lagrangian) => {
      const given = task(name, 6, { lagrangian, step: 0.7 });
      return bitsOf(name, given, choose(name, given));
    });
    for (let k = 1; k < bits.length; k++) expect(bits[k]).toBeLessThan(bits[k - 1]);
  });
});
