/**
 * Codes that name one of a few levels times the scale of their group: how most schemes give weights back, and how codebook
 * schemes find the nearest level.
 */
import type { Layout } from './layout.js';

/**
 * out[i] = levels[codes[i]] * scale of i's group, rounded once to float32.
 *
 * @param scales one per group
 * @example
 * const out = new Float32Array(3);
 * fillFromLevels(Uint8Array.of(0, 1, 1), [-1, 1], Float32Array.of(2, 3), layoutOf([3], { group: 2 }), out);
 * Array.from(out); // => [-2, 2, 3]
 */
export function fillFromLevels(
  codes: ArrayLike<number>,
  levels: ArrayLike<number>,
  scales: Float32Array,
  { starts }: Layout,
  out: Float32Array,
): void {
  for (let g = 0; g + 1 < starts.length; g++) {
    const scale = scales[g];
    for (let i = starts[g]; i < starts[g + 1]; i++) out[i] = levels[codes[i]] * scale;
  }
}

/**
 * Finds the nearest of sorted levels by a table over equal cells of their range, at most one comparison a cell: exact as
 * long as no cell holds two thresholds. Values beyond the ends take the end levels; a value on a threshold takes the
 * upper level.
 */
export class NearestLevel {
  readonly #thresholds: Float64Array;
  readonly #first: Uint8Array;
  readonly #low: number;
  readonly #perUnit: number;

  /**
   * @param levels rising
   * @param thresholds rising, one between each two levels; midpoints by default
   */
  constructor(levels: ArrayLike<number>, thresholds?: ArrayLike<number>) {
    const count = levels.length;
    this.#thresholds = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    for (let k = 0; k + 1 < count; k++) {
      this.#thresholds[k] = thresholds ? thresholds[k] : (levels[k] + levels[k + 1]) / 2;
    }
    const cells = 1024;
    this.#low = levels[0];
    this.#perUnit = cells / (levels[count - 1] - levels[0]);
    this.#first = new Uint8Array(cells + 1);
    for (let cell = 0; cell <= cells; cell++) {
      // A cell starts a little early: rounding of a value's cell must not skip a threshold.
      const start = this.#low + (cell - 1e-6) / this.#perUnit;
      let level = 0;
      while (this.#thresholds[level] <= start) level++;
      this.#first[cell] = level;
    }
  }

  /** Number of the nearest level. */
  of(value: number): number {
    const cell = (value - this.#low) * this.#perUnit;
    let level = this.#first[cell > 1024 ? 1024 : cell > 0 ? cell | 0 : 0];
    while (value >= this.#thresholds[level]) level++;
    return level;
  }
}
