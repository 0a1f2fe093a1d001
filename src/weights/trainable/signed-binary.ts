/**
 * Signed binary filters (PLUM) with their gradients: the first half of the filters takes 0 and +1, the second 0 and -1,
 * with thresholds at 0.05 times the filter's largest magnitude. The scale is 1; a normalisation behind the layer absorbs it.
 *
 * Gradients: straight-through, clipped to [-1, 1] and 0 where |w| > 1; or, late in a training, the error-decay estimator
 * (EDE), the slope of k * tanh(t (w -+ threshold)).
 * Source: Kuhar et al., PLUM (arXiv 2312.01581) and its released code; EDE: Qin et al., IR-Net (arXiv 1909.10788).
 */
import { UsageError } from '../../errors.js';
import {
  abs,
  add,
  clipGradient,
  greaterEqual,
  mul,
  neg,
  type Operand,
  reshape,
  sizeOf,
  square,
  stopGradient,
  sub,
  type Tensor,
  tanh,
} from '../../graph/index.js';
import { filterSign, signedBinaryThreshold } from '../schemes/signed-binary.js';
import { largestAlongRows, surrogate, within } from './surrogate.js';

/** Slope of the error-decay estimator. */
export interface ErrorDecay {
  readonly t: Operand;
  readonly k: Operand;
}

/**
 * The schedule of the error-decay estimator.
 *
 * @param progress part of the training that is over, 0..1
 * @example
 * [0, 0.5, 1].map((progress) => errorDecay(progress).t.toFixed(1)); // => ["0.1", "1.0", "10.0"]
 */
export function errorDecay(progress: number): { readonly t: number; readonly k: number } {
  if (!(progress >= 0 && progress <= 1)) {
    throw new UsageError(`error decay: expected a progress from 0 to 1, got ${progress}`);
  }
  const t = 0.1 * 100 ** progress;
  return { t, k: Math.max(1 / t, 1) };
}

/**
 * Filters as signed binary values 0, +1 or -1.
 *
 * @param w [filters, ...]
 * @param decay takes the error-decay estimator instead of the clipped straight-through rule
 * @example
 * const y = signedBinary(new Graph().input('w', [2, 2]));
 * Array.from(evaluate({ y }, { w: [0.5, -0.5, 0.5, -0.5] }).y, (v) => v + 0); // => [1, 0, 0, -1]
 */
export function signedBinary(w: Tensor, decay?: ErrorDecay): Tensor {
  const filters = w.shape[0];
  const rows = reshape(stopGradient(w), [filters, sizeOf(w.shape) / filters]);
  const signs = w.graph.constant(
    Array.from({ length: filters }, (_, filter) => filterSign(filter, filters)),
    [filters, 1],
  );
  const threshold = mul(largestAlongRows(abs(rows)), signedBinaryThreshold);
  const value = mul(greaterEqual(mul(rows, signs), threshold), signs);
  const quantized = reshape(value, w.shape);
  if (!decay) return surrogate(quantized, [[clipGradient(w, 1), within(stopGradient(w), -1, 1)]]);
  const distance = mul(add(rows, neg(mul(threshold, signs))), decay.t);
  const slope = mul(mul(sub(1, square(tanh(distance))), decay.t), decay.k);
  return surrogate(quantized, [[w, reshape(slope, w.shape)]]);
}
