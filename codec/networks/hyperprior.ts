/**
 * The entropy model of the latents: hyper-latents z at 1/64, features from them at 1/16, and four context passes.
 *
 *     y -> hyper-analysis -> z --quantize--> z^ -> hyper-synthesis -> features
 *     pass p: (latents of passes < p, features) -> means and log-scales of the latents of pass p
 *
 * Passes (quadtree order of DCVC-DC): positions are split into four phases m = 2*(row & 1) + (column & 1), channels into
 * four groups g; pass p codes group g = m xor [0,3,2,1][p] at phase m. The latents of one pass are held densely as
 * [N,latents,H/32,W/32], channel m*latents/4 + j for the j-th channel of the group; so no mask is needed and every
 * phase has its own small output layer.
 *
 * hyperSynthesis and contextPass run in codec/exact on both sides. They use only operations that it has, and the rate
 * enters by biases that the host interpolates exactly.
 */
import {
  abs,
  add,
  concat,
  depthToSpace,
  mul,
  sliceChannels,
  spaceToDepth,
  sqrt,
  type Tensor,
} from '../../src/graph/index.js';
import { contextPasses, type NetworkConfig } from './config.js';
import { activation, blocks, depthwise, pointwise } from './layers.js';
import type { Parameters } from './parameters.js';

const phases = 4;
const groupFlip = [0, 3, 2, 1];

/** The channel group that pass p codes at phase m. */
export function groupOf(pass: number, phase: number): number {
  return phase ^ groupFlip[pass];
}

/** Latents [N,M,h,w] as the dense tensors of the four passes, each [N,M,h/2,w/2]. */
export function splitPasses(latents: Tensor): Tensor[] {
  const total = latents.shape[1];
  const size = total / phases;
  const byPhase = spaceToDepth(latents, 2);
  return Array.from({ length: contextPasses }, (_, pass) =>
    concat(
      Array.from({ length: phases }, (_, phase) =>
        sliceChannels(byPhase, phase * total + groupOf(pass, phase) * size, size),
      ),
      1,
    ),
  );
}

/** Inverse of splitPasses; passes not yet known are zero. */
export function joinPasses(passes: readonly Tensor[]): Tensor {
  const total = passes[0].shape[1];
  const size = total / phases;
  const unknown = mul(sliceChannels(passes[0], 0, size), 0);
  const parts: Tensor[] = [];
  for (let phase = 0; phase < phases; phase++) {
    for (let group = 0; group < phases; group++) {
      const pass = groupFlip.indexOf(phase ^ group);
      parts.push(pass < passes.length ? sliceChannels(passes[pass], phase * size, size) : unknown);
    }
  }
  return depthToSpace(concat(parts, 1), 2);
}

/** Hyper-latents before quantization: [N,hyperLatents,h/4,w/4] of latents [N,latents,h,w]. */
export function hyperAnalysis(p: Parameters, config: NetworkConfig, latents: Tensor): Tensor {
  // Latents span three orders of magnitude over the rate points; the square root tames them, and scales follow from it.
  const magnitude = sqrt(add(abs(latents), 0.1));
  const width = config.hyperLatents;
  const first = activation(
    pointwise(p, 'hyperAnalysis.in', concat([mul(latents, 0.1), magnitude], 1), width),
  );
  const second = activation(pointwise(p, 'hyperAnalysis.down', spaceToDepth(first, 2), width));
  return pointwise(p, 'hyperAnalysis.out', spaceToDepth(second, 2), width);
}

/**
 * Features [N,context,4h,4w] of quantized hyper-latents [N,hyperLatents,h,w].
 * @param rateBias [N,context,1,1], the rate point's bias.
 */
export function hyperSynthesis(
  p: Parameters,
  config: NetworkConfig,
  hyperLatents: Tensor,
  rateBias: Tensor,
): Tensor {
  const width = config.hyperLatents;
  const first = activation(depthToSpace(pointwise(p, 'hyperSynthesis.in', hyperLatents, 4 * width), 2));
  const near = depthwise(p, 'hyperSynthesis.spatial', first);
  const up = depthToSpace(pointwise(p, 'hyperSynthesis.up', near, 4 * config.context), 2);
  return activation(depthwise(p, 'hyperSynthesis.out', activation(add(up, rateBias))));
}

/**
 * Means and logarithms of the scales of the latents of one pass, each [N,latents,h/2,w/2] (dense form).
 * @param known dense latents of the passes before this one.
 * @param scaleBias [N,latents,1,1], the rate point's log-scales, in the dense channel order of this pass.
 */
export function contextPass(
  p: Parameters,
  config: NetworkConfig,
  pass: number,
  features: Tensor,
  known: readonly Tensor[],
  scaleBias: Tensor,
): { means: Tensor; logScales: Tensor } {
  const name = `context.${pass}`;
  const evidence = pass === 0 ? features : concat([joinPasses(known), features], 1);
  const first = activation(pointwise(p, `${name}.in`, evidence, config.context));
  const mixed = activation(
    pointwise(p, `${name}.mix`, depthwise(p, `${name}.spatial`, first), config.context),
  );
  const byPhase = spaceToDepth(blocks(p, `${name}.block`, mixed, config.contextBlocks ?? 0), 2);
  const size = config.latents / phases;
  const outputs = Array.from({ length: phases }, (_, phase) =>
    pointwise(
      p,
      `${name}.out.${phase}`,
      sliceChannels(byPhase, phase * config.context, config.context),
      2 * size,
      {
        value: 0,
      },
    ),
  );
  const means = concat(
    outputs.map((output) => sliceChannels(output, 0, size)),
    1,
  );
  const deviations = concat(
    outputs.map((output) => sliceChannels(output, size, size)),
    1,
  );
  return { means, logScales: add(deviations, scaleBias) };
}

/** Channel order of a pass's dense form: entry k is the latent channel of dense channel k. */
export function denseChannels(latents: number, pass: number): number[] {
  const size = latents / phases;
  return Array.from({ length: latents }, (_, k) => groupOf(pass, Math.floor(k / size)) * size + (k % size));
}
