/**
 * The search of search.ts in typed arrays: same decisions, far faster.
 *
 * Prices of all bins are looked up once per interval. A weight then has five possible branches (zero, and one level
 * of each residue modulo 4), whose squared errors and magnitude prices all states share. Per weight and state two
 * bits are kept: the way in, and whether its level is zero; tracing back works the level out again.
 */
import { machines, predecessorsOf } from '../../../trellis/machines.js';
import { Learner, priceOf, pricePerBit, streamPrices } from './bin-sinks.js';
import type { Contexts } from './contexts.js';
import {
  magnitudeContexts,
  magnitudeFlags,
  prefixContexts,
  putLevel,
  signContexts,
  traceOf,
} from './levels.js';
import { interval, type LevelTask, lag, startContexts } from './search.js';

const states = machines.nnc8.states;

/** Branches are numbered 2 source + parity. Both branches into a state, at `2 * state + way`. */
const arrivals = Uint8Array.from(
  predecessorsOf(machines.nnc8).flatMap((ways) => ways.map(({ state, parity }) => 2 * state + parity)),
);

/** Residue modulo 4 of each branch's integers; zero is on the branches of parity 0 as well. */
const residues = Uint8Array.from({ length: 2 * states }, (_, branch) =>
  machines.nnc8.quantizerOf[branch >> 1] ? 3 - 2 * (branch & 1) : 2 * (branch & 1),
);

const prefixContext = prefixContexts(magnitudeFlags);

/** Prices of levels' parts under contexts that stand still, in 2^-15 bit. */
class LevelPrices {
  /** At `2 * (3 * state + trace) + (level is nonzero)`. */
  readonly significance = new Int32Array(48);
  /** At `2 * trace + (level is negative)`. */
  readonly sign = new Int32Array(6);
  /** Of magnitudes 0 (none) to 12 at `16 * negative + magnitude`; the last is all flags and no remainder. */
  readonly magnitude = new Int32Array(32);
  /** Of remainders, by the width of their offset. */
  readonly remainder = new Int32Array(31);

  update(contexts: Contexts): void {
    const price = (context: number, bin: number): number =>
      priceOf(streamPrices, contexts.state(context), bin);
    for (let i = 0; i < 48; i++) this.significance[i] = price(i >> 1, i & 1);
    for (let i = 0; i < 6; i++) this.sign[i] = price(signContexts + (i >> 1), i & 1);
    for (let negative = 0; negative < 2; negative++) {
      let above = 0;
      for (let i = 0; i < magnitudeFlags; i++) {
        const context = magnitudeContexts + 2 * i + negative;
        this.magnitude[16 * negative + i + 1] = above + price(context, 0);
        above += price(context, 1);
      }
      this.magnitude[16 * negative + magnitudeFlags + 1] = above;
    }
    let longer = 0;
    for (let width = 0; width < 31; width++) {
      this.remainder[width] = longer + price(prefixContext + width, 0) + width * pricePerBit;
      longer += price(prefixContext + width, 1);
    }
  }

  /** Price of a magnitude of 1 or more. */
  ofMagnitude(magnitude: number, negative: number): number {
    if (magnitude <= magnitudeFlags) return this.magnitude[16 * negative + magnitude];
    const width = 31 - Math.clz32(magnitude - magnitudeFlags);
    return this.magnitude[16 * negative + magnitudeFlags + 1] + this.remainder[width];
  }
}

/** Smallest candidate of a weight. */
const firstCandidate = (magnitude: number): number => {
  const floor = Math.floor(magnitude);
  return floor > 2 ? floor - 1 : 1;
};

/** Levels and states before them along the survivor of a state, from weight `start` to before `end`. */
function traceBack(
  { weights, step }: LevelTask,
  survivors: Uint16Array,
  [start, end]: readonly [number, number],
  state: number,
  visit: (n: number, level: number, state: number) => void,
): void {
  for (let n = end - 1; n >= start; n--) {
    const decision = survivors[n] >> (2 * state);
    const branch = arrivals[2 * state + (decision & 1)];
    const source = branch >> 1;
    let level = 0;
    if (!(decision & 2)) {
      const first = firstCandidate(Math.abs(weights[n]) / step);
      const half = (first + ((residues[branch] - first) & 3) + 1) >> 1;
      level = weights[n] < 0 ? -half : half;
    }
    visit(n, level, source);
    state = source;
  }
}

