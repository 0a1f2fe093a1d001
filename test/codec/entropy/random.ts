/**
 * Seeded random numbers for the entropy coder's tests (xorshift32, period 2^32 - 1): the same on every run.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** 0..2^32 - 1. */
  uint32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** [0, 1). */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** 0..n - 1. */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** N(0, 1), by Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}
