/**
 * Trainable quantizers on the engines that train: values and gradients of onnxruntime and tfjs in float32 are those of the
 * evaluator in float64. Inputs stay away from thresholds, where float32 may fall on the other side.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { loadOnnxRuntime, OnnxProgram } from '../../../../src/engines/onnxruntime.js';
import { createTfjsEngine } from '../../../../src/engines/tfjs.js';
import { evaluate } from '../../../../src/graph/evaluate.js';
import { Graph, gradients, mul, sum, type Tensor } from '../../../../src/graph/index.js';
import {
  float4Activations,
  float4Weights,
  learnedStep,
  paretoq,
  signedBinary,
  softShift,
  stochasticRound,
} from '../../../../src/weights/trainable/index.js';
import { relativeError } from '../../graph/support.js';
import { congruential } from '../support.js';

const rows = 6;
const columns = 11;

type Build = (w: Tensor, alpha: Tensor, uniform: Tensor) => Tensor;

const forms: Readonly<Record<string, Build>> = {
  ...Object.fromEntries(
    [1, 1.58, 2, 3, 4].map((bits): [string, Build] => [
      `paretoq ${bits}`,
      (w, alpha) => paretoq(w, alpha, bits),
    ]),
  ),
  learnedStep: (w, alpha) => learnedStep(w, alpha, { low: -8, high: 7 }),
  softShift: (w) => softShift(w, 4, 12),
  float4Weights: (w) => float4Weights(w),
  float4Activations: (w) => float4Activations(w, -0.7, 0.8),
  signedBinary: (w) => signedBinary(w),
  'signedBinary, error decay': (w) => signedBinary(w, { t: 2, k: 1 }),
  stochasticRound: (w, alpha, uniform) => stochasticRound(w, alpha, uniform, { low: -3, high: 2 }),
};

function setUp(build: Build, seed: number) {
  const next = congruential(seed);
  const graph = new Graph();
  const shapes = { w: [rows, columns], alpha: [rows, 1], uniform: [rows, columns] };
  const { w, alpha, uniform } = {
    w: graph.input('w', shapes.w),
    alpha: graph.input('alpha', shapes.alpha),
    uniform: graph.input('uniform', shapes.uniform),
  };
  const y = build(w, alpha, uniform);
  const upstream = Float32Array.from({ length: rows * columns }, () => 0.5 + next());
  const loss = sum(mul(y, graph.constant(upstream, y.shape)));
  const [dw] = gradients(loss, [w]);
  const feeds = {
    w: Float32Array.from({ length: rows * columns }, () => 2 * next() - 1),
    alpha: Float32Array.from({ length: rows }, () => 0.3 + 0.2 * next()),
    uniform: Float32Array.from({ length: rows * columns }, () => next()),
  };
  return { outputs: { y, dw }, feeds, shapes };
}

describe.each(Object.entries(forms))('%s', (_name, build) => {
  const { outputs, feeds, shapes } = setUp(build, 21);
  const exact = evaluate(outputs, feeds);

  it('has values and gradients', () => {
    expect(exact.y.some((value) => value !== 0)).toBe(true);
    expect(exact.dw.some((value) => value !== 0)).toBe(true);
  });

  it('is the same on tfjs', async () => {
    const run = await createTfjsEngine(tf).run(
      outputs,
      Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, Float64Array.from(data)])),
    );
    expect(relativeError(run.y, exact.y)).toBeLessThan(1e-5);
    expect(relativeError(run.dw, exact.dw)).toBeLessThan(1e-4);
  });

  it('is the same on onnxruntime', async () => {
    const program = await OnnxProgram.compile(await loadOnnxRuntime(), outputs, { threads: 1 });
    const named = Object.entries(feeds).map(([name, data]) => [
      name,
      { data, shape: shapes[name as keyof typeof shapes] },
    ]);
    const run = await program.run(Object.fromEntries(named));
    await program.release();
    expect(relativeError(run.y.data, exact.y)).toBeLessThan(1e-5);
    expect(relativeError(run.dw.data, exact.dw)).toBeLessThan(1e-4);
  });
});
