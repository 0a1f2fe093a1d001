/**
 * The bitshift trellis: a state is the last bits of a string, so that a sequence of values is stored as a string of bits, a fixed number per
 * value, and decoded anywhere by looking at a window of it.
 *
 * With L bits of state and k bits per value, the state after value t is `((before << k) mod 2^L) | code`, code being k new bits. The string
 * is a ring (tail-biting): the first window begins where the last value's new bits end, so T values take k T bits, no more.
 * The search is Viterbi's over 2^L states in float32. The ring's overlap is guessed first, by a search from and to any state over the
 * sequence turned by half its length, and then held fixed.
 * Source: A. Tseng et al., "QTIP", 2024.
 */
import { UsageError } from '../../errors.js';

/** Bits of a state that are supported, and of a value. */
export const stateBitsRange = [6, 16] as const;
export const valueBitsRange = [1, 4] as const;

/** Fewest values of a ring: fewer could not fill its window. */
export const leastLength = (stateBits: number, valueBits: number): number => Math.ceil(stateBits / valueBits);

/**
 * Searches the nearest ring of codes for sequences; holds the memory of a search.
 *
 * @example
 * const search = new BitshiftSearch(codeTable('1mad', 8), 8, 2, 32);
 * const codes = search.codesOf(new Float32Array(32));
 * codes.length; // => 32
 */
export class BitshiftSearch {
  readonly #values: Float32Array;
  readonly #stateBits: number;
  readonly #valueBits: number;
  /** Best costs of the states that share their upper bits after a shift. */
  readonly #groupCosts: Float32Array;
  readonly #costs: Float32Array;
  /** Which of the 2^k ways into a group was best, per value. */
  readonly #ways: Uint8Array;

  /**
   * @param values of all 2^stateBits states
   * @param longest values of a sequence
   * @throws UsageError for numbers out of range
   */
  constructor(values: Float32Array, stateBits: number, valueBits: number, longest: number) {
    checkRange('bits of a state', stateBits, stateBitsRange);
    checkRange('bits of a value', valueBits, valueBitsRange);
    this.#values = values;
    this.#stateBits = stateBits;
    this.#valueBits = valueBits;
    this.#groupCosts = new Float32Array(1 << (stateBits - valueBits));
    this.#costs = new Float32Array(1 << stateBits);
    this.#ways = new Uint8Array(longest << (stateBits - valueBits));
  }

  /**
   * New bits of every value of a sequence, as a ring.
   *
   * @param sequence at least `leastLength` values; NaN where any value will do
   */
  codesOf(sequence: Float32Array): Uint8Array {
    const length = sequence.length;
    const half = length >> 1;
    const turned = new Float32Array(length);
    turned.set(sequence.subarray(length - half));
    turned.set(sequence.subarray(0, length - half), half);
    const free = this.#search(turned, undefined);
    // Value 0 of the sequence came at `half`; what its state keeps of the values before it is the overlap.
    const overlap = free[half] >> this.#valueBits;
    const states = this.#search(sequence, overlap);
    const mask = (1 << this.#valueBits) - 1;
    return Uint8Array.from(states, (state) => state & mask);
  }

  /** States of the best path; with an overlap, of the best one that begins and ends with it. */
  #search(sequence: Float32Array, overlap: number | undefined): Uint32Array {
    const groupBits = this.#stateBits - this.#valueBits;
    const groups = 1 << groupBits;
    const costs = this.#costs;
    const groupCosts = this.#groupCosts;
    if (overlap === undefined) groupCosts.fill(0);
    else groupCosts.fill(Infinity)[overlap] = 0;
    this.#extend(sequence[0]);
    for (let t = 1; t < sequence.length; t++) {
      this.#meet(t);
      this.#extend(sequence[t]);
    }
    let state = 0;
    let least = Infinity;
    for (let s = 0; s < costs.length; s++) {
      if (overlap !== undefined && (s & (groups - 1)) !== overlap) continue;
      if (costs[s] < least) {
        least = costs[s];
        state = s;
      }
    }
    const states = new Uint32Array(sequence.length);
    for (let t = sequence.length - 1; t >= 0; t--) {
      states[t] = state;
      const group = state >> this.#valueBits;
      state = (this.#ways[(t << groupBits) + group] << groupBits) + group;
    }
    return states;
  }

  /** Costs of states from those of their groups. */
  #extend(sample: number): void {
    const values = this.#values;
    const costs = this.#costs;
    const groupCosts = this.#groupCosts;
    const members = 1 << this.#valueBits;
    const isFree = Number.isNaN(sample);
    for (let group = 0, state = 0; group < groupCosts.length; group++) {
      const before = groupCosts[group];
      for (let member = 0; member < members; member++, state++) {
        const error = isFree ? 0 : Math.fround(values[state] - sample);
        costs[state] = Math.fround(before + Math.fround(error * error));
      }
    }
  }

