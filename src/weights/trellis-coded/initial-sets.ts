/**
 * The choice of initial sets: how the contexts of a stream start, and how fast they learn.
 *
 * A context's bins cost the same whatever the other contexts do, so that each set can be tried on each context by
 * itself: the best choice is found exactly, up to what the coder's integers round away. Sets differ in speed above
 * all; in a long stream of weights whose statistics hardly change, the slow ones save about one bit in a hundred.
 */
import type { BinSink } from './arithmetic-coder.js';
import { priceOf, pricePerBit, streamPrices } from './bin-sinks.js';
import { Contexts, initialSets } from './contexts.js';
import { encodeLevels, isSettable, putLevels, settableContexts, stateAfter } from './levels.js';

/** Price of naming a set other than 0: three bypass bins, and a bin that is seldom 1. */
const namePrice = 3.5 * pricePerBit;

/** Prices the bins of every context under every initial set. */
class SetTrial implements BinSink {
  /** At `context * sets + set`. */
  readonly prices = new Float64Array(settableContexts * initialSets.length);
  readonly #trials = new Contexts(settableContexts * initialSets.length);

  constructor() {
    for (let i = 0; i < this.prices.length; i++) this.#trials.start(i, i % initialSets.length);
  }

  bin(context: number, bin: number): void {
    const first = context * initialSets.length;
    for (let i = first; i < first + initialSets.length; i++) {
      this.prices[i] += priceOf(streamPrices, this.#trials.state(i), bin);
      this.#trials.adapt(i, bin);
    }
  }

  bypass(): void {}
}

/** Shorter streams are coded to see whether the choice pays: naming sets makes naming none dearer. */
const shortest = 1 << 12;

/** Longer streams are tried in so many runs of so many levels. */
const longest = 1 << 18;
const runs = 16;
const runLength = 1 << 13;

/**
 * The cheapest initial set of each context for these levels, `[settableContexts]`. Of long streams only runs are
 * looked at.
 *
 * @example
 * chooseInitialSets(new Int32Array(0), true).every((set) => set === 0); // => true
 */
export function chooseInitialSets(levels: Int32Array, dependent: boolean): Uint8Array {
  const trial = new SetTrial();
  if (levels.length <= longest) {
    putLevels(trial, levels, dependent);
  } else {
    let [state, at] = [0, 0];
    for (let run = 0; run < runs; run++) {
      const start = Math.floor(((levels.length - runLength) * run) / (runs - 1));
      if (dependent) state = stateAfter(levels.subarray(at, start), state);
      at = start;
      putLevels(trial, levels.subarray(start, start + runLength), dependent, state);
    }
  }
  const sets = new Uint8Array(settableContexts);
  for (let context = 0; context < settableContexts; context++) {
    if (!isSettable(context, dependent)) continue;
    let best = Infinity;
    for (let set = 0; set < initialSets.length; set++) {
      const cost = trial.prices[context * initialSets.length + set] + (set > 0 ? namePrice : 0);
      if (cost < best) {
        best = cost;
        sets[context] = set;
      }
    }
  }
  const none = new Uint8Array(settableContexts);
  const lengthWith = (choice: Uint8Array): number => encodeLevels(levels, { dependent, sets: choice }).length;
  return levels.length < shortest && lengthWith(none) <= lengthWith(sets) ? none : sets;
}
