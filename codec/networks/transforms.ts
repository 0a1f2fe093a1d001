/**
 * Analysis and synthesis transforms.
 *
 *     x [N,3,H,W] -> unshuffle 8 -> 1x1 -> blocks (1/8)
 *       -> * gain -> unshuffle 2 -> 1x1 -> blocks (1/16) -> 1x1 -> * gain -> y
 *     y^ -> * gain -> 1x1 -> blocks (1/16) -> 1x1 -> shuffle 2 -> * gain -> blocks (1/8) -> 1x1 -> shuffle 8 -> x^
 *
 * Gains are per channel and depend on the rate point (after G-VAE and DCVC); they come in as tensors [N,C,1,1], so that
 * training makes them in the graph and inference on the host. Pictures are RGB in [0,1].
 */
import { add, depthToSpace, mul, spaceToDepth, sub, type Tensor } from '../../src/graph/index.js';
import type { NetworkConfig } from './config.js';
import { type BranchEnd, blocks, pointwise } from './layers.js';
import type { Parameters } from './parameters.js';

/** Pixels per side that one position at 1/8 covers, and its 3 * 8 * 8 values. */
export const patch = 8;
export const patchValues = 3 * patch * patch;

/** The part of the analysis that does not depend on the rate: [N,channels,H/8,W/8], most of its work. */
export function shallowAnalysis(p: Parameters, config: NetworkConfig, x: Tensor): Tensor {
  const patches = spaceToDepth(sub(x, 0.5), patch);
  const first = pointwise(p, 'analysis.in', patches, config.channels);
  return blocks(p, 'analysis.block', first, config.blocks);
}

/** Latents before quantization, in units of the quantization step: [N,latents,H/16,W/16]. */
export function deepAnalysis(
  p: Parameters,
  config: NetworkConfig,
  shallow: Tensor,
  gains: { readonly features: Tensor; readonly latents: Tensor },
): Tensor {
  const halved = spaceToDepth(mul(shallow, gains.features), 2);
  const down = pointwise(p, 'analysis.down', halved, config.deepChannels);
  const deep = blocks(p, 'analysis.deep', down, config.deepBlocks);
  return mul(pointwise(p, 'analysis.out', deep, config.latents), gains.latents);
}

/**
 * Picture from dequantized latents; values may lie a little outside [0,1].
 * @param deepEnd of the branches at 1/16; `stopGradient` has gradients take these blocks for the identity.
 */
export function synthesis(
  p: Parameters,
  config: NetworkConfig,
  latents: Tensor,
  gains: { readonly features: Tensor; readonly latents: Tensor },
  deepEnd?: BranchEnd,
): Tensor {
  const first = pointwise(p, 'synthesis.in', mul(latents, gains.latents), config.deepChannels);
  const deep = blocks(p, 'synthesis.deep', first, config.deepBlocks, deepEnd);
  const up = depthToSpace(pointwise(p, 'synthesis.up', deep, 4 * config.channels), 2);
  const shallow = blocks(p, 'synthesis.block', mul(up, gains.features), config.blocks);
  return add(depthToSpace(pointwise(p, 'synthesis.out', shallow, patchValues), patch), 0.5);
}
