/**
 * tfjs as referee: its float32 values agree with the float64 evaluation for every operation, and the gradients that
 * it derives by itself agree with ours. Then the accuracy of Gaussian likelihoods in their tails.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, describe as group, test } from 'vitest';
import { createTfjsEngine, loadTfjs } from '../../../src/engines/tfjs.js';
import { UnsupportedError, UsageError } from '../../../src/errors.js';
import { evaluate } from '../../../src/graph/evaluate.js';
import { gradients } from '../../../src/graph/gradients.js';
import { Graph, type Tensor } from '../../../src/graph/graph.js';
import * as g from '../../../src/graph/operations.js';
import type { Shape } from '../../../src/graph/shape.js';
import { cases } from '../graph/cases.js';
import { random, randomValues, relativeError, weightedSum } from '../graph/support.js';

const engine = createTfjsEngine(tf);

function feedsFor(
  shapes: Readonly<Record<string, Shape>>,
  seed: number,
  range: readonly [number, number] = [-1, 1],
) {
  const next = random(seed);
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, randomValues(shape, next, ...range)]),
  );
  return { next, feeds };
}

/** Compares values, our gradients run on tfjs, and tfjs's own gradients with our gradients in float64. */
async function compare(output: Tensor, loss: Tensor, inputs: Tensor[], feeds: Record<string, Float64Array>) {
  const ours = Object.fromEntries(gradients(loss, inputs).map((d, k) => [`d${k}`, d]));
  const exact = evaluate({ output, loss, ...ours }, feeds);
  const run = await engine.run({ output, loss, ...ours }, feeds);
  for (const name of ['output', ...Object.keys(ours)]) {
    expect(relativeError(run[name], exact[name]), `${name} run on tfjs`).toBeLessThan(1e-5);
  }
  expect(Math.abs(run.loss[0] - exact.loss[0])).toBeLessThan(1e-5 * Math.max(1, Math.abs(exact.loss[0])));
  const theirs = await engine.gradients(loss, inputs, feeds);
  for (const [k, values] of theirs.entries()) {
    expect(relativeError(values, exact[`d${k}`]), `d${k} made by tfjs`).toBeLessThan(1e-5);
  }
}

group('every operation and its gradient', () => {
  for (const [op, list] of Object.entries(cases)) {
    test(op, async () => {
      for (const [k, { inputs, build, range }] of list.entries()) {
        const { next, feeds } = feedsFor(inputs, 10 + k, range);
        const graph = new Graph();
        const tensors = Object.fromEntries(
          Object.entries(inputs).map(([name, shape]) => [name, graph.input(name, shape)]),
        );
        const output = build(tensors);
        await compare(output, weightedSum(graph, output, next), Object.values(tensors), feeds);
      }
    });
  }

  test('sign, greaterEqual and a flipped depthwise kernel', async () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 2, 3, 3]);
    const w = graph.input('w', [2, 3, 3]);
    const outputs = {
      sign: g.sign(x),
      greaterEqual: g.greaterEqual(x, 0.25),
      flipped: g.depthwise(x, w, undefined, true),
    };
    const { feeds } = feedsFor({ x: x.shape, w: w.shape }, 5);
    const exact = evaluate(outputs, feeds);
    const run = await engine.run(outputs, feeds);
    for (const name of Object.keys(exact)) expect(relativeError(run[name], exact[name])).toBeLessThan(1e-6);
  });

  test('straight-through rounding, lower bounds and changed gradients keep their own rules', async () => {
    const graph = new Graph();
    const x = graph.input('x', [8]);
    const w = graph.input('w', [8]);
    const bounded = g.add(g.straightThroughRound(x), g.lowerBound(x, 0.5));
    const loss = g.sum(g.mul(w, g.add(bounded, g.mul(g.stopGradient(x), g.clipGradient(x, 3)))));
    const feeds = { x: [0.5, 1.5, -0.5, 2.5, 0.2, 0.2, 3, 0.4], w: [1, -2, 3, -4, 5, -6, 7, -8] };
    const [dx, dw] = await engine.gradients(loss, [x, w], feeds);
    const [ourDx, ourDw] = gradients(loss, [x, w]);
    const exact = evaluate({ ourDx, ourDw }, feeds);
    expect(relativeError(dx, exact.ourDx)).toBeLessThan(1e-6);
    expect(relativeError(dw, exact.ourDw)).toBeLessThan(1e-6);
  });
});

