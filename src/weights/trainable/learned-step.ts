/**
 * Learned step size quantization (LSQ): step * clip(round(x / step), low, high), for weights, activations or latents.
 *
 * Gradients: x gets g inside the range and 0 outside; the step gets g * (round(u) - u) inside, g * low below, g * high
 * above (u = x / step), all times 1 / sqrt(count * high).
 * Source: Esser et al., Learned Step Size Quantization (arXiv 1902.08153).
 */
import { UsageError } from '../../errors.js';
import {
  add,
  div,
  greaterEqual,
  maximum,
  minimum,
  mul,
  sizeOf,
  stopGradient,
  straightThroughRound,
  sub,
  type Tensor,
} from '../../graph/index.js';
import { greater, surrogate, within } from './surrogate.js';

/** Steps below this are taken to be it, so that training survives a step that crosses zero. */
export const leastStep = 1e-5;

/** A learned number as it is used: at least `leastStep`, without gradient. */
export const usedStep = (step: Tensor): Tensor => maximum(stopGradient(step), leastStep);

/** Slope of the step inside, below and above a range of u, before the gradient's scale. */
export function stepSlope(u: Tensor, rounded: Tensor, [low, high]: Range, [below, above]: Range): Tensor {
  const isBelow = sub(1, greaterEqual(u, low));
  const isAbove = greater(u, high);
  const inside = mul(sub(rounded, u), within(u, low, high));
  return add(inside, add(mul(isBelow, below), mul(isAbove, above)));
}

/** Least and largest number. */
export type Range = readonly [number, number];

/** Whole numbers of a learned step. */
export interface LearnedStepOptions {
  readonly low: number;
  readonly high: number;
  /** Elements that the step's gradient is scaled for; all of x by default. */
  readonly count?: number;
}

/**
 * x on the grid of a learned step.
 *
 * @param step broadcasts to x: a scalar, or [rows, 1] for one step per row
 * @throws UsageError unless low <= 0 < high are whole numbers
 * @example
 * const graph = new Graph();
 * const y = learnedStep(graph.input('x', [3]), graph.input('step', []), { low: -4, high: 3 });
 * Array.from(evaluate({ y }, { x: [0.3, 5, -9], step: [0.5] }).y); // => [0.5, 1.5, -2]
 */
export function learnedStep(x: Tensor, step: Tensor, { low, high, count }: LearnedStepOptions): Tensor {
  if (!(Number.isInteger(low) && Number.isInteger(high) && low <= 0 && high > 0)) {
    throw new UsageError(`learned step: expected whole low <= 0 < high, got ${low} and ${high}`);
  }
  const used = usedStep(step);
  const u = div(stopGradient(x), used);
  const rounded = minimum(maximum(straightThroughRound(u), low), high);
  const gradientScale = 1 / Math.sqrt((count ?? sizeOf(x.shape)) * high);
  const slope = mul(stepSlope(u, rounded, [low, high], [low, high]), gradientScale);
  return surrogate(mul(rounded, used), [
    [x, within(u, low, high)],
    [step, slope],
  ]);
}