/** The cheapest state, the first of equals. */
function cheapest(costs: Float64Array): number {
  let best = 0;
  for (let state = 1; state < states; state++) if (costs[state] < costs[best]) best = state;
  return best;
}

/**
 * The levels that `referenceLevels` finds.
 *
 * @example
 * Array.from(searchLevels({ weights: Float32Array.of(0.9, -2.2, 0.1), step: 1, lagrangian: 0 })); // => [0, -1, 0]
 */
export function searchLevels(task: LevelTask): Int32Array {
  const { weights, step, lagrangian, importance, sets } = task;
  const count = weights.length;
  const scale = lagrangian / pricePerBit;
  const contexts = startContexts(sets, true);
  const learner = new Learner(contexts);
  const prices = new LevelPrices();
  prices.update(contexts);
  const { significance, sign } = prices;
  const survivors = new Uint16Array(count);
  const levels = new Int32Array(count);
  const statesBefore = new Uint8Array(interval + lag);
  const costs = new Float64Array(states).fill(Infinity);
  const branchCosts = new Float64Array(2 * states);
  const isNonzero = new Uint8Array(states);
  costs[0] = 0;
  let traces = new Uint8Array(states);
  let extendedTraces = new Uint8Array(states);
  const errors = new Float64Array(4);
  const magnitudePrices = new Int32Array(4);
  let learned = 0;
  let learnedTrace = 0;

  for (let n = 0; n < count; n++) {
    const weight = weights[n];
    const magnitude = Math.abs(weight) / step;
    const negative = weight < 0 ? 1 : 0;
    const factor = importance ? importance[n] : 1;
    const smallest = firstCandidate(magnitude);
    for (let candidate = smallest; candidate < smallest + 4; candidate++) {
      const error = magnitude - candidate;
      errors[candidate & 3] = factor * error * error;
      magnitudePrices[candidate & 3] = prices.ofMagnitude((candidate + 1) >> 1, negative);
    }
    const zeroError = factor * magnitude * magnitude;
    const signTrace = 1 + (1 - negative);
    for (let source = 0; source < states; source++) {
      const before = costs[source];
      const trace = traces[source];
      const context = 6 * source + 2 * trace;
      const price = significance[context + 1] + sign[2 * trace + negative];
      const even = residues[2 * source];
      const odd = residues[2 * source + 1];
      const zero = before + (zeroError + scale * significance[context]);
      const nonzero = before + (errors[even] + scale * (price + magnitudePrices[even]));
      isNonzero[source] = nonzero < zero ? 1 : 0;
      branchCosts[2 * source] = nonzero < zero ? nonzero : zero;
      branchCosts[2 * source + 1] = before + (errors[odd] + scale * (price + magnitudePrices[odd]));
    }
    let decisions = 0;
    for (let state = 0; state < states; state++) {
      const first = arrivals[2 * state];
      const second = arrivals[2 * state + 1];
      const way = branchCosts[second] < branchCosts[first] ? 1 : 0;
      const branch = way ? second : first;
      const isZero = branch & 1 ? 0 : 1 - isNonzero[branch >> 1];
      costs[state] = branchCosts[branch];
      extendedTraces[state] = isZero ? 0 : signTrace;
      decisions |= (way + 2 * isZero) << (2 * state);
    }
    survivors[n] = decisions;
    [traces, extendedTraces] = [extendedTraces, traces];

    if ((n + 1) % interval === 0 && n + 1 - lag > learned) {
      const end = n + 1 - lag;
      traceBack(task, survivors, [learned, n + 1], cheapest(costs), (at, level, state) => {
        levels[at] = level;
        statesBefore[at - learned] = state;
      });
      for (let at = learned; at < end; at++) {
        putLevel(learner, levels[at], statesBefore[at - learned], learnedTrace);
        learnedTrace = traceOf(levels[at]);
      }
      learned = end;
      prices.update(contexts);
    }
  }
  traceBack(task, survivors, [0, count], cheapest(costs), (at, level) => {
    levels[at] = level;
  });
  return levels;
}
