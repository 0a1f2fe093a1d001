/**
 * Seeded pseudo-random numbers (xoshiro128**, Blackman and Vigna 2018). Training draws everything of step n from
 * `Random.of(seed, n)`, so that a resumed run continues exactly and data order does not depend on timing.
 */

function splitMix(state: number): () => number {
  let s = state >>> 0;
  return () => {
    s = (s + 0x9e3779b9) >>> 0;
    let t = Math.imul(s ^ (s >>> 16), 0x21f0aaad);
    t = Math.imul(t ^ (t >>> 15), 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
}

export class Random {
  readonly #state = new Uint32Array(4);

  private constructor(seed: number) {
    const next = splitMix(seed);
    for (let k = 0; k < 4; k++) this.#state[k] = next();
  }

  /** A generator for a seed and any number of indices (step, sample, purpose ...). */
  static of(seed: number, ...indices: number[]): Random {
    return new Random(
      indices.reduce((mixed, index) => splitMix(mixed ^ Math.imul(index + 1, 0x85ebca6b))(), seed),
    );
  }

  /** Uniform whole number in [0, 2^32). */
  uint32(): number {
    const s = this.#state;
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** Uniform whole number in [0, below). */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** Normally distributed, mean 0, deviation 1 (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Fills with uniform numbers in [-0.5, 0.5): the noise that stands for rounding. */
  fillNoise(values: Float32Array): void {
    for (let k = 0; k < values.length; k++) values[k] = this.uint32() / 2 ** 32 - 0.5;
  }
}
