/**
 * The rate-distortion objective of end-to-end training, as a graph:
 *
 *     mean over samples of weight * (lambda * 255^2 * MSE + bits per pixel)
 *
 * Mixed quantization (Minnen and Singh 2020): the rate sees latents with uniform noise, the synthesis and the context
 * passes see latents rounded with a straight-through gradient. With `quantized`, rates are those of the rounded
 * latents: what a file costs, but for the tables' own precision.
 */
import { contextPasses, type NetworkConfig, pictureMultiple } from '../../codec/networks/config.js';
import {
  contextPass,
  hyperAnalysis,
  hyperSynthesis,
  joinPasses,
  splitPasses,
} from '../../codec/networks/hyperprior.js';
import type { Parameters } from '../../codec/networks/parameters.js';
import { priorProbability, rateRows } from '../../codec/networks/prior.js';
import { leastScale, mostScale, type RateTables, rateTables } from '../../codec/networks/rate-tables.js';
import { deepAnalysis, shallowAnalysis, synthesis } from '../../codec/networks/transforms.js';
import { UsageError } from '../errors.js';
import {
  abs,
  add,
  concat,
  exp,
  type Graph,
  log,
  lowerBound,
  mean,
  mul,
  neg,
  normalTail,
  square,
  straightThroughRound,
  sub,
  sum,
  type Tensor,
} from '../graph/index.js';

const leastProbability = 1e-9;

/** Samples of a batch, and their sides in pixels, multiples of 64. */
export interface BatchSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

export interface ObjectiveOptions extends BatchSize {
  /** Rates of rounded latents instead of noisy ones (validation). */
  readonly quantized: boolean;
}

export interface Objective {
  /** Scalar. */
  readonly loss: Tensor;
  /** Mean squared error of RGB in [0,1] per sample, [N]. */
  readonly distortion: Tensor;
  /** Bits per pixel of latents and hyper-latents per sample, [N]. */
  readonly rate: Tensor;
  readonly hyperRate: Tensor;
  readonly reconstruction: Tensor;
}

/**
 * Bits of values under a normal distribution integrated over intervals, element by element.
 * @param interval widths of the intervals, in latents; unit intervals without it
 */
export function gaussianBits(values: Tensor, means: Tensor, logScales: Tensor, interval?: Tensor): Tensor {
  const bounded = neg(lowerBound(neg(lowerBound(logScales, Math.log(leastScale))), -Math.log(mostScale)));
  const precision = exp(neg(bounded));
  const distance = mul(abs(sub(values, means)), precision);
  const half = mul(interval ? mul(precision, interval) : precision, 0.5);
  const probability = sub(normalTail(sub(distance, half)), normalTail(add(distance, half)));
  return mul(log(lowerBound(probability, leastProbability)), -1 / Math.LN2);
}

/** Gains [N,columns,1,1] of samples from the table of their logarithms. */
export const gain = (table: Tensor, hat: Tensor): Tensor => exp(rateRows(table, hat));

/**
 * Builds the objective. Graph inputs: `x` [N,3,H,W] in [0,1], `hat` [N,ratePoints], `lambda` [N], `weight` [N], and,
 * unless `quantized`, `noise.latents` [N,latents*4,H/32,W/32] and `noise.hyperLatents` [N,hyperLatents,H/64,W/64].
 */
export function buildObjective(
  graph: Graph,
  p: Parameters,
  config: NetworkConfig,
  { batch, height, width, quantized }: ObjectiveOptions,
): Objective {
  if (height % pictureMultiple || width % pictureMultiple) {
    throw new UsageError(
      `objective: expected crops in multiples of ${pictureMultiple}, got ${width}x${height}`,
    );
  }
  const x = graph.input('x', [batch, 3, height, width]);
  const hat = graph.input('hat', [batch, config.ratePoints]);
  const lambda = graph.input('lambda', [batch]);
  const weight = graph.input('weight', [batch]);
  const tables: RateTables<Tensor> = rateTables(p, config);

  const latents = deepAnalysis(p, config, shallowAnalysis(p, config, x), {
    features: gain(tables.analysisFeatures, hat),
    latents: gain(tables.analysisLatents, hat),
  });
  const hyperLatents = hyperAnalysis(p, config, latents);
  const roundedHyper = straightThroughRound(hyperLatents);
  const codedHyper = quantized
    ? roundedHyper
    : add(hyperLatents, graph.input('noise.hyperLatents', hyperLatents.shape));
  const hyperBits = mul(log(priorProbability(p, config, codedHyper, hat)), -1 / Math.LN2);

  const features = hyperSynthesis(p, config, roundedHyper, rateRows(tables.features, hat));
  const dense = splitPasses(latents);
  const known: Tensor[] = [];
  const means: Tensor[] = [];
  const logScales: Tensor[] = [];
  for (let pass = 0; pass < contextPasses; pass++) {
    const scaleBias = rateRows(tables.logScales[pass], hat);
    const prediction = contextPass(p, config, pass, features, known, scaleBias);
    means.push(prediction.means);
    logScales.push(prediction.logScales);
    known.push(add(straightThroughRound(sub(dense[pass], prediction.means)), prediction.means));
  }
  const coded = quantized
    ? concat(known, 1)
    : add(
        concat(dense, 1),
        graph.input('noise.latents', [batch, contextPasses * config.latents, height / 32, width / 32]),
      );
  const bits = gaussianBits(coded, concat(means, 1), concat(logScales, 1));

  const reconstruction = synthesis(p, config, joinPasses(known), {
    features: gain(tables.synthesisFeatures, hat),
    latents: gain(tables.synthesisLatents, hat),
  });
  const distortion = mean(square(sub(reconstruction, x)), [1, 2, 3]);
  const perPixel = 1 / (height * width);
  const hyperRate = mul(sum(hyperBits, [1, 2, 3]), perPixel);
  const rate = add(mul(sum(bits, [1, 2, 3]), perPixel), hyperRate);
  const cost = add(mul(mul(distortion, lambda), 255 * 255), rate);
  return { loss: mean(mul(cost, weight)), distortion, rate, hyperRate, reconstruction };
}
