/**
 * The layers that all networks are made of: 1x1 convolution, depthwise 3x3, and the depth-conv block
 *
 *     x -> 1x1 C->C -> LeakyReLU -> depthwise 3x3 -> 1x1 C->C -> + x = u
 *     u -> 1x1 C->2C -> LeakyReLU -> 1x1 2C->C -> + u
 *
 * (after DCVC-DC's DepthConvBlock). The last layer of each branch starts at zero, so that an untrained block is the
 * identity.
 */
import {
  add,
  depthwise as depthwiseOp,
  leakyRelu,
  pointwise as pointwiseOp,
  type Tensor,
} from '../../src/graph/index.js';
import { leakySlope } from './config.js';
import type { Initial, Parameters } from './parameters.js';

const zero: Initial = { value: 0 };

export const activation = (x: Tensor): Tensor => leakyRelu(x, leakySlope);

/** 1x1 convolution with bias; He-initialised unless `initial` says otherwise. */
export function pointwise(
  p: Parameters,
  name: string,
  x: Tensor,
  outputs: number,
  initial?: Initial,
): Tensor {
  const inputs = x.shape[1];
  const weights = p.get(`${name}.weight`, [outputs, inputs], initial ?? { deviation: Math.sqrt(2 / inputs) });
  return pointwiseOp(x, weights, p.get(`${name}.bias`, [outputs], zero));
}

/** Depthwise 3x3 with bias. */
export function depthwise(p: Parameters, name: string, x: Tensor): Tensor {
  const channels = x.shape[1];
  const weights = p.get(`${name}.weight`, [channels, 3, 3], { deviation: 1 / 3 });
  return depthwiseOp(x, weights, p.get(`${name}.bias`, [channels], zero));
}

/** What becomes of the result of a block's branch before it is added. */
export type BranchEnd = (result: Tensor) => Tensor;

const asItIs: BranchEnd = (result) => result;

/** `count` depth-conv blocks in a row; parameters of the k-th are `name.k`. */
export function blocks(
  p: Parameters,
  name: string,
  x: Tensor,
  count: number,
  end: BranchEnd = asItIs,
): Tensor {
  let result = x;
  for (let k = 0; k < count; k++) result = depthConvBlock(p, `${name}.${k}`, result, end);
  return result;
}

/** The depth-conv block above. */
export function depthConvBlock(p: Parameters, name: string, x: Tensor, end: BranchEnd = asItIs): Tensor {
  const channels = x.shape[1];
  const mixed = depthwise(p, `${name}.spatial`, activation(pointwise(p, `${name}.mix`, x, channels)));
  const u = add(end(pointwise(p, `${name}.join`, mixed, channels, zero)), x);
  const wide = activation(pointwise(p, `${name}.expand`, u, 2 * channels));
  return add(end(pointwise(p, `${name}.reduce`, wide, channels, zero)), u);
}
