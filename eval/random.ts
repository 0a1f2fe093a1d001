/** Seeded pseudo-random numbers for simulations and bootstrap intervals: the same on every machine and in every run. */

/**
 * Uniform numbers in [0, 1) (mulberry32, Tommy Ettinger).
 *
 * @param seed any whole number; equal seeds give equal numbers
 * @example
 * seeded(1)() === seeded(1)(); // => true
 */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
