/**
 * The search for the nearest ring of codes on a bitshift trellis: Viterbi's, over 2^L states, in float32.
 *
 * A ring begins where it ends. That overlap is guessed first, by a search from any state to any state over the
 * sequence turned by half its length, and read off where the sequence's first value then lies; a second search
 * holds it fixed. States that differ in their oldest bits only become one group after a shift, so per value the
 * best of 2^k ways into each group is kept. Ties go to the first way and the first state. The forward pass is the
 * kernel of bitshift-kernel.ts where it runs; it decides alike.
 * Source: A. Tseng et al., "QTIP", 2024.
 */
import { UsageError } from '../../errors.js';
import { KernelPass } from './bitshift-kernel.js';
import { stateBitsRange, valueBitsRange } from './bitshift-trellis.js';

/** The costly half of a search: from the first value to the last. */
export interface ForwardPass {
  /** Costs of all states after the last value. */
  readonly costs: Float32Array;
  /** Best way into each group before each value, `[longest, groups]`; the first row stays empty. */
  readonly ways: Uint8Array;
  /**
   * @param sequence NaN where any value will do
   * @param overlap what the first state must keep of the values before; any where undefined
   */
  run(sequence: Float32Array, overlap: number | undefined): void;
}

/** What a forward pass is made for. */
export interface PassShape {
  /** Values of all 2^stateBits states. */
  readonly values: Float32Array;
  readonly stateBits: number;
  readonly valueBits: number;
  /** Values of the longest sequence. */
  readonly longest: number;
}

/** The forward pass in typed arrays, written to be read. */
export class TypedPass implements ForwardPass {
  readonly costs: Float32Array;
  readonly ways: Uint8Array;
  readonly #values: Float32Array;
  readonly #members: number;
  readonly #groupCosts: Float32Array;

  constructor({ values, stateBits, valueBits, longest }: PassShape) {
    this.#values = values;
    this.#members = 1 << valueBits;
    this.#groupCosts = new Float32Array(1 << (stateBits - valueBits));
    this.costs = new Float32Array(1 << stateBits);
    this.ways = new Uint8Array(longest << (stateBits - valueBits));
  }

  run(sequence: Float32Array, overlap: number | undefined): void {
    if (overlap === undefined) this.#groupCosts.fill(0);
    else this.#groupCosts.fill(Infinity)[overlap] = 0;
    this.#extend(sequence[0]);
    for (let t = 1; t < sequence.length; t++) {
      this.#meet(t);
      this.#extend(sequence[t]);
    }
  }

  /** Costs of states from those of their groups. */
  #extend(sample: number): void {
    const values = this.#values;
    const { costs } = this;
    const isFree = Number.isNaN(sample);
    for (let group = 0, state = 0; group < this.#groupCosts.length; group++) {
      const before = this.#groupCosts[group];
      for (let member = 0; member < this.#members; member++, state++) {
        const error = isFree ? 0 : Math.fround(values[state] - sample);
        costs[state] = Math.fround(before + Math.fround(error * error));
      }
    }
  }

  /** Costs of groups, each the least of the states that shift into it, and which one that is. */
  #meet(t: number): void {
    const { costs, ways } = this;
    const groups = this.#groupCosts.length;
    for (let group = 0; group < groups; group++) {
      let least = costs[group];
      let best = 0;
      for (let way = 1; way < this.#members; way++) {
        const cost = costs[way * groups + group];
        if (cost < least) {
          least = cost;
          best = way;
        }
      }
      this.#groupCosts[group] = least;
      ways[t * groups + group] = best;
    }
  }
}

/**
 * Searches rings for sequences, one after the other.
 *
 * @example
 * const search = new BitshiftSearch({ values: codeTable('1mad', 8), stateBits: 8, valueBits: 2, longest: 32 });
 * search.codesOf(new Float32Array(32)).length; // => 32
 */
export class BitshiftSearch {
  readonly #shape: PassShape;
  readonly #pass: ForwardPass;

  /**
   * @param pass by default the kernel, or the typed pass where WebAssembly does not run
   * @throws UsageError for bits of states and values that are out of range
   */
  constructor(shape: PassShape, pass: ForwardPass = KernelPass.create(shape) ?? new TypedPass(shape)) {
    checkRange('bits of a state', shape.stateBits, stateBitsRange);
    checkRange('bits of a value', shape.valueBits, valueBitsRange);
    this.#shape = shape;
    this.#pass = pass;
  }

  /**
   * New bits of every value of a sequence, as a ring.
   *
   * @param sequence from `leastLength` to `longest` values; NaN where any value will do
   */
  codesOf(sequence: Float32Array): Uint8Array {
    const length = sequence.length;
    const half = length >> 1;
    const turned = new Float32Array(length);
    turned.set(sequence.subarray(length - half));
    turned.set(sequence.subarray(0, length - half), half);
    const { valueBits } = this.#shape;
    // Value 0 of the sequence lies at `half`; what its state keeps of the values before it is the overlap.
    const overlap = this.#statesOf(turned, undefined)[half] >> valueBits;
    const mask = (1 << valueBits) - 1;
    return Uint8Array.from(this.#statesOf(sequence, overlap), (state) => state & mask);
  }

  /** States of the best path; with an overlap, of the best one that begins and ends with it. */
  #statesOf(sequence: Float32Array, overlap: number | undefined): Uint32Array {
    const { stateBits, valueBits } = this.#shape;
    const groupBits = stateBits - valueBits;
    this.#pass.run(sequence, overlap);
    const { costs, ways } = this.#pass;
    const inGroup = (1 << groupBits) - 1;
    let state = overlap ?? 0;
    for (let s = 0; s < costs.length; s++) {
      if (costs[s] < costs[state] && (overlap === undefined || (s & inGroup) === overlap)) state = s;
    }
    const states = new Uint32Array(sequence.length);
    for (let t = sequence.length - 1; t >= 0; t--) {
      states[t] = state;
      const group = state >> valueBits;
      state = (ways[(t << groupBits) + group] << groupBits) + group;
    }
    return states;
  }
}

function checkRange(what: string, value: number, [least, most]: readonly [number, number]): void {
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    throw new UsageError(`bitshift trellis: expected ${least} to ${most} ${what}, got ${value}`);
  }
}