  /** Costs of groups, each the least of the states that shift into it, and which one that is. */
  #meet(t: number): void {
    const costs = this.#costs;
    const groupCosts = this.#groupCosts;
    const ways = this.#ways;
    const groups = groupCosts.length;
    const members = 1 << this.#valueBits;
    const first = t * groups;
    for (let group = 0; group < groups; group++) {
      let least = costs[group];
      let best = 0;
      for (let way = 1; way < members; way++) {
        const cost = costs[way * groups + group];
        if (cost < least) {
          least = cost;
          best = way;
        }
      }
      groupCosts[group] = least;
      ways[first + group] = best;
    }
  }
}

function checkRange(what: string, value: number, [least, most]: readonly [number, number]): void {
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    throw new UsageError(`bitshift trellis: expected ${least} to ${most} ${what}, got ${value}`);
  }
}

/**
 * States of a ring of codes.
 *
 * @example
 * Array.from(ringStates(Uint8Array.of(1, 2, 3), 4, 2)); // => [13, 6, 11]
 */
export function ringStates(codes: Uint8Array, stateBits: number, valueBits: number): Uint32Array {
  const mask = (1 << stateBits) - 1;
  let state = 0;
  for (let t = codes.length - leastLength(stateBits, valueBits); t < codes.length; t++) {
    state = ((state << valueBits) | codes[t]) & mask;
  }
  return Uint32Array.from(codes, (code) => {
    state = ((state << valueBits) | code) & mask;
    return state;
  });
}

/**
 * Writes a ring's bits, highest first: those of the first state, then the new ones of each later state as far as the first state does not
 * hold them already.
 *
 * @param start bit to begin at
 */
export function writeRing(
  codes: Uint8Array,
  stateBits: number,
  valueBits: number,
  bytes: Uint8Array,
  start: number,
): void {
  const length = codes.length * valueBits;
  // The first code ends the first state.
  const shift = stateBits - valueBits;
  for (let bit = 0; bit < length; bit++) {
    const at = (bit + length - (shift % length)) % length;
    const code = codes[Math.floor(at / valueBits)];
    const value = (code >> (valueBits - 1 - (at % valueBits))) & 1;
    if (value) bytes[(start + bit) >> 3] |= 0x80 >> ((start + bit) & 7);
  }
}

/** Reads what `writeRing` wrote: so many codes from bit `start` on. */
export function readRing(
  bytes: Uint8Array,
  start: number,
  count: number,
  stateBits: number,
  valueBits: number,
): Uint8Array {
  const length = count * valueBits;
  const codes = new Uint8Array(count);
  for (let t = 0; t < count; t++) {
    for (let i = 0; i < valueBits; i++) {
      const bit = start + ((t * valueBits + i + stateBits - valueBits) % length);
      codes[t] = (codes[t] << 1) | ((bytes[bit >> 3] >> (7 - (bit & 7))) & 1);
    }
  }
  return codes;
}
