/**
 * Adam (Kingma and Ba 2015) with gradient clipping by the global norm and an exponential moving average of the weights,
 * as part of the training graph. State per parameter: first moment `m`, second moment `v`, average `ema`.
 *
 * Bias correction is folded into the learning rate by the caller (see `correctedRate`), so that the graph has no
 * dependence on the step's number.
 */
import {
  add,
  div,
  type Graph,
  maximum,
  mul,
  reciprocal,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
} from '../graph/index.js';

export const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 } as const;

/** What turns gradients into steps; `soap` is engines/torch/optimizer.py alone. */
export const optimizers = ['adam', 'soap'] as const;
export type OptimizerName = (typeof optimizers)[number];

/** State slots of one parameter: the weights themselves first. */
export const slots = ['w', 'm', 'v', 'ema'] as const;
export type Slot = (typeof slots)[number];

/** Name of a slot's graph input and output. */
export const slotName = (slot: Slot, parameter: string): string =>
  slot === 'w' ? parameter : `${slot}:${parameter}`;

/** What an optimizer keeps beside the slots, in names like `soap:left:analysis.in.weight`; no other can use it. */
export const isOwnState = (key: string): boolean => key.startsWith('soap:');

/** Learning rate times Adam's bias correction for step number `step` (1-based). */
export function correctedRate(rate: number, step: number): number {
  return (rate * Math.sqrt(1 - adam.beta2 ** step)) / (1 - adam.beta1 ** step);
}

/**
 * Adds the update of all parameters to the graph. Inputs: `learningRate` [] (bias-corrected), `emaDecay` [].
 * @param clipNorm gradients are scaled down to this global norm.
 * @returns new values by output name `next:<slot name>`, and the gradient norm before clipping.
 */
export function buildUpdate(
  graph: Graph,
  parameters: ReadonlyMap<string, Tensor>,
  gradientOf: ReadonlyMap<string, Tensor>,
  clipNorm: number,
): { outputs: Record<string, Tensor>; norm: Tensor } {
  const learningRate = graph.input('learningRate', [1]);
  const emaDecay = graph.input('emaDecay', [1]);
  const squares = [...gradientOf.values()].map((g) => sum(square(g)));
  const norm = sqrt(squares.reduce((total, part) => add(total, part)));
  const scale = mul(reciprocal(maximum(norm, clipNorm)), clipNorm);
  const outputs: Record<string, Tensor> = {};
  for (const [name, w] of parameters) {
    const g = mul(gradientOf.get(name)!, scale);
    const m = add(mul(graph.input(slotName('m', name), w.shape), adam.beta1), mul(g, 1 - adam.beta1));
    const v = add(mul(graph.input(slotName('v', name), w.shape), adam.beta2), mul(square(g), 1 - adam.beta2));
    const next = sub(w, div(mul(m, learningRate), add(sqrt(v), adam.epsilon)));
    const ema = graph.input(slotName('ema', name), w.shape);
    const nextEma = add(next, mul(sub(ema, next), emaDecay));
    Object.assign(outputs, {
      [`next:${slotName('w', name)}`]: next,
      [`next:${slotName('m', name)}`]: m,
      [`next:${slotName('v', name)}`]: v,
      [`next:${slotName('ema', name)}`]: nextEma,
    });
  }
  return { outputs, norm };
}
