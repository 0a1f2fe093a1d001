/** Searches for levels: the reference encoder's own, and the better one against its readable twin, and against the former. */
import { describe, expect, it } from 'vitest';
import { chooseInitialSets } from '../../../../src/weights/trellis-coded/initial-sets.js';
import {
  decodeLevels,
  encodeLevels,
  settableContexts,
} from '../../../../src/weights/trellis-coded/levels.js';
import {
  nncodecPrice,
  nncodecTrellisLevels,
  nncodecUniformLevels,
} from '../../../../src/weights/trellis-coded/nncodec-search.js';
import { referenceLevels } from '../../../../src/weights/trellis-coded/search.js';
import { searchLevels } from '../../../../src/weights/trellis-coded/search-fast.js';
import { uniformLevels } from '../../../../src/weights/trellis-coded/uniform-search.js';
import { gridIntegers } from '../../../../trellis/dequantize.js';
import { machines } from '../../../../trellis/machines.js';
import { referenceQuantize } from '../../../../trellis/reference.js';
import { golden } from '../support.js';
import { errorOf, gapOf, type NncGolden, normal, Random } from './support.js';

const { W, cases } = golden<NncGolden>('nnc_deepcabac');

describe('the reference encoder', () => {
  it.each(cases.map((item) => [`qp ${item.qp}, dq ${item.dq}, lambda ${item.lambda_scale}`, item] as const))(
    '%s: decides as its streams say',
    (_, { step, dq, lambda_scale: lambda, q }) => {
      const weights = Float32Array.from(W.flat());
      const grid = dq
        ? gridIntegers(nncodecTrellisLevels(weights, step, lambda), { machine: 'nnc8' })
        : nncodecUniformLevels(weights, step, lambda);
      expect(Array.from(grid, (value) => value + 0)).toEqual(q.flat());
    },
  );
});

describe('the search', () => {
  it('decides as its readable twin', () => {
    const random = new Random(41);
    for (let round = 0; round < 60; round++) {
      const count = [0, 1, 5, 31, 32, 33, 64, 65, 200, 700][round % 10];
      const scale = [1, 0.01, 30, 1e4][round % 4];
      const task = {
        weights: Float32Array.from({ length: count }, () => scale * random.normal()),
        step: 0.3 + random.uniform(),
        lagrangian: [0, 0.36, 2, 0.05][random.below(4)],
        importance: round % 3 ? undefined : Float32Array.from({ length: count }, () => 2 * random.uniform()),
        sets: round % 2 ? Uint8Array.from({ length: settableContexts }, () => random.below(9)) : undefined,
      };
      expect(searchLevels(task)).toEqual(referenceLevels(task));
    }
  });

  it('has the least error where bits cost nothing', () => {
    const weights = normal(4000, 42);
    const levels = searchLevels({ weights, step: 0.4, lagrangian: 0 });
    const { cost } = referenceQuantize({
      latents: weights,
      step: 0.4,
      lagrangian: 0,
      rate: () => 0,
      machine: machines.nnc8,
    });
    // The other one also tries the other sign near zero.
    expect(errorOf(weights, levels, 0.4)).toBeGreaterThanOrEqual(cost / 4000 - 1e-9);
    expect(errorOf(weights, levels, 0.4)).toBeLessThan((1.005 * cost) / 4000);
  });

  it('returns levels that it is given, at no error', () => {
    const random = new Random(43);
    const levels = Int32Array.from({ length: 3000 }, () => Math.round(3 * random.normal()));
    const weights = Float32Array.from(gridIntegers(levels, { machine: 'nnc8' }), (grid) => 0.25 * grid);
    expect(searchLevels({ weights, step: 0.25, lagrangian: 0 })).toEqual(levels);
    const plain = Float32Array.from(levels, (level) => 0.25 * level);
    expect(uniformLevels({ weights: plain, step: 0.25, lagrangian: 0 })).toEqual(levels);
  });

  it('gives important weights the smaller errors', () => {
    const weights = normal(20000, 44);
    const importance = Float32Array.from(weights, (_, n) => (n % 2 ? 1.9 : 0.1));
    const task = { weights, step: 0.7, lagrangian: 0.36, importance };
    const grids = [gridIntegers(searchLevels(task), { machine: 'nnc8' }), uniformLevels(task)];
    for (const grid of grids) {
      const errors = [0, 0];
      for (let n = 0; n < weights.length; n++) errors[n % 2] += (weights[n] - 0.7 * grid[n]) ** 2;
      expect(errors[1]).toBeLessThan(0.8 * errors[0]);
    }
  });
});

describe('against the reference encoder at equal step and lambda', () => {
  // Steps at which the reference encoder takes about 1.3 and 2 bits per weight.
  it.each([
    [1.3, 1, 1, 0.35],
    [2, 0.59, 1, 0.12],
  ])('at %f bits per weight the search gains decibels', (bits, step, lambda, gain) => {
    const weights = normal(1 << 15, 45);
    const measure = (levels: Int32Array, sets?: Uint8Array): { rate: number; gap: number } => {
      const bytes = encodeLevels(levels, sets ? { dependent: true, sets } : { dependent: true });
      const decoded = decodeLevels(bytes, weights.length, { dependent: true });
      const rate = (8 * bytes.length) / weights.length;
      return { rate, gap: gapOf(errorOf(weights, decoded, step), rate) };
    };
    const reference = measure(nncodecTrellisLevels(weights, step, lambda));
    const task = { weights, step, lagrangian: nncodecPrice(lambda, true) };
    const ours = measure(searchLevels(task));
    const sets = chooseInitialSets(searchLevels(task), true);
    const tuned = searchLevels({ ...task, sets });
    const best = measure(tuned, chooseInitialSets(tuned, true));
    expect(Math.abs(reference.rate - bits)).toBeLessThan(0.04);
    expect(reference.gap - ours.gap).toBeGreaterThan(gain);
    expect(reference.gap - best.gap).toBeGreaterThan(gain + 0.08);
    expect(best.gap).toBeLessThan(0.95);
    expect(best.gap).toBeGreaterThan(0.6);
  });
});
