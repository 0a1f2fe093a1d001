/**
 * Trainable quantizers, values and gradients: golden vectors of the methods' released code, numeric derivatives where the
 * gradient is one, masks where it is not. All in float64 by the graph's evaluator.
 */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../src/graph/evaluate.js';
import { Graph, gradients, mul, sum, type Tensor } from '../../../../src/graph/index.js';
import { shiftRound } from '../../../../src/weights/schemes/bit-shift.js';
import { roundStochastically } from '../../../../src/weights/schemes/direct.js';
import {
  clampOutliers,
  errorDecay,
  float4Activations,
  float4Factor,
  float4Grid,
  float4Slope,
  float4Weights,
  hardShift,
  learnedStep,
  outlierBounds,
  paretoq,
  signedBinary,
  softShift,
  stochasticRound,
} from '../../../../src/weights/trainable/index.js';
import { differences } from '../../graph/support.js';
import { congruential, golden } from '../support.js';

const close = (values: readonly number[], digits = 6) => values.map((value) => expect.closeTo(value, digits));

/** Value and gradients of f for upstream gradients; feeds by name, shapes of the inputs by name. */
function run(
  shapes: Readonly<Record<string, readonly number[]>>,
  f: (inputs: Record<string, Tensor>) => Tensor,
  feeds: Readonly<Record<string, ArrayLike<number>>>,
  upstream: readonly number[],
  wanted: readonly string[],
): Record<string, number[]> {
  const graph = new Graph();
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, shape)]),
  );
  const y = f(inputs);
  const loss = sum(mul(y, graph.constant(upstream, y.shape)));
  const found = gradients(
    loss,
    wanted.map((name) => inputs[name]),
  );
  const outputs = { y, ...Object.fromEntries(wanted.map((name, k) => [`d${name}`, found[k]])) };
  const values = evaluate(outputs, feeds);
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Array.from(value, (v) => v + 0)]),
  );
}

describe('ParetoQ', () => {
  interface Case {
    readonly alpha: number[];
    readonly y: number[][];
    readonly gW: number[][];
    readonly gAlpha: number[];
  }
  const { W, G, cases } = golden<{ W: number[][]; G: number[][]; cases: Record<string, Case> }>('paretoq');

  it.each(Object.entries(cases))('has the golden values and gradients, case %s', (key, one) => {
    const bits = key === '0' ? 1.58 : Number(key);
    // In float32 w / alpha is exactly the end of the range for the largest weight; in float64 it is a hair beyond.
    const alpha = bits >= 3 ? one.alpha.map((a) => a * (1 + 1e-7)) : one.alpha;
    const { y, dw, dalpha } = run(
      { w: [2, 8], alpha: [2, 1] },
      ({ w, alpha }) => paretoq(w, alpha, bits),
      { w: W.flat(), alpha },
      G.flat(),
      ['w', 'alpha'],
    );
    expect(y).toEqual(close(one.y.flat().map((value) => value + 0)));
    expect(dw).toEqual(close(one.gW.flat().map((value) => value + 0)));
    expect(dalpha).toEqual(close(one.gAlpha, 5));
  });

  it('keeps alphas of 0 and below usable', () => {
    const { y } = run(
      { w: [1, 2], alpha: [1, 1] },
      ({ w, alpha }) => paretoq(w, alpha, 2),
      { w: [1, -1], alpha: [-3] },
      [1, 1],
      ['w'],
    );
    expect(y).toEqual(close([0.75e-5, -0.75e-5], 9));
    expect(() => paretoq(new Graph().input('w', [1]), new Graph().input('a', [1]), 5)).toThrow(
      'paretoq: expected bits among 1,1.58,2,3,4, got 5',
    );
  });
});

