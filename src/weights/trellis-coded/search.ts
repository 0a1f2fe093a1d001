/**
 * The search for levels of dependent quantization, written to be read. search-fast.ts decides alike.
 *
 * Levels cost, per weight, importance times squared error (in squared steps) plus lagrangian times bits. Bits come
 * from contexts that adapt to the levels coded before, so they depend on the whole path. Instead of a set of
 * contexts per path there is one: every `interval` weights it learns the levels, `lag` weights back, of the path
 * that is best by then; paths have met by that point, so that all of them would have learned the same. In between,
 * prices stand still. What a path does keep of its own is the state and whether its last level was zero, negative
 * or positive, which choose the contexts. Of all paths that meet in a state the cheapest survives (Viterbi).
 * Candidates of a weight are zero and the integers m to m + 3 of its sign, m = max(1, floor(|weight| / step) - 1):
 * one of each residue modulo 4, which is what tells subsets of the grid apart.
 */
import { machines, predecessorsOf } from '../../../trellis/machines.js';
import { Learner, Pricer, pricePerBit, streamPrices } from './bin-sinks.js';
import { Contexts } from './contexts.js';
import { contextCount, isSettable, magnitudeFlags, putLevel, settableContexts, traceOf } from './levels.js';

export interface LevelTask {
  /** Finite. */
  readonly weights: Float32Array;
  /** Distance of neighbouring grid points, above 0. */
  readonly step: number;
  /** Price of a bit: squared steps that it must save, 0 or more. */
  readonly lagrangian: number;
  /** Factors of the squared errors, one per weight; all 1 where absent. */
  readonly importance?: Float32Array | undefined;
  /** Initial set of each context; all 0 where absent. */
  readonly sets?: Uint8Array | undefined;
}

/** Weights between two updates of prices, and how far behind them the levels are that contexts have learned. */
export const interval = 32;
export const lag = 32;

/** Contexts in their initial sets. */
export function startContexts(sets: Uint8Array | undefined, dependent: boolean): Contexts {
  const contexts = new Contexts(contextCount);
  for (let context = 0; sets && context < settableContexts; context++) {
    if (isSettable(context, dependent)) contexts.start(context, sets[context]);
  }
  return contexts;
}

/** A way to a state: where it comes from and the level it codes. */
interface Arrival {
  readonly from: number;
  readonly level: number;
}

/**
 * The levels.
 *
 * @example
 * Array.from(referenceLevels({ weights: Float32Array.of(0.9, -2.2, 0.1), step: 1, lagrangian: 0 })); // => [0, -1, 0]
 */
export function referenceLevels({ weights, step, lagrangian, importance, sets }: LevelTask): Int32Array {
  const { states } = machines.nnc8;
  const predecessors = predecessorsOf(machines.nnc8);
  const scale = lagrangian / pricePerBit;
  const contexts = startContexts(sets, true);
  const pricer = new Pricer(streamPrices, magnitudeFlags);
  const learner = new Learner(contexts);
  const arrivals: Arrival[][] = [];
  let costs = Array<number>(states).fill(Infinity);
  let traces = Array<number>(states).fill(0);
  costs[0] = 0;
  let learned = 0;
  let learnedTrace = 0;

  /** Levels and states of the best path so far, from weight `start` on. */
  const pathFrom = (start: number): { level: number; state: number }[] => {
    let state = costs.indexOf(Math.min(...costs));
    const path = [];
    for (let n = arrivals.length - 1; n >= start; n--) {
      const { from, level } = arrivals[n][state];
      path.push({ level, state: from });
      state = from;
    }
    return path.reverse();
  };

  for (let n = 0; n < weights.length; n++) {
    const magnitude = Math.abs(weights[n]) / step;
    const sign = weights[n] < 0 ? -1 : 1;
    const first = Math.max(1, Math.floor(magnitude) - 1);
    const arriving: Arrival[] = [];
    const extended: number[] = [];
    for (let state = 0; state < states; state++) {
      let [least, best] = [Infinity, { from: predecessors[state][0].state, level: 0 }];
      for (const { state: from, parity } of predecessors[state]) {
        const residue = from & 1 ? 3 - 2 * parity : 2 * parity;
        const grid = first + ((residue - first) & 3);
        for (const candidate of parity === 0 ? [0, grid] : [grid]) {
          const level = sign * ((candidate + 1) >> 1);
          const error = magnitude - candidate;
          const price = pricer.priceOf(contexts, level, from, traces[from]);
          const cost = costs[from] + ((importance ? importance[n] : 1) * error * error + scale * price);
          if (cost < least) [least, best] = [cost, { from, level }];
        }
      }
      arriving.push(best);
      extended.push(least);
    }
    arrivals.push(arriving);
    traces = arriving.map(({ level }) => traceOf(level));
    costs = extended;
    if ((n + 1) % interval === 0) {
      const end = n + 1 - lag;
      for (const { level, state } of pathFrom(learned).slice(0, Math.max(0, end - learned))) {
        putLevel(learner, level, state, learnedTrace);
        learnedTrace = traceOf(level);
      }
      learned = Math.max(learned, end);
    }
  }
  return Int32Array.from(pathFrom(0), ({ level }) => level);
}
