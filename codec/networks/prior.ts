/**
 * The factorized prior of the hyper-latents: a learned, strictly increasing cumulative distribution per channel and rate
 * point (the scalar form of Balle et al. 2018 that DCVC uses): four layers x <- x*softplus(h) + b, the first three
 * followed by x <- x + tanh(x)*tanh(a), then a sigmoid.
 *
 * Training evaluates its densities in the graph; the integer tables of a model file are made from the same graph in
 * float64 (codec/model/prior-tables.ts).
 */
import {
  abs,
  add,
  lowerBound,
  matMul,
  mul,
  neg,
  reshape,
  sigmoid,
  sign,
  softplus,
  sub,
  type Tensor,
  tanh,
} from '../../src/graph/index.js';
import type { NetworkConfig } from './config.js';
import type { Parameters } from './parameters.js';

const layers = 4;
/** Probabilities below this are held here, so that rates stay finite in float32. */
const leastProbability = 1e-6;

/** Rows of a rate-dependent table for each sample: hat weights [N,K] times table [K,C], as [N,C,1,1]. */
export function rateRows(table: Tensor, hat: Tensor): Tensor {
  return reshape(matMul(hat, table), [hat.shape[0], table.shape[1], 1, 1]);
}

function cumulativeLogits(p: Parameters, config: NetworkConfig, z: Tensor, hat: Tensor): Tensor {
  const shape = [config.ratePoints, config.hyperLatents];
  const table = (name: string, layer: number): Tensor =>
    rateRows(p.get(`prior.${name}.${layer}`, shape, { deviation: 0.01 }), hat);
  let x = z;
  for (let layer = 0; layer < layers; layer++) {
    x = add(mul(x, softplus(table('slope', layer))), table('offset', layer));
    if (layer < layers - 1) x = add(x, mul(tanh(x), tanh(table('bend', layer))));
  }
  return x;
}

/**
 * Probability of the unit interval around z, element by element.
 * @param z [N,hyperLatents,h,w]. @param hat weights of the rate points, [N,ratePoints].
 */
export function priorProbability(p: Parameters, config: NetworkConfig, z: Tensor, hat: Tensor): Tensor {
  const lower = cumulativeLogits(p, config, sub(z, 0.5), hat);
  const upper = cumulativeLogits(p, config, add(z, 0.5), hat);
  // Both sigmoids are taken on the side where they are small: no cancellation in the upper tail.
  const side = neg(sign(add(lower, upper)));
  const probability = abs(sub(sigmoid(mul(side, upper)), sigmoid(mul(side, lower))));
  return lowerBound(probability, leastProbability);
}
