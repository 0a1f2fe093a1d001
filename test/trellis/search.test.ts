/** The public search: optimality, granular gain, scalar special case, skipping, weights, extremes, refusals. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.js';
import {
  gaussianRates,
  gridIntegers,
  machineNames,
  machineOf,
  machines,
  pathCost,
  quantizeTrellis,
  RateTables,
  referenceQuantize,
  searchTrellis,
} from '../../trellis/index.js';
import type { TrellisTask } from '../../trellis/task.js';
import { Random, randomTask } from './support.js';

const free = RateTables.fromRows([
  { first: 0, bits: [0], escapeBits: 0 },
  { first: 0, bits: [0], escapeBits: 0 },
]);

/** The same task for the float64 reference. */
function asReference(task: TrellisTask) {
  const { tables, tableIndices } = task;
  const rate = (k: number, q: number, n: number) => tables.bits(tableIndices ? tableIndices[n] : 0, q, k);
  return { ...task, rate, machine: machineOf(task.machine ?? 'av2-8') };
}

describe('quantizeTrellis', () => {
  it.each([
    ['vvc4', 0.996],
    ['av2-8', 1.087],
    ['ecm8', 1.087],
    ['ungerboeck16', 1.148],
    ['ungerboeck32', 1.212],
    ['ungerboeck64', 1.258],
    ['ungerboeck128', 1.302],
    ['ungerboeck256', 1.334],
    ['searched512', 1.366],
    ['searched1024', 1.387],
    ['scalar', 0],
  ] as const)('%s gains %f dB over scalar quantization of a uniform source', (machine, gain) => {
    const random = new Random(7);
    const latents = Float32Array.from({ length: 60000 }, () => 100 + 800 * random.uniform());
    const grid = gridIntegers(quantizeTrellis({ latents, step: 1, lagrangian: 0, tables: free, machine }), {
      machine,
    });
    const error = latents.reduce((sum, x, n) => sum + (x - grid[n]) ** 2, 0) / latents.length;
    expect(Math.abs(-10 * Math.log10(error * 3) - gain)).toBeLessThan(0.03);
  });

  it.each(machineNames)('%s: costs what the float64 reference costs, and says so', (machine) => {
    const task = { ...randomTask(11, 4000), machine };
    const { indices, cost } = searchTrellis(task);
    const reference = asReference(task);
    const best = referenceQuantize(reference);
    const actual = pathCost(indices, reference);
    expect(pathCost(best.indices, reference)).toBeCloseTo(best.cost, 6);
    expect(actual).toBeGreaterThanOrEqual(best.cost * (1 - 1e-12));
    expect(actual / best.cost - 1).toBeLessThan(1e-6);
    expect(Math.abs(cost / best.cost - 1)).toBeLessThan(1e-5);
  });

  it('finds the best of all paths', () => {
    const random = new Random(5);
    const machine = machines['av2-8'];
    const tables = gaussianRates([0.8]);
    for (let round = 0; round < 10; round++) {
      const latents = Float32Array.from({ length: 6 }, () => random.normal() * 0.8);
      const task = { latents, step: 1, lagrangian: 0.4, tables, machine };
      const reference = asReference(task);
      let best = Infinity;
      const indices = new Int32Array(6);
      const visit = (n: number): void => {
        if (n === 6) best = Math.min(best, pathCost(indices, reference));
        else for (indices[n] = -2; indices[n] <= 2; indices[n]++) visit(n + 1);
      };
      visit(0);
      expect(searchTrellis(task).cost).toBeCloseTo(best, 3);
      expect(pathCost(quantizeTrellis(task), reference)).toBeCloseTo(best, 3);
    }
  });

  it('with one state is rate-distortion optimised scalar quantization of twice the step', () => {
    const task = { ...randomTask(2, 3000), machine: 'scalar' as const };
    const indices = quantizeTrellis(task);
    const [width, { tables, lagrangian, tableIndices }] = [2 * task.step, task];
    task.latents.forEach((x, n) => {
      const price = (k: number) => (x - k * width) ** 2 + lagrangian * tables.bits(tableIndices[n], 0, k);
      const near = Math.round(x / width);
      const best = Math.min(...[near - 1, near, near + 1, 0].map(price));
      expect(price(indices[n])).toBeLessThan(best + 1e-4);
    });
  });

  it('leaves skipped positions at zero and the state alone', () => {
    const task = randomTask(4, 3000);
    const random = new Random(9);
    const skip = Uint8Array.from(task.latents, () => random.below(3));
    const indices = quantizeTrellis({ ...task, skip });
    const coded = (_: number, n: number) => !skip[n];
    const packed = {
      ...task,
      latents: task.latents.filter(coded),
      tableIndices: task.tableIndices.filter(coded),
    };
    expect(indices.filter(coded)).toEqual(quantizeTrellis(packed));
    expect(indices.every((k, n) => !skip[n] || k === 0)).toBe(true);
    // What is skipped is not looked at.
    const latents = task.latents.map((x, n) => (skip[n] ? Number.NaN : x));
    expect(quantizeTrellis({ ...task, latents, skip })).toEqual(indices);
  });

  it('spends bits where weights are', () => {
    const task = randomTask(6, 4000);
    const weights = Float32Array.from(task.latents, (_, n) => (n % 2 ? 1 : 1 / 64));
    const grid = gridIntegers(quantizeTrellis({ ...task, weights }));
    const errors = [0, 0];
    task.latents.forEach((x, n) => {
      errors[n % 2] += (x - grid[n] * task.step) ** 2;
    });
    expect(errors[0]).toBeGreaterThan(2 * errors[1]);
  });

  it('knows weights up to a factor only, together with the Lagrangian', () => {
    const task = randomTask(8, 2000);
    const weights = Float32Array.from(task.latents, (_, n) => 0.1 + ((n * 7) % 11) / 11);
    const indices = quantizeTrellis({ ...task, weights });
    const scaled = {
      ...task,
      weights: weights.map((w) => w * 2 ** -20),
      lagrangian: task.lagrangian * 2 ** -20,
    };
    expect(quantizeTrellis(scaled)).toEqual(indices);
    const ones = weights.map(() => 1);
    expect(quantizeTrellis({ ...task, weights: ones })).toEqual(quantizeTrellis(task));
  });

  it('agrees with the reference on weights that spread over 2^12', () => {
    const random = new Random(12);
    const task = randomTask(12, 3000);
    const weights = Float32Array.from(task.latents, () => 2 ** (-12 * random.uniform()));
    const reference = asReference({ ...task, weights, lagrangian: 0.003 });
    const best = referenceQuantize(reference);
    const indices = quantizeTrellis({ ...task, weights, lagrangian: 0.003 });
    expect(pathCost(indices, reference) / best.cost - 1).toBeLessThan(1e-5);
  });

  it('chooses zeros where only the rate counts', () => {
    const task = randomTask(13, 500);
    expect(quantizeTrellis({ ...task, lagrangian: 1e12 }).every((k) => k === 0)).toBe(true);
    const weights = new Float32Array(500);
    expect(quantizeTrellis({ ...task, weights }).every((k) => k === 0)).toBe(true);
  });

  it('takes extreme latents', () => {
    const tables = gaussianRates([1, 30]);
    const latents = Float32Array.of(1e6, -1e6, 0.3, -0, 2 ** 29, -(2 ** 29), 1e-30, 8, -7.99, 31.5);
    const task = {
      latents,
      step: 1,
      lagrangian: 0.2,
      tables,
      tableIndices: Uint8Array.of(0, 1, 0, 1, 0, 1, 0, 1, 0, 1),
    };
    for (const machine of machineNames) {
      const reference = asReference({ ...task, machine });
      const { indices } = searchTrellis({ ...task, machine });
      expect(pathCost(indices, reference) / referenceQuantize(reference).cost).toBeCloseTo(1, 4);
      const grid = gridIntegers(indices, { machine });
      latents.forEach((x, n) => {
        if (Math.abs(x) > 100) expect(Math.abs(grid[n] - x)).toBeLessThan(4);
      });
    }
  });

  it('takes nothing, and one latent', () => {
    const task = { step: 1, lagrangian: 0.1, tables: free };
    expect(searchTrellis({ ...task, latents: new Float32Array(0) })).toEqual({
      indices: new Int32Array(0),
      cost: 0,
    });
    expect(Array.from(quantizeTrellis({ ...task, latents: Float32Array.of(-3.9) }))).toEqual([-2]);
    const skip = Uint8Array.of(1);
    expect(Array.from(quantizeTrellis({ ...task, latents: Float32Array.of(-3.9), skip }))).toEqual([0]);
  });

  it('refuses what makes no sense, by name', () => {
    const task = { latents: Float32Array.of(1, 2), step: 1, lagrangian: 0.1, tables: free };
    const refusal = (changes: object) => expect(() => quantizeTrellis({ ...task, ...changes }));
    refusal({ step: 0 }).toThrow(UsageError);
    refusal({ step: Number.NaN }).toThrow(/^step: /);
    refusal({ lagrangian: -1 }).toThrow(/^lagrangian: /);
    refusal({ lagrangian: Infinity }).toThrow(/^lagrangian: /);
    refusal({ machine: 'av1' }).toThrow(/^machine: /);
    refusal({ skip: new Uint8Array(1) }).toThrow(/^skip: expected 2/);
    refusal({ weights: new Float32Array(3) }).toThrow(/^weights: expected 2/);
    refusal({ weights: Float32Array.of(1, -1) }).toThrow(/^weights: .*got -1 at 1/);
    refusal({ weights: Float32Array.of(Number.NaN, 1) }).toThrow(/^weights: .*got NaN at 0/);
    refusal({ tableIndices: Uint8Array.of(0, 1) }).toThrow(/^tableIndices: .*got 1 at 1/);
    refusal({ latents: Float32Array.of(0, Number.NaN) }).toThrow(/^latents: .*got NaN at 1/);
    refusal({ latents: Float32Array.of(Infinity, 0) }).toThrow(/^latents: .*got Infinity at 0/);
    refusal({ latents: Float32Array.of(0, 2 ** 31) }).toThrow(/^latents: .* at 1/);
  });
});
