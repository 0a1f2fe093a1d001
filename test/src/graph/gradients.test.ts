/**
 * Every vector-Jacobian product against central differences in float64; the two rules that are no derivatives
 * against their documentation; and a small model of the kind that the codec trains.
 */
import { expect, describe as group, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { evaluate, upperNormalTail } from '../../../src/graph/evaluate.js';
import { gradients, vectorJacobian } from '../../../src/graph/gradients.js';
import { ancestors, Graph, type Tensor } from '../../../src/graph/graph.js';
import * as g from '../../../src/graph/operations.js';
import { type Case, cases } from './cases.js';
import { differences, random, randomValues, relativeError, weightedSum } from './support.js';

/** Largest error of the gradients of `loss` with respect to all fed inputs. */
function worstError(loss: Tensor, inputs: Tensor[], feeds: Record<string, Float64Array>): number {
  const outputs = Object.fromEntries(gradients(loss, inputs).map((d, k) => [inputs[k].name as string, d]));
  const values = evaluate(outputs, feeds);
  return Math.max(
    ...inputs.map((input) => {
      expect(outputs[input.name as string].shape).toEqual(input.shape);
      return relativeError(values[input.name as string], differences(loss, input.name as string, feeds));
    }),
  );
}

function setUp({ inputs, build, range }: Case, seed: number) {
  const next = random(seed);
  const graph = new Graph();
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, graph.input(name, shape)]),
  );
  const output = build(tensors);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, randomValues(shape, next, ...(range ?? [-1, 1]))]),
  );
  return { output, loss: weightedSum(graph, output, next), tensors: Object.values(tensors), feeds };
}

group('each rule agrees with finite differences', () => {
  for (const [op, list] of Object.entries(cases)) {
    test(op, () => {
      list.forEach((one, k) => {
        const { output, loss, tensors, feeds } = setUp(one, 100 * k + op.length);
        const shapes = JSON.stringify(one.inputs);
        expect(evaluate({ output }, feeds).output.length, shapes).toBe(
          output.shape.reduce((n, m) => n * m, 1),
        );
        expect(worstError(loss, tensors, feeds), `${op} case ${k} ${shapes}`).toBeLessThan(1e-6);
      });
      const ops = list.flatMap((one) => ancestors([setUp(one, 1).output]).map((node) => node.op));
      expect(ops).toContain(op);
    });
  }
});

group('documented rules', () => {
  const graph = new Graph();
  const x = graph.input('x', [6]);
  const weights = graph.input('weights', [6]);

  test('straightThroughRound rounds half to even and passes the gradient unchanged', () => {
    const rounded = g.straightThroughRound(x);
    const [dx] = gradients(g.sum(g.mul(rounded, weights)), [x]);
    const feeds = { x: [0.5, 1.5, -0.5, -2.5, 2.4, -3.6], weights: [1, -2, 3, -4, 5, 6] };
    const values = evaluate({ rounded, dx }, feeds);
    expect([...values.rounded].map((value) => value + 0)).toEqual([0, 2, 0, -2, 2, -4]);
    expect([...values.dx]).toEqual(feeds.weights);
  });

  test('lowerBound passes a gradient below the bound only where descent raises x', () => {
    const bounded = g.lowerBound(x, 0.5);
    const [dx] = gradients(g.sum(g.mul(bounded, weights)), [x]);
    const feeds = { x: [1, 1, 0, 0, 0.5, 0.5], weights: [2, -3, 4, -5, 6, -7] };
    const values = evaluate({ bounded, dx }, feeds);
    expect([...values.bounded]).toEqual([1, 1, 0.5, 0.5, 0.5, 0.5]);
    expect([...values.dx]).toEqual([2, -3, 0, -5, 6, -7]);
  });

  test('stopGradient and clipGradient change gradients only', () => {
    const y = g.add(g.mul(g.stopGradient(x), x), g.clipGradient(x, 2));
    const [dx] = gradients(g.sum(g.mul(y, weights)), [x]);
    const feeds = { x: [0, 1, 2, 3, -4, 5], weights: [1, -2, 3, -4, 5, 0.5] };
    const values = evaluate({ y, dx }, feeds);
    expect([...values.y]).toEqual(feeds.x.map((at) => at * at + at));
    expect([...values.dx]).toEqual([1, -4, 8, -14, -18, 3]);
    expect(() => gradients(g.sum(g.stopGradient(x)), [x])).toThrow(UsageError);
    expect(() => g.clipGradient(x, 0)).toThrow(UsageError);
  });

  test('a tie of max or min gives the whole gradient to the first operand', () => {
    for (const f of [g.maximum, g.minimum]) {
      const [dx, dweights] = gradients(g.sum(f(x, weights)), [x, weights]);
      const values = evaluate({ dx, dweights }, { x: new Array(6).fill(1), weights: new Array(6).fill(1) });
      expect([...values.dx, ...values.dweights]).toEqual([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    }
  });
});

group('gradients of whole graphs', () => {
  test('an intermediate tensor, a tensor used three times, and the loss itself', () => {
    const graph = new Graph();
    const x = graph.input('x', [3]);
    const y = g.exp(x);
    const loss = g.sum(g.add(g.mul(y, y), g.mul(y, x)));
    const [dy, dx, dloss] = gradients(loss, [y, x, loss]);
    const values = evaluate({ y, dy, dx, dloss }, { x: [0.1, -0.2, 0.3] });
    [0.1, -0.2, 0.3].forEach((at, k) => {
      const e = Math.exp(at);
      expect(values.dy[k]).toBeCloseTo(2 * e + at, 12);
      expect(values.dx[k]).toBeCloseTo(2 * e * e + e * at + e, 12);
    });
    expect([...values.dloss]).toEqual([1]);
  });

  test('the mean of squares costs one scaling', () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 3, 4]);
    const [dx] = gradients(g.mean(g.square(x)), [x]);
    expect(ancestors([dx]).map((node) => node.op)).toEqual(['input', 'scalar', 'mul']);
  });

  test('a small model: transform, noise, Gaussian likelihood, distortion', () => {
    const next = random(7);
    const graph = new Graph();
    const shapes = {
      image: [2, 3, 4, 4],
      w1: [5, 12],
      b1: [5],
      kernel: [5, 3, 3],
      b2: [5],
      w3: [4, 5],
      scaleWeights: [4, 5],
      w4: [12, 4],
      gain: [4, 1, 1],
      noise: [2, 4, 2, 2],
    };
    const t = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, shape)]),
    ) as Record<keyof typeof shapes, Tensor>;
    const feeds = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, randomValues(shape, next, -0.8, 0.8)]),
    );
    const hidden = g.leakyRelu(g.pointwise(g.spaceToDepth(t.image, 2), t.w1, t.b1), 0.1);
    const mixed = g.add(hidden, g.depthwise(hidden, t.kernel, t.b2));
    const latent = g.add(g.mul(g.pointwise(mixed, t.w3), g.exp(t.gain)), t.noise);
    const scale = g.lowerBound(g.exp(g.pointwise(mixed, t.scaleWeights)), 0.11);
    const distance = g.div(g.abs(latent), scale);
    const half = g.div(0.5, scale);
    const likelihood = g.sub(g.normalTail(g.sub(distance, half)), g.normalTail(g.add(distance, half)));
    const bits = g.mul(g.sum(g.log(g.lowerBound(likelihood, 1e-9))), -1 / Math.LN2);
    const picture = g.depthToSpace(g.pointwise(latent, t.w4), 2);
    const loss = g.add(g.mul(bits, 0.01), g.mean(g.square(g.sub(picture, t.image))));
    expect(worstError(loss, Object.values(t), feeds)).toBeLessThan(1e-6);
  });

  test('errors name the tensor', () => {
    const graph = new Graph();
    const x = graph.input('x', [2]);
    const w = graph.input('w', [2]);
    expect(() => gradients(g.square(x), [x])).toThrow(
      /gradients: expected a scalar loss, got square#\d+ \[2\]/,
    );
    expect(() => gradients(g.sum(x), [w])).toThrow('depends on w [2]');
    expect(() => gradients(g.sum(g.sign(x)), [x])).toThrow(UsageError);
    const image = graph.input('image', [1, 1, 3, 3]);
    const twice = g.sum(g.depthwiseFilterGradient(image, g.square(image), [3, 3]));
    expect(() => gradients(twice, [image])).toThrow('depthwiseFilterGradient');
  });
});

