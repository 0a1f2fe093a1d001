/**
 * The tables that depend on the rate point, one row per rate point (config.ts).
 *
 * Gains are stored as logarithms and applied on the engine of the transforms. `features` and `logScales` feed the
 * entropy networks: they are added, and interpolated by config.ts's exact rule on both sides.
 */

import type { Tensor } from '../../src/graph/index.js';
import { contextPasses, type NetworkConfig } from './config.js';
import type { Initial, Parameters } from './parameters.js';

/** Range of standard deviations that the entropy model tells apart, in quantization steps. */
export const leastScale = 0.11;
export const mostScale = 256;
export const scaleCount = 64;

export interface RateTables<T> {
  /** Logarithms of gains, [ratePoints, channels or latents]. */
  readonly analysisFeatures: T;
  readonly analysisLatents: T;
  readonly synthesisFeatures: T;
  readonly synthesisLatents: T;
  /** Bias of the hyper-synthesis, [ratePoints, context]. */
  readonly features: T;
  /** Log-scales of the latents of every pass, in its dense channel order, [ratePoints, latents]. */
  readonly logScales: readonly T[];
}

/** Declares the tables as parameters. */
export function rateTables(p: Parameters, config: NetworkConfig): RateTables<Tensor> {
  const zero: Initial = { value: 0 };
  const table = (name: string, columns: number): Tensor =>
    p.get(`rate.${name}`, [config.ratePoints, columns], zero);
  return {
    analysisFeatures: table('analysisFeatures', config.channels),
    analysisLatents: table('analysisLatents', config.latents),
    synthesisFeatures: table('synthesisFeatures', config.channels),
    synthesisLatents: table('synthesisLatents', config.latents),
    features: table('features', config.context),
    logScales: Array.from({ length: contextPasses }, (_, pass) => table(`logScales.${pass}`, config.latents)),
  };
}

/** Index of the table for a log-scale: nearest of `scaleCount` equal steps in the logarithm. */
export const scaleIndexFactor = (scaleCount - 1) / Math.log(mostScale / leastScale);
