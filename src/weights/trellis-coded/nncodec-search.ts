/**
 * The searches of the NNCodec encoder, for comparison: what its streams hold at given weights, step and lambda.
 *
 * Its trellis search keeps one path per state and the contexts of each path, as it should, but prices bins by
 * contexts that the stream's decoder will not have: it makes a path's contexts learn a level in the row of the
 * state that the level leads to, not of the one that it was coded in, next to the level that was last coded in that
 * other state, and it asks ten questions about magnitudes where streams ask eleven. Better decisions: search.ts.
 * Slow, as each weight copies eight sets of contexts.
 * Source: fraunhoferhhi/nncodec at 0e3dcd2, from a description; its streams for tiny tensors are in
 * test/golden/weights.
 */
import { machines, predecessorsOf } from '../../../trellis/machines.js';
import { Learner, Pricer, type PriceTable, pricePerBit } from './bin-sinks.js';
import { Contexts } from './contexts.js';
import { contextCount, putLevel, traceOf } from './levels.js';

/** Magnitude flags of its rate model. */
const flags = 10;

/** Prices of a 0 and a 1 at `2 * (512 + (S >> 3)) + bin`, in 2^-15 bit: its own straight lines. */
const lines = ((): PriceTable => {
  const prices = new Int32Array(2048);
  for (let i = 0; i < 512; i++) {
    const rare = 237777 - 400.8 * Math.max(0, i - 1);
    const common = -Math.log2(1 - 2 ** (-rare / pricePerBit)) * pricePerBit;
    prices[2 * i] = prices[2 * (1023 - i) + 1] = Math.round(common);
    prices[2 * i + 1] = prices[2 * (1023 - i)] = Math.round(rare);
  }
  return { prices, shift: 3, offset: 512 };
})();

interface Survivor {
  cost: number;
  contexts: Contexts;
  trace: number;
}

/** Squared steps that a bit may cost, from the codec's lambda, with dependent quantization and without. */
export const nncodecPrice = (lambda: number, dependent: boolean): number =>
  dependent ? lambda * 4 * (Math.LN2 / 6) * 0.7 : (lambda * Math.LN2) / 6;

/**
 * Levels of the reference encoder with dependent quantization.
 *
 * @param weights finite
 * @param step distance of neighbouring grid points
 * @param lambda its lambda_scale; 0 for the least error
 * @example
 * Array.from(nncodecTrellisLevels(Float32Array.of(0.9, -2.2, 0.1), 1, 0)); // => [0, -1, 0]
 */
export function nncodecTrellisLevels(weights: Float32Array, step: number, lambda: number): Int32Array {
  const { states } = machines.nnc8;
  const predecessors = predecessorsOf(machines.nnc8);
  const scale = lambda > 0 ? pricePerBit / nncodecPrice(lambda, true) : 1;
  const pricer = new Pricer(lines, flags);
  const learner = new Learner();
  const survivor = (): Survivor => ({ cost: Infinity, contexts: new Contexts(contextCount), trace: 0 });
  let survivors = Array.from({ length: states }, survivor);
  let extended = Array.from({ length: states }, survivor);
  survivors[0].cost = 0;
  const from = new Uint8Array(weights.length * states);
  const chosen = new Int32Array(weights.length * states);

  for (let n = 0; n < weights.length; n++) {
    const magnitude = Math.abs(weights[n]) / step;
    const sign = weights[n] < 0 ? -1 : 1;
    const first = Math.max(1, Math.floor(magnitude) - 1);
    for (let state = 0; state < states; state++) {
      let best = Infinity;
      for (const { state: source, parity } of predecessors[state]) {
        const { cost, contexts, trace } = survivors[source];
        if (cost === Infinity) continue;
        const slot = source & 1 ? (parity ? 1 : 3) : 2 * parity;
        const grid = first + ((slot - first) & 3);
        const grids = parity === 0 ? [0, grid] : [grid];
        for (const candidate of grids) {
          const level = sign * ((candidate + 1) >> 1);
          const price = lambda > 0 ? pricer.priceOf(contexts, level, source, trace) : 0;
          const total = cost + scale * (magnitude - candidate) ** 2 + price;
          if (total < best) {
            best = total;
            from[n * states + state] = source;
            chosen[n * states + state] = level;
          }
        }
      }
      const target = extended[state];
      target.cost = best;
      if (best === Infinity) continue;
      const level = chosen[n * states + state];
      target.contexts.copyFrom(survivors[from[n * states + state]].contexts);
      learner.contexts = target.contexts;
      putLevel(learner, level, state, survivors[state].trace, flags);
      target.trace = traceOf(level);
    }
    [survivors, extended] = [extended, survivors];
  }

  let state = 0;
  for (let s = 1; s < states; s++) if (survivors[s].cost < survivors[state].cost) state = s;
  const levels = new Int32Array(weights.length);
  for (let n = weights.length - 1; n >= 0; n--) {
    levels[n] = chosen[n * states + state];
    state = from[n * states + state];
  }
  return levels;
}

/**
 * Levels of the reference encoder with uniform quantization: each weight's cheapest of zero and the two integers
 * about it, given the ones before.
 *
 * @example
 * Array.from(nncodecUniformLevels(Float32Array.of(0.9, -2.5, 0.1), 1, 0)); // => [1, -3, 0]
 */
export function nncodecUniformLevels(weights: Float32Array, step: number, lambda: number): Int32Array {
  const scale = lambda > 0 ? pricePerBit / nncodecPrice(lambda, false) : 1;
  const contexts = new Contexts(contextCount);
  const pricer = new Pricer(lines, flags);
  const learner = new Learner(contexts);
  let trace = 0;
  return Int32Array.from(weights, (weight) => {
    const magnitude = Math.abs(weight) / step;
    const nearest = Math.floor(magnitude + 0.5);
    let best = nearest;
    if (lambda > 0) {
      let least = Infinity;
      for (const candidate of [nearest - 1, nearest, 0]) {
        if (candidate < 0) continue;
        const cost = scale * (magnitude - candidate) ** 2 + pricer.priceOf(contexts, candidate, 0, trace);
        if (cost < least) [least, best] = [cost, candidate];
      }
    }
    const level = weight < 0 ? -best : best;
    putLevel(learner, level, 0, trace, flags);
    trace = traceOf(level);
    return level;
  });
}
