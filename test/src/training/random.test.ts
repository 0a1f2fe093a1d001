/** Seeded random numbers: the same everywhere and for ever, and as uniform or normal as training needs. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/training/random.js';

const take = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.uint32());

describe('Random', () => {
  it('never changes: resumed runs of older versions depend on it', () => {
    expect(take(Random.of(1), 3)).toEqual([393_288_148, 2_174_103_013, 3_814_759_091]);
    expect(take(Random.of(1, 2, 3), 3)).toEqual([2_119_000_169, 2_803_781_330, 2_723_272_579]);
  });

  it('gives the same numbers for the same seed and indices, others for others', () => {
    const reference = take(Random.of(7, 100, 3), 8);
    expect(take(Random.of(7, 100, 3), 8)).toEqual(reference);
    for (const other of [[7], [7, 100], [7, 3, 100], [8, 100, 3], [7, 101, 3], [7, 100, 4], [7, -100, 3]]) {
      const [seed, ...indices] = other;
      expect(take(Random.of(seed, ...indices), 8)).not.toEqual(reference);
    }
  });

  it('is uniform: mean, deviation and buckets of 100000 numbers', () => {
    const random = Random.of(5);
    const buckets = new Array<number>(10).fill(0);
    let [sum, squares] = [0, 0];
    for (let n = 0; n < 100_000; n++) {
      const value = random.uniform();
      sum += value;
      squares += value * value;
      buckets[Math.floor(10 * value)]++;
    }
    expect(sum / 1e5).toBeCloseTo(0.5, 2);
    expect(squares / 1e5 - (sum / 1e5) ** 2).toBeCloseTo(1 / 12, 2);
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('does not correlate neighbouring steps and samples', () => {
    const length = 4000;
    for (const indices of [(n: number) => [n], (n: number) => [1, n], (n: number) => [n, 1]]) {
      const values = Array.from({ length }, (_, n) => Random.of(1, ...indices(n)).uniform() - 0.5);
      let correlation = 0;
      for (let n = 1; n < length; n++) correlation += values[n] * values[n - 1];
      expect(Math.abs((12 * correlation) / length)).toBeLessThan(0.06);
    }
  });

  it('is normal: mean 0, deviation 1, tails as expected, always finite', () => {
    const random = Random.of(6);
    const values = Array.from({ length: 50_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value) / values.length;
    const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
    const beyond = values.filter((value) => Math.abs(value) > 2).length / values.length;
    expect(beyond).toBeGreaterThan(0.04);
    expect(beyond).toBeLessThan(0.05);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it('draws whole numbers below a bound and noise in [-0.5, 0.5)', () => {
    const random = Random.of(9);
    const drawn = new Set(Array.from({ length: 1000 }, () => random.integer(7)));
    expect([...drawn].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const noise = new Float32Array(20_000);
    random.fillNoise(noise);
    expect(noise.every((value) => value >= -0.5 && value <= 0.5)).toBe(true);
    expect(noise.reduce((sum, value) => sum + value) / noise.length).toBeCloseTo(0, 2);
  });
});
