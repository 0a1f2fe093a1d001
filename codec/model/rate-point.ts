/**
 * Everything of a model that depends on the quality, for one quality: gains of the transforms (any engine), biases of
 * the entropy networks (exact on both sides) and the row of hyper-latent tables.
 */
import { contextPasses, hatWeights, interpolateRow } from '../networks/config.js';
import type { ModelParts } from './model-file.js';

export interface RatePoint {
  readonly quality: number;
  /** Gains, [channels] or [latents] each. */
  readonly analysisFeatures: Float32Array;
  readonly analysisLatents: Float32Array;
  readonly synthesisFeatures: Float32Array;
  readonly synthesisLatents: Float32Array;
  /** Biases of the entropy networks. */
  readonly features: Float32Array;
  readonly logScales: readonly Float32Array[];
  /** The nearest rate point: hyper-latents have its tables. */
  readonly nearest: number;
}

/** @param quality a multiple of 1/256 in [0,100]: what a header can say, so that both sides agree. */
export function ratePointOf(model: ModelParts, quality: number): RatePoint {
  const { config, parameters } = model;
  const hat = hatWeights(quality, config.ratePoints);
  const row = (name: string): Float32Array => interpolateRow(parameters.get(`rate.${name}`)!, hat);
  const gain = (name: string): Float32Array => row(name).map(Math.exp);
  const nearest = Math.floor((quality * (config.ratePoints - 1)) / 100 + 0.5);
  return {
    quality,
    analysisFeatures: gain('analysisFeatures'),
    analysisLatents: gain('analysisLatents'),
    synthesisFeatures: gain('synthesisFeatures'),
    synthesisLatents: gain('synthesisLatents'),
    features: row('features'),
    logScales: Array.from({ length: contextPasses }, (_, pass) => row(`logScales.${pass}`)),
    nearest,
  };
}
