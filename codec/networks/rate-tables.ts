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

const zero: Initial = { value: 0 };

/** Declares one table as a parameter, [ratePoints, columns]; for graphs that do not need them all. */
export function rateTable(
  p: Parameters,
  config: NetworkConfig,
  name: Exclude<keyof RateTables<unknown>, 'logScales'>,
): Tensor {
  const columns =
    name === 'features' ? config.context : config[name.endsWith('Features') ? 'channels' : 'latents'];
  return p.get(`rate.${name}`, [config.ratePoints, columns], zero);
}

/** Declares the log-scales of the latents of one pass, [ratePoints, latents]. */
export const logScaleTable = (p: Parameters, config: NetworkConfig, pass: number): Tensor =>
  p.get(`rate.logScales.${pass}`, [config.ratePoints, config.latents], zero);

/** Declares all tables as parameters. */
export function rateTables(p: Parameters, config: NetworkConfig): RateTables<Tensor> {
  return {
    analysisFeatures: rateTable(p, config, 'analysisFeatures'),
    analysisLatents: rateTable(p, config, 'analysisLatents'),
    synthesisFeatures: rateTable(p, config, 'synthesisFeatures'),
    synthesisLatents: rateTable(p, config, 'synthesisLatents'),
    features: rateTable(p, config, 'features'),
    logScales: Array.from({ length: contextPasses }, (_, pass) => logScaleTable(p, config, pass)),
  };
}

/** Index of the table for a log-scale: nearest of `scaleCount` equal steps in the logarithm. */
export const scaleIndexFactor = (scaleCount - 1) / Math.log(mostScale / leastScale);
