/**
 * Estimated bits of coded pictures: what an ideal arithmetic coder would spend on latents and hyper-latents with the tables
 * of the file. The difference to the real bytes is what coder and container lose: it should stay within 1 %.
 *
 * Container, alpha and metadata are not in it.
 */
import type { CodingObserver } from '../codec/entropy-model.js';
import type { ModelParts } from '../codec/model/model-file.js';

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
    hyperLatents(indices, tableIndices) {
      const start = performance.now();
      for (let n = 0; n < indices.length; n++) {
        sums.hyperLatentBits += tables.bits(tableIndices[n], indices[n]);
      }
      sums.seconds += (performance.now() - start) / 1000;
    },
    pass({ prediction, indices, tables: latentTables, tableIndices }) {
      const start = performance.now();
      for (let n = 0; n < indices.length; n++) {
        sums.latentBits += latentTables.bits(tableIndices[n], indices[n]);
      }
      sums.coded += indices.length;
      sums.skipped += prediction.logScales.length - indices.length;
      sums.seconds += (performance.now() - start) / 1000;
    },
  };
  return Object.assign(sums, { observer });
}