group('evaluate', () => {
  test('upperNormalTail to fourteen digits', () => {
    // Reference: mpmath, 40 digits.
    const reference: [number, number][] = [
      [0, 0.5],
      [0.3, 0.3820885778110474],
      [-1.7, 0.955434537241457],
      [1.96, 0.02499789514822044],
      [2, 0.0227501319481792],
      [5.5, 1.898956246588772e-8],
      [12, 1.776482112077679e-33],
      [20, 2.7536241186062337e-89],
      [37, 5.725571222524577e-300],
    ];
    for (const [x, q] of reference)
      expect(Math.abs(upperNormalTail(x) / q - 1), `Q(${x})`).toBeLessThan(1e-14);
    expect([Infinity, -Infinity, Number.NaN].map(upperNormalTail)).toEqual([0, 1, Number.NaN]);
  });

  test('missing and wrongly sized feeds are named', () => {
    const graph = new Graph();
    const y = g.exp(graph.input('x', [2, 3]));
    expect(() => evaluate({ y }, {})).toThrow('feeds: expected values for input x [2,3], got none');
    expect(() => evaluate({ y }, { x: [1, 2] })).toThrow('expected 6 values for input x [2,3], got 2');
    expect(() => evaluate({ y }, { x: [1] })).toThrow(UsageError);
  });

  test('results are copies', () => {
    const graph = new Graph();
    const x = graph.input('x', [2]);
    const { a, b } = evaluate({ a: x, b: g.reshape(x, [1, 2]) }, { x: [1, 2] });
    a[0] = 9;
    expect([...b]).toEqual([1, 2]);
  });
});

group('vectorJacobian', () => {
  test('is the gradient of the sum of products', () => {
    const next = random(5);
    const graph = new Graph();
    const [x, w, cotangent] = [
      graph.input('x', [1, 3, 4, 4]),
      graph.input('w', [2, 3]),
      graph.input('cotangent', [1, 2, 4, 4]),
    ];
    const output = g.leakyRelu(g.pointwise(x, w), 0.1);
    const loss = g.sum(g.mul(output, g.stopGradient(cotangent)));
    const [direct] = vectorJacobian(output, cotangent, [x]);
    const [summed] = gradients(loss, [x]);
    const feeds = Object.fromEntries(
      [x, w, cotangent].map((input) => [input.name!, randomValues(input.shape, next)]),
    );
    const values = evaluate({ direct, summed }, feeds);
    expect(relativeError(values.direct, values.summed)).toBeLessThan(1e-12);
  });

  test('wants a cotangent of the shape of the output', () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 3]);
    const message = /expected a cotangent with the shape of square.*\[2,3\].*got y \[3,2\]/;
    expect(() => vectorJacobian(g.square(x), graph.input('y', [3, 2]), [x])).toThrow(message);
  });
});
