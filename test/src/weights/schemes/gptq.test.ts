/** GPTQ against golden vectors of its released code, and what it is for: smaller errors of a layer's outputs. */
import { describe, expect, it } from 'vitest';
import { SecondMoments } from '../../../../src/weights/hessian.js';
import { schemeOf } from '../../../../src/weights/registry.js';
import { congruential, gaussianTensor, golden, roundTrip, tensorOf } from '../support.js';

interface Case {
  readonly bits: number;
  readonly sym: boolean;
  readonly groupsize: number;
  readonly actorder: boolean;
  readonly percdamp: number;
  readonly Q: number[][];
}

const { W, X, cases } = golden<{ W: number[][]; X: number[][]; cases: Case[] }>('gptq');

function hessianOf(inputs: Float32Array, columns: number): Float32Array {
  const moments = new SecondMoments(columns);
  moments.add(inputs);
  return moments.mean();
}

/** Squared error of the outputs for the given inputs, relative to the outputs. */
function outputError(
  inputs: Float32Array,
  before: Float32Array,
  after: Float32Array,
  columns: number,
): number {
  let error = 0;
  let energy = 0;
  for (let sample = 0; sample < inputs.length; sample += columns) {
    for (let row = 0; row < before.length; row += columns) {
      let output = 0;
      let difference = 0;
      for (let k = 0; k < columns; k++) {
        output += inputs[sample + k] * before[row + k];
        difference += inputs[sample + k] * (before[row + k] - after[row + k]);
      }
      error += difference * difference;
      energy += output * output;
    }
  }
  return Math.sqrt(error / energy);
}

describe('golden vectors', () => {
  const hessian = hessianOf(Float32Array.from(X.flat()), 4);

  it.each(cases)('$bits bits, symmetric $sym, group $groupsize, ordered $actorder', (one) => {
    const { values } = roundTrip(schemeOf(one.sym ? 'gptq-sym' : 'gptq'), tensorOf(W), {
      bits: one.bits,
      granularity: one.groupsize > 0 ? { group: one.groupsize } : 'row',
      actOrder: one.actorder,
      damping: one.percdamp,
      scales: 'float32',
      hessian,
    });
    expect([...values]).toEqual(one.Q.flat().map((value) => expect.closeTo(value, 6)));
  });
});

describe('correlated inputs', () => {
  const columns = 96;
  const weights = gaussianTensor(24, columns, 3);
  const inputs = new Float32Array(400 * columns);
  const uniform = congruential(9);
  for (let i = 0; i < inputs.length; i++) {
    inputs[i] = (i % columns === 0 ? 0 : 0.9 * inputs[i - 1]) + uniform() - 0.5;
  }
  const hessian = hessianOf(inputs, columns);
  const error = (name: string, options: object): number =>
    outputError(inputs, weights.values, roundTrip(schemeOf(name), weights, options).values, columns);

  it.each([2, 3, 4])('are reproduced better than by rounding, %i bits', (bits) => {
    const options = { bits, granularity: 'row', hessian } as const;
    const rounded = error(`int${bits}-asym`, { granularity: 'row' });
    expect(error('gptq', options)).toBeLessThan(0.6 * rounded);
    expect(error('gptq', { ...options, actOrder: true })).toBeLessThan(0.6 * rounded);
    expect(error('gptq', { ...options, search: true })).toBeLessThan(0.6 * rounded);
  });

  it('are what rounding gives where inputs are independent', () => {
    const identity = new Float32Array(columns * columns);
    for (let k = 0; k < columns; k++) identity[k * columns + k] = 1;
    const gptq = roundTrip(schemeOf('gptq'), weights, { granularity: { group: 32 }, hessian: identity });
    const rounding = roundTrip(schemeOf('int4-asym'), weights, { granularity: { group: 32 } });
    expect([...gptq.quantized.codes]).toEqual([...rounding.quantized.codes]);
  });

  it('make columns without inputs 0', () => {
    const dead = hessian.slice();
    for (let k = 0; k < columns; k++) dead[5 * columns + k] = dead[k * columns + 5] = 0;
    const { values } = roundTrip(schemeOf('gptq'), weights, { granularity: 'row', hessian: dead });
    for (let row = 0; row < 24; row++) expect(values[row * columns + 5]).toBe(0);
  });

  it('are asked for, whole and useful', () => {
    const quantize = (options: object) => () => schemeOf('gptq').quantize(weights, options);
    expect(quantize({})).toThrow('tensor gaussian: expected a Hessian [96,96] for gptq, got none');
    expect(quantize({ hessian: new Float32Array(3) })).toThrow('got 3 values');
    expect(quantize({ hessian, damping: -1 })).toThrow('damping: expected a number of at least 0, got -1');
    const indefinite = hessian.map((moment, i) => (i % (columns + 1) === 0 ? moment : -10 * moment));
    expect(quantize({ hessian: indefinite })).toThrow('positive definite');
  });
});

describe('second moments of patches', () => {
  it('are those of the unfolded picture', () => {
    const image = Float32Array.from({ length: 2 * 3 * 4 }, (_, k) => k + 1);
    const moments = new SecondMoments(2 * 9);
    moments.addPatches(image, [2, 3, 4], { kernel: [3, 3] });
    expect(moments.samples).toBe(12);
    // The middle tap of channel 0 sees every pixel once: the mean of 1^2 .. 12^2.
    expect(moments.mean()[4 * 18 + 4]).toBeCloseTo(650 / 12, 4);
    // Middle tap of channel 0 times the one to its right, where that lies inside.
    const products = [1, 2, 3, 5, 6, 7, 9, 10, 11].reduce((sum, at) => sum + at * (at + 1), 0);
    expect(moments.mean()[4 * 18 + 5]).toBeCloseTo(products / 12, 4);
    expect(moments.mean()[5 * 18 + 4]).toBe(moments.mean()[4 * 18 + 5]);
  });

  it('skip positions with a stride and name what does not fit', () => {
    const moments = new SecondMoments(4);
    moments.addPatches(new Float32Array(16), [1, 4, 4], { kernel: [2, 2], stride: 2, padding: [0, 0, 0, 0] });
    expect(moments.samples).toBe(4);
    expect(() => moments.addPatches(new Float32Array(16), [1, 4, 4], { kernel: [3, 3] })).toThrow(
      'second moments: expected patches of 4 values, got 1x3x3 of 16',
    );
    expect(() => moments.add(new Float32Array(3))).toThrow('expected vectors of 4 columns, got 3 values');
  });
});