describe('LSQ', () => {
  it('has the published gradients inside, below and above', () => {
    const { y, dx, dstep } = run(
      { x: [4], step: [] },
      ({ x, step }) => learnedStep(x, step, { low: -4, high: 3 }),
      { x: [0.3, 2.2, -9, 9], step: [0.5] },
      [1, 2, 3, 4],
      ['x', 'step'],
    );
    expect(y).toEqual([0.5, 1.5, -2, 1.5]);
    expect(dx).toEqual([1, 0, 0, 0]);
    expect(dstep).toEqual(close([(1 * (1 - 0.6) + 2 * 3 + 3 * -4 + 4 * 3) / Math.sqrt(4 * 3)]));
  });

  it('learns the step that Lloyd-Max quantization has', () => {
    const uniform = congruential(2);
    const x = Array.from(
      { length: 4000 },
      () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
    const graph = new Graph();
    const [weights, step] = [graph.input('x', [4000]), graph.input('step', [])];
    const y = learnedStep(weights, step, { low: -4, high: 3, count: 1 });
    const error = graph.input('error', [4000]);
    const [slope] = gradients(sum(mul(y, error)), [step]);
    let current = 1;
    for (let turn = 0; turn < 60; turn++) {
      const value = evaluate({ y }, { x, step: [current] }).y;
      const feeds = { x, step: [current], error: value.map((back, i) => (back - x[i]) / 4000) };
      current -= 0.3 * evaluate({ slope }, feeds).slope[0];
    }
    // The best uniform step of 8 levels with a zero for a unit Gaussian is near 0.6.
    expect(current).toBeGreaterThan(0.5);
    expect(current).toBeLessThan(0.66);
  });

  it('refuses ranges without zero', () => {
    const graph = new Graph();
    const build = () => learnedStep(graph.input('x', [1]), graph.input('s', []), { low: 1, high: 3 });
    expect(build).toThrow('learned step: expected whole low <= 0 < high, got 1 and 3');
  });
});

describe('bit-shift', () => {
  const { bitshift } = golden<{
    bitshift: { x: number[]; hard: number[]; soft: Record<string, [number, number][]> };
  }>('misc_examples');
  const soft = (x: readonly number[], temperature: number) =>
    run(
      { x: [x.length] },
      (inputs) => softShift(inputs.x, 3, temperature),
      { x },
      x.map(() => 1),
      ['x'],
    );

  it.each(Object.entries(bitshift.soft))('has the golden values and slopes, temperature %s', (key, pairs) => {
    const { y, dx } = soft(bitshift.x, Number(key));
    expect(y).toEqual(
      close(
        pairs.map(([value]) => value),
        10,
      ),
    );
    expect(dx).toEqual(
      close(
        pairs.map(([, slope]) => slope),
        8,
      ),
    );
  });

  it('has its numeric derivative, is odd, rises, and nears the hard function', () => {
    const x = Float64Array.from({ length: 41 }, (_, k) => (k - 20) / 14.3);
    const graph = new Graph();
    const loss = sum(softShift(graph.input('x', [41]), 4, 7, 0.5));
    const [dx] = gradients(loss, [graph.input('x', [41])]);
    expect([...evaluate({ dx }, { x }).dx]).toEqual(close([...differences(loss, 'x', { x }, 1e-7)], 5));
    const values = soft([...x], 7).y;
    values.forEach((value, k) => {
      expect(value).toBeCloseTo(-values[40 - k], 12);
      if (k > 0) expect(value).toBeGreaterThan(values[k - 1]);
    });
    const distance = (temperature: number): number[] =>
      soft([...x], temperature).y.map((value, k) => Math.abs(value - shiftRound(x[k], 3)));
    const [cool, warm, hot] = [40, 80, 400].map(distance);
    cool.forEach((error, k) => {
      expect(warm[k]).toBeLessThanOrEqual(error + 1e-15);
      expect(hot[k]).toBeLessThanOrEqual(warm[k] + 1e-15);
    });
  });

  it('anneals by a tensor, and is evaluated hard', () => {
    const graph = new Graph();
    const [x, temperature] = [graph.input('x', [16]), graph.input('temperature', [])];
    const y = softShift(x, 3, temperature);
    const outputs = { y, hard: hardShift(x, 3), shifted: hardShift(mul(x, 8), 3, 8) };
    const values = evaluate(outputs, { x: bitshift.x, temperature: [20] });
    expect([...values.y]).toEqual(
      close(
        bitshift.soft[20].map(([value]) => value),
        10,
      ),
    );
    expect([...values.hard]).toEqual(bitshift.hard);
    expect([...values.shifted]).toEqual(bitshift.hard.map((level) => 8 * level));
  });
});

describe('FP4', () => {
  const one = golden<{
    msamp_dge_test: { x: number[]; y: number[] };
    dge_k5_clamp3: [number, number][];
    ties: Record<string, number[]>;
  }>('fp4_dge');

  it('has the golden slopes', () => {
    const [xs, slopes] = [one.dge_k5_clamp3.map(([x]) => x), one.dge_k5_clamp3.map(([, slope]) => slope)];
    const y = float4Slope(new Graph().input('x', [xs.length]));
    const inside = slopes.map((slope, k) => (Math.abs(xs[k]) > 6 ? 0 : slope));
    expect([...evaluate({ y }, { x: xs }).y]).toEqual(close(inside, 6));
    expect(() => float4Slope(new Graph().input('x', [1]), 1)).toThrow(
      'expected an exponent k above 1, got 1',
    );
  });

  it('has the slopes that the released code expects in bfloat16', () => {
    const { x, y: expected } = one.msamp_dge_test;
    const y = evaluate({ y: float4Slope(new Graph().input('x', [20])) }, { x }).y;
    expected.forEach((slope, k) => {
      expect(Math.abs(y[k] - slope)).toBeLessThan(slope / 128);
    });
  });

  it('rounds ties both ways', () => {
    const ties = Object.entries(one.ties);
    const x = ties.flatMap(([tie]) => [Number(tie), -Number(tie)]);
    const input = new Graph().input('x', [x.length]);
    const values = evaluate({ even: float4Grid(input), up: float4Grid(input, 'up') }, { x });
    expect(Array.from(values.up, (v) => v + 0)).toEqual(ties.flatMap(([, [plus, minus]]) => [plus, minus]));
    expect(Array.from(values.even, (v) => v + 0)).toEqual(
      ties.flatMap(([, [, , plus, minus]]) => [plus, minus]),
    );
  });

  it('gives the released examples with power-of-two factors', () => {
    const x = [0.001, 0.048, 0.0997, 0.1503, 0.2002, 0.2497, 0.2974, 0.30699, 0.4001];
    const quantize = (values: readonly number[]) => {
      const factor = float4Factor(Math.max(...values.map(Math.abs)), true);
      const y = float4Weights(new Graph().input('w', [values.length]), { factor, ties: 'up' });
      return Array.from(evaluate({ y }, { w: values }).y, (v) => v + 0);
    };
    expect(quantize(x)).toEqual([0, 0.0625, 0.125, 0.125, 0.1875, 0.25, 0.25, 0.25, 0.375]);
    expect(quantize([-0.01, 1.623, -2.874, 0.85])).toEqual([0, 1.5, -3, 0.75]);
    expect(quantize([0.48, -2.222, 3.699, -1.343])).toEqual([0.5, -2, 4, -1.5]);
    expect(quantize([-9.67, 24.67, -34.57, 18.88])).toEqual([-8, 24, -32, 16]);
  });

  it('passes the slope at the scaled weight, row by row', () => {
    const { y, dw } = run(
      { w: [3, 2] },
      ({ w }) => float4Weights(w),
      { w: [12, 0.2, 6, 5.01, 0, 0] },
      [1, 2, 1, 2, 1, 2],
      ['w'],
    );
    expect(y).toEqual([12, 0, 6, 6, 0, 0]);
    const slope = (x: number) => 0.2 * Math.abs(x) ** -0.8;
    expect(dw).toEqual(close([0.2, 2 * slope((2 * 0.1) / 0.5 - 1), 0.2, 2 * 3, 0.2, 0.4]));
  });

  it('compensates outliers, straight through', () => {
    const x = Float32Array.from({ length: 100 }, (_, k) => (k === 99 ? 50 : (k - 50) / 25));
    const { low, high } = outlierBounds(x, 0.97);
    expect([low, high]).toEqual([x[3], x[97]]);
    const graph = new Graph();
    const input = graph.input('x', [1, 100]);
    const { clamped, residual } = clampOutliers(input, low, high);
    const y = float4Activations(input, low, high);
    const [dx] = gradients(sum(y), [input]);
    const values = evaluate({ clamped, residual, y, dx }, { x });
    expect(values.residual.filter((rest) => rest !== 0).length).toBe(5);
    expect([...values.dx]).toEqual(new Array(100).fill(1));
    const error = (back: Float64Array) => back.reduce((total, v, i) => total + (v - x[i]) ** 2, 0);
    const plain = evaluate({ y: float4Weights(input) }, { x }).y;
    expect(error(values.y)).toBeLessThan(0.1 * error(plain));
    expect(() => outlierBounds(x, 0.2)).toThrow(
      'expected a quantile from 0.5 to 1 and values, got 0.2 of 100',
    );
  });
});

describe('signed binary', () => {
  type Filters = number[][][][];
  const { W, G, y, gW } = golden<{ W: Filters; G: Filters; y: Filters; gW: Filters }>('plum');

  it('has the golden values and gradients', () => {
    const found = run({ w: [4, 1, 2, 2] }, ({ w }) => signedBinary(w), { w: W.flat(3) }, G.flat(3), ['w']);
    expect(found.y).toEqual(y.flat(3).map((value) => value + 0));
    expect(found.dw).toEqual(close(gW.flat(3)));
  });

  it('has the slope of a hyperbolic tangent with error decay', () => {
    const schedule = [0, 0.25, 0.5, 0.75, 1].map(errorDecay);
    expect(schedule.map(({ t }) => t)).toEqual(close([0.1, 0.316227766, 1, 3.16227766, 10]));
    expect(schedule.map(({ k }) => k)).toEqual(close([10, 3.16227766, 1, 1, 1]));
    expect(() => errorDecay(1.5)).toThrow('error decay: expected a progress from 0 to 1, got 1.5');
    const w = [0.8, 0.1, -0.8, 0.3];
    const { dw } = run(
      { w: [2, 2] },
      (inputs) => signedBinary(inputs.w, { t: 2, k: 3 }),
      { w },
      [1, 1, 1, 1],
      ['w'],
    );
    const thresholds = [0.04, 0.04, -0.04, -0.04];
    expect(dw).toEqual(close(w.map((v, i) => 6 * (1 - Math.tanh(2 * (v - thresholds[i])) ** 2))));
  });
});

describe('stochastic rounding', () => {
  it('agrees with the rule of updates, draw by draw', () => {
    const uniform = congruential(3);
    const x = Array.from({ length: 300 }, () => 6 * uniform() - 3);
    const draws = x.map(() => uniform());
    const { y, dx } = run(
      { x: [300], step: [], uniform: [300] },
      (inputs) => stochasticRound(inputs.x, inputs.step, inputs.uniform, { low: -4, high: 3 }),
      { x, step: [0.5], uniform: draws },
      x.map(() => 1),
      ['x'],
    );
    const grid = { low: -4, high: 3 };
    expect(y).toEqual(x.map((value, i) => 0.5 * roundStochastically(value, 0.5, grid, draws[i]) + 0));
    expect(dx).toEqual(x.map((value) => (value >= -2 && value <= 1.5 ? 1 : 0)));
  });
});
