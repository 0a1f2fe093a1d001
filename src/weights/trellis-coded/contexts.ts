/**
 * Adaptive probability models of the arithmetic coder: each context follows how often its bins are 1.
 *
 * A context holds two estimates of the log-odds of a 1, one fast and one slow, both integers; their sum, the slow
 * one plus 16 times the fast one, is its state S, within ±3900. S >= 0 means that 1 is more probable. Every bin
 * moves both estimates by a table look-up and a shift. A context starts in one of nine initial sets, which fix
 * state and speeds. Integers only.
 * Source: ISO/IEC 15938-17 (NNR), which shares its models with DeepCABAC.
 */

/** Shifts of the fast and the slow estimate, then state and fast estimate at the start. */
export type InitialSet = readonly [fastShift: number, slowShift: number, state: number, fast: number];

/** The initial sets that a stream can name; 0 is the default. */
export const initialSets: readonly InitialSet[] = [
  [1, 4, 0, 0],
  [1, 4, -1310, -41],
  [1, 4, 3039, 95],
  [0, 5, 0, 0],
  [2, 6, 962, 30],
  [2, 6, 3039, 95],
  [2, 6, -673, -21],
  [3, 5, 0, 0],
  [3, 5, 962, 30],
];

/** Movement towards the bin that came, by how far the estimate has gone its way already. */
const movement = Int32Array.from([
  2512,
  2288,
  2064,
  1840,
  1616,
  1392,
  1168,
  944,
  720,
  560,
  464,
  368,
  272,
  208,
  144,
  80,
  ...Array<number>(15).fill(64),
  0,
]);

const rangeBase = [
  114, 100, 87, 75, 66, 58, 51, 45, 40, 35, 31, 27, 24, 21, 18, 16, 14, 13, 11, 10, 9, 8, 7, 7, 5, 5, 4, 4, 3,
  3, 2, 2,
];

/**
 * Width of the less probable bin's part of the range, at `8 * |S >> 7| + ((range >> 5) & 7)`: the coder's range has
 * nine bits, of which the part depends on three.
 */
export const rareWidths = Uint8Array.from(
  { length: 256 },
  (_, i) => (rangeBase[i >> 3] * (9 + (i & 7))) >> 3,
);

/**
 * A row of contexts, all in initial set 0 at first.
 *
 * @example
 * const contexts = new Contexts(1);
 * contexts.adapt(0, 1);
 * contexts.state(0); // => 36
 */
export class Contexts {
  /** Fast and slow estimate of each context. */
  readonly fast: Int32Array;
  readonly slow: Int32Array;
  readonly fastShift: Uint8Array;
  readonly slowShift: Uint8Array;

  constructor(count: number) {
    this.fast = new Int32Array(count);
    this.slow = new Int32Array(count);
    this.fastShift = new Uint8Array(count);
    this.slowShift = new Uint8Array(count);
    for (let context = 0; context < count; context++) this.start(context, 0);
  }

  /** Puts a context into an initial set, 0 to 8. */
  start(context: number, set: number): void {
    const [fastShift, slowShift, state, fast] = initialSets[set];
    this.fastShift[context] = fastShift + 4;
    this.slowShift[context] = slowShift;
    this.fast[context] = fast;
    this.slow[context] = state - 16 * fast;
  }

  /** State S of a context. */
  state(context: number): number {
    return this.slow[context] + 16 * this.fast[context];
  }

  /** Learns a bin. */
  adapt(context: number, bin: number): void {
    const fast = this.fast[context];
    const slow = this.slow[context];
    if (bin) {
      this.fast[context] = fast + (movement[16 + (fast >> 3)] >> this.fastShift[context]);
      this.slow[context] = slow + (movement[16 + (slow >> 7)] >> this.slowShift[context]);
    } else {
      this.fast[context] = fast - (movement[16 + (-fast >> 3)] >> this.fastShift[context]);
      this.slow[context] = slow - (movement[16 + (-slow >> 7)] >> this.slowShift[context]);
    }
  }

  /** Takes over the contexts of another row of the same length. */
  copyFrom(other: Contexts): void {
    this.fast.set(other.fast);
    this.slow.set(other.slow);
    this.fastShift.set(other.fastShift);
    this.slowShift.set(other.slowShift);
  }
}
