/**
 * Estimated bits of coded pictures by the continuous entropy model: latents cost what a normal distribution with the
 * network's own log-scale says, before that is rounded to a table; hyper-latents cost what their tables say. The
 * difference to the real bytes is what tables and coder lose: it should stay within 1 %.
 *
 * For quantizers whose integers are multiples of one step (`estimatedQuantizers`). Container, alpha and metadata are not in it.
 */

import { normalTail } from '../codec/entropy/index.js';
import type { CodingObserver } from '../codec/entropy-model.js';
import type { ModelParts } from '../codec/model/model-file.js';
import { leastScale, mostScale } from '../codec/networks/rate-tables.js';

/** Quantizers that bits can be estimated of. */
export const estimatedQuantizers: readonly string[] = ['round', 'deadzone', 'rdoq'];

/** As in training: rarer events are charged as if they had this probability. */
const leastProbability = 1e-9;

/**
 * Bits of an integer under a normal distribution of mean 0 integrated over unit intervals.
 *
 * @param logScale natural logarithm of the standard deviation in quantization steps; clamped as the model does
 * @example
 * gaussianIndexBits(0, 0).toFixed(4); // => "1.3849"
 */
export function gaussianIndexBits(index: number, logScale: number): number {
  const precision = Math.exp(-Math.min(Math.max(logScale, Math.log(leastScale)), Math.log(mostScale)));
  const distance = Math.abs(index) * precision;
  const half = 0.5 * precision;
  const probability = normalTail(distance - half) - normalTail(distance + half);
  return -Math.log2(Math.max(probability, leastProbability));
}

/** Adds up what it observes. */
export interface BitEstimator {
  readonly observer: CodingObserver;
  /** Bits observed so far. */
  readonly latentBits: number;
  readonly hyperLatentBits: number;
  /** Latents coded, and latents that the model skips as certainly zero. */
  readonly coded: number;
  readonly skipped: number;
  /** Seconds spent in estimating, which an encoder's time includes. */
  readonly seconds: number;
}

/**
 * An estimator for one picture coded with the model: hand its `observer` to `encodeWithReport`, then read the sums.
 *
 * @example
 * const estimator = estimateBits(model);
 * const { bytes } = await encodeWithReport(image, { model }, estimator.observer);
 * console.log(bytes.length * 8, estimator.latentBits + estimator.hyperLatentBits);
 */
export function estimateBits(model: ModelParts): BitEstimator {
  const sums = { latentBits: 0, hyperLatentBits: 0, coded: 0, skipped: 0, seconds: 0 };
  const tables = model.tables.hyperLatents;
  const observer: CodingObserver = {
    hyperLatents(indices, { hyperTable }) {
      const start = performance.now();
      const plane = indices.length / model.config.hyperLatents;
      for (let n = 0; n < indices.length; n++) {
        sums.hyperLatentBits += tables.bits(hyperTable + Math.floor(n / plane), indices[n]);
      }
      sums.seconds += (performance.now() - start) / 1000;
    },
    pass({ logScales }, positions, indices) {
      const start = performance.now();
      for (let n = 0; n < positions.length; n++) {
        sums.latentBits += gaussianIndexBits(indices[n], logScales[positions[n]]);
      }
      sums.coded += positions.length;
      sums.skipped += logScales.length - positions.length;
      sums.seconds += (performance.now() - start) / 1000;
    },
  };
  return Object.assign(sums, { observer });
}
