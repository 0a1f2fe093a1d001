/**
 * What fine-tuning minimises: the rate-distortion objective on latents that the codec's own quantizers have quantized,
 * with the encoder as it is.
 *
 *     mean over samples of weight * (lambda * 255^2 * MSE + bits per pixel)
 *
 * - The synthesis sees the dequantized latents that a decoder would have. Its distortion is a file's, exactly.
 * - With `entropy`, the hyper-synthesis and the context passes are trained too. They are given what a decoder has (integer
 *   hyper-latents, dequantized latents of the passes before) and are asked for the distribution of the latents before
 *   quantization, blurred by noise as wide as the cells of the quantizer. Files are coded with tables counted on real output
 *   for every scale, so what counts is that means are right and scales tell latents apart.
 * - Without it the rate is the real one of the sample, a constant.
 *
 * The second of the two stages of Borzechowski et al., ICIP 2024 (arXiv 2506.08662); details are ours (docs/TRAINING.md).
 */
import { contextPasses, type NetworkConfig } from '../../codec/networks/config.js';
import { contextPass, hyperSynthesis, joinPasses } from '../../codec/networks/hyperprior.js';
import type { Parameters } from '../../codec/networks/parameters.js';
import { rateRows } from '../../codec/networks/prior.js';
import { logScaleTable, rateTable } from '../../codec/networks/rate-tables.js';
import { synthesis } from '../../codec/networks/transforms.js';
import {
  add,
  concat,
  type Graph,
  mean,
  mul,
  reshape,
  square,
  sub,
  sum,
  type Tensor,
} from '../graph/index.js';
import { type BatchSize, gain, gaussianBits } from './objective.js';
import type { ObjectiveBuilder } from './trainer.js';

/** What is trained: the synthesis, or the entropy networks as well. */
export const adaptedParts = ['decoder', 'decoder+entropy'] as const;
export type AdaptedParts = (typeof adaptedParts)[number];

/**
 * The objective's builder.
 *
 * Graph inputs: `x` [N,3,H,W] in [0,1]; `hat` [N,ratePoints], `lambda` [N], `weight` [N]; `bits` [N], bits per pixel of the
 * real file's segment; `pass0..3` [N,latents,H/32,W/32], dequantized latents in dense form. With the entropy networks also
 * `hyperLatents` [N,hyperLatents,H/64,W/64] integers, `noisy` [N,4*latents,H/32,W/32], the passes' latents before
 * quantization plus noise, and `interval` [N], the width of that noise in latents; `bits` is then of the hyper-latents alone.
 */
export function adaptationObjective(parts: AdaptedParts): ObjectiveBuilder {
  return (graph, p, config, size) => {
    const { batch, height, width } = size;
    const x = graph.input('x', [batch, 3, height, width]);
    const hat = graph.input('hat', [batch, config.ratePoints]);
    const lambda = graph.input('lambda', [batch]);
    const weight = graph.input('weight', [batch]);
    const bits = graph.input('bits', [batch]);
    const passes = Array.from({ length: contextPasses }, (_, pass) =>
      graph.input(`pass${pass}`, [batch, config.latents, height / 32, width / 32]),
    );
    const reconstruction = synthesis(p, config, joinPasses(passes), {
      features: gain(rateTable(p, config, 'synthesisFeatures'), hat),
      latents: gain(rateTable(p, config, 'synthesisLatents'), hat),
    });
    const distortion = mean(square(sub(reconstruction, x)), [1, 2, 3]);
    const latentBits = parts === 'decoder' ? undefined : modelledBits(graph, p, config, size, hat, passes);
    // Outputs must be operations: what is only handed on is multiplied by 1.
    const given = mul(bits, 1);
    const rate = latentBits ? add(bits, latentBits) : given;
    const cost = add(mul(mul(distortion, lambda), 255 * 255), rate);
    return { loss: mean(mul(cost, weight)), distortion, rate, hyperRate: given };
  };
}

/** Bits per pixel of the noisy latents under the entropy networks' distributions, [N]. */
function modelledBits(
  graph: Graph,
  p: Parameters,
  config: NetworkConfig,
  { batch, height, width }: BatchSize,
  hat: Tensor,
  passes: readonly Tensor[],
): Tensor {
  const hyperLatents = graph.input('hyperLatents', [batch, config.hyperLatents, height / 64, width / 64]);
  const noisy = graph.input('noisy', [batch, contextPasses * config.latents, height / 32, width / 32]);
  const interval = reshape(graph.input('interval', [batch]), [batch, 1, 1, 1]);
  const features = hyperSynthesis(p, config, hyperLatents, rateRows(rateTable(p, config, 'features'), hat));
  const predictions = passes.map((_, pass) => {
    const scaleBias = rateRows(logScaleTable(p, config, pass), hat);
    return contextPass(p, config, pass, features, passes.slice(0, pass), scaleBias);
  });
  const means = concat(
    predictions.map((prediction) => prediction.means),
    1,
  );
  const logScales = concat(
    predictions.map((prediction) => prediction.logScales),
    1,
  );
  return mul(sum(gaussianBits(noisy, means, logScales, interval), [1, 2, 3]), 1 / (height * width));
}
