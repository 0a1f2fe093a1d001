/**
 * Levels of uniform quantization, at the prices that the stream will have: what trellis-coded quantization is
 * compared with.
 *
 * One weight after the other takes the cheapest of zero and the two integers about it (rate-distortion optimised
 * quantization), given the levels before; contexts learn each decision at once.
 */
import { Learner, Pricer, pricePerBit, streamPrices } from './bin-sinks.js';
import { magnitudeFlags, putLevel, traceOf } from './levels.js';
import { type LevelTask, startContexts } from './search.js';

/**
 * The levels; their grid is `step * level`.
 *
 * @example
 * Array.from(uniformLevels({ weights: Float32Array.of(0.9, -2.2, 0.1), step: 1, lagrangian: 0 })); // => [1, -2, 0]
 */
export function uniformLevels({ weights, step, lagrangian, importance, sets }: LevelTask): Int32Array {
  const scale = lagrangian / pricePerBit;
  const contexts = startContexts(sets, false);
  const pricer = new Pricer(streamPrices, magnitudeFlags);
  const learner = new Learner(contexts);
  const levels = new Int32Array(weights.length);
  let trace = 0;
  for (let n = 0; n < weights.length; n++) {
    const magnitude = Math.abs(weights[n]) / step;
    const sign = weights[n] < 0 ? -1 : 1;
    const factor = importance ? importance[n] : 1;
    const nearest = Math.round(magnitude);
    let least = Infinity;
    let best = 0;
    for (const candidate of nearest > 1 ? [nearest, nearest - 1, 0] : nearest === 1 ? [1, 0] : [0]) {
      const error = magnitude - candidate;
      const cost = factor * error * error + scale * pricer.priceOf(contexts, sign * candidate, 0, trace);
      if (cost < least) {
        least = cost;
        best = sign * candidate;
      }
    }
    levels[n] = best;
    putLevel(learner, best, 0, trace);
    trace = traceOf(best);
  }
  return levels;
}