group('small models', () => {
  test('strided convolutions, transposed convolution, likelihood', async () => {
    const graph = new Graph();
    const shapes = {
      image: [2, 3, 8, 8],
      w1: [4, 3, 5, 5],
      b1: [4],
      w2: [6, 4, 3, 3],
      w3: [6, 3, 5, 5],
      scale: [6, 1, 1],
    };
    const t = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, shape)]),
    ) as Record<keyof typeof shapes, Tensor>;
    const { feeds } = feedsFor(shapes, 3, [-0.5, 0.5]);
    const down = { stride: 2, padding: [2, 2, 2, 2] } as const;
    const hidden = g.leakyRelu(g.conv(t.image, t.w1, t.b1, down), 0.2);
    const latent = g.conv(hidden, t.w2);
    const sigma = g.softplus(t.scale);
    const distance = g.abs(g.div(latent, sigma));
    const half = g.div(0.5, sigma);
    const likelihood = g.sub(g.normalTail(g.sub(distance, half)), g.normalTail(g.add(distance, half)));
    const picture = g.convInputGradient(latent, t.w3, [2, 3, 8, 8], down);
    const loss = g.add(
      g.mean(g.log(g.lowerBound(likelihood, 1e-6))),
      g.mul(g.mean(g.square(g.sub(picture, t.image))), 3),
    );
    await compare(latent, loss, Object.values(t), feeds);
  });

  test('attention over channels with shuffles, slices, concatenation and broadcasting', async () => {
    const graph = new Graph();
    const shapes = { x: [2, 4, 4, 6], w: [8, 16], kernel: [8, 3, 3], gate: [4, 1, 1], bias: [8] };
    const t = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, shape)]),
    ) as Record<keyof typeof shapes, Tensor>;
    const { feeds } = feedsFor(shapes, 4);
    const folded = g.depthwise(g.pointwise(g.spaceToDepth(t.x, 2), t.w, t.bias), t.kernel);
    const first = g.mul(g.sliceChannels(folded, 0, 4), g.sigmoid(t.gate));
    const second = g.transpose(g.reshape(g.sliceChannels(folded, 4, 4), [2, 4, 6]), [0, 2, 1]);
    const scores = g.exp(g.mul(g.matMul(g.reshape(first, [2, 4, 6]), second), 0.3));
    const weights = g.div(scores, g.sum(scores, [2], true));
    const mixed = g.reshape(g.matMul(weights, second, { transposeB: true }), [2, 4, 2, 3]);
    const both = g.depthToSpace(g.concat([mixed, first], 1), 2);
    const output = g.pad(g.tanh(both), [0, 1, 0, 2], [0, 0, 1, 0]);
    await compare(output, g.mean(g.square(g.add(output, 0.5))), Object.values(t), feeds);
  });
});

group('Gaussian likelihoods in float32', () => {
  const distances = Array.from({ length: 49 }, (_, k) => k / 4);
  const scales = [0.11, 0.2, 0.5, 1, 2, 5, 16, 64, 256];
  const n = distances.length * scales.length;
  const graph = new Graph();
  const y = graph.input('y', [n]);
  const sigma = graph.input('sigma', [n]);
  const distance = g.div(g.abs(y), sigma);
  const half = g.div(0.5, sigma);
  const likelihood = g.sub(g.normalTail(g.sub(distance, half)), g.normalTail(g.add(distance, half)));
  const logLikelihood = g.log(likelihood);
  const loss = g.sum(logLikelihood);
  const [dy, dsigma] = gradients(loss, [y, sigma]);
  const pairs = scales.flatMap((scale) => distances.map((v) => [Math.fround(v * scale), Math.fround(scale)]));
  const feeds = { y: pairs.map(([value]) => value), sigma: pairs.map(([, scale]) => scale) };

  test('log P and its gradients to 1e-4, up to 12 deviations and for scales 0.11 to 256', async () => {
    const exact = evaluate({ logLikelihood, dy, dsigma }, feeds);
    const run = await engine.run({ logLikelihood, dy, dsigma }, feeds);
    pairs.forEach(([value, scale], k) => {
      const v = value / scale;
      // Errors relative to what the values are of the order of: they cross zero, P = 1 and v = 1 among others.
      const orders = {
        logLikelihood: Math.max(Math.abs(exact.logLikelihood[k]), 0.01),
        dy: Math.max(v, 1) / scale,
        dsigma: Math.max(v * v, 1) / scale,
      };
      for (const name of ['logLikelihood', 'dy', 'dsigma'] as const) {
        const error = Math.abs(run[name][k] - exact[name][k]) / orders[name];
        expect(error, `${name} at v = ${v}, sigma = ${scale}`).toBeLessThan(1e-4);
      }
    });
  });

  test('the tail itself to 1e-6 relative, down to the smallest normal float32', async () => {
    const x = graph.input('x', [161]);
    const values = Array.from({ length: 161 }, (_, k) => Math.fround((k - 30) / 10));
    const exact = evaluate({ tail: g.normalTail(x) }, { x: values }).tail;
    const { tail } = await engine.run({ tail: g.normalTail(x) }, { x: values });
    const worst = Math.max(...tail.map((q, k) => (exact[k] > 1.2e-38 ? Math.abs(q / exact[k] - 1) : 0)));
    expect(worst).toBeLessThan(1e-6);
  });
});

group('the engine', () => {
  test('frees all tensors', async () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 3]);
    const before = tf.memory().numTensors;
    const y = g.exp(x);
    await engine.run({ x, y, again: y }, { x: new Array(6).fill(1) });
    await engine.gradients(g.sum(y), [x], { x: new Array(6).fill(1) });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('errors name the tensor', async () => {
    const graph = new Graph();
    const x = graph.input('x', [2]);
    const y = g.square(x);
    await expect(engine.run({ y }, {})).rejects.toThrow('expected values for input x [2], got none');
    await expect(engine.run({ y }, { x: [1] })).rejects.toThrow(UsageError);
    await expect(engine.gradients(y, [x], { x: [1, 2] })).rejects.toThrow(
      'expected a scalar loss, got square',
    );
    await expect(engine.gradients(g.sum(y), [y], { x: [1, 2] })).rejects.toThrow('got square');
  });

  test('loadTfjs says how to install tfjs-node where it is missing', async () => {
    const loaded = await loadTfjs().catch((error: unknown) => error);
    if (loaded instanceof Error) {
      expect(loaded).toBeInstanceOf(UnsupportedError);
      expect(loaded.message).toContain('npm install @tensorflow/tfjs-node');
    } else {
      expect(loaded).toHaveProperty('customGrad');
    }
  });
});
