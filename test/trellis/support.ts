/** Seeded random numbers and random tasks for the tests of trellis/. */
import { gaussianRates, type RateTables } from '../../trellis/index.js';
import type { TrellisTask } from '../../trellis/task.js';

/** Seeded (mulberry32): the same on every run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** [0, 1). */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  /** 0..n - 1. */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** N(0, 1). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}

export const sigmas: readonly number[] = Array.from({ length: 16 }, (_, t) => 0.15 * 1.45 ** t);

/** Normal latents of many scales, each with its table. */
export function randomTask(
  seed: number,
  count: number,
  rates: RateTables = gaussianRates(sigmas),
): TrellisTask & { tableIndices: Uint8Array } {
  const random = new Random(seed);
  const tableIndices = Uint8Array.from({ length: count }, () => random.below(sigmas.length));
  const latents = Float32Array.from(tableIndices, (t) => random.normal() * sigmas[t] * 0.6);
  return { latents, step: 0.6, lagrangian: 0.1, tables: rates, tableIndices };
}
