import { describe, expect, it } from 'vitest';
import { seeded } from '../../eval/random.js';
import { bootstrapInterval, meanOf, medianOf } from '../../eval/statistics.js';

describe('mean and median', () => {
  it('differ where values are skewed', () => {
    expect(meanOf([1, 2, 3, 10])).toBe(4);
    expect(medianOf([10, 1, 3, 2])).toBe(2.5);
    expect(medianOf([-7])).toBe(-7);
  });

  it('need a value', () => {
    for (const action of [meanOf, medianOf, bootstrapInterval]) expect(() => action([])).toThrow(/got none/);
  });
});

describe('bootstrapInterval', () => {
  const uniform = seeded(5);
  const normal = Array.from({ length: 100 }, () => {
    let sum = -6;
    for (let n = 0; n < 12; n++) sum += uniform();
    return 10 + 3 * sum;
  });

  it('is that of the normal distribution where values are normal', () => {
    const { low, high } = bootstrapInterval(normal);
    const mean = meanOf(normal);
    const deviation = Math.sqrt(meanOf(normal.map((value) => (value - mean) ** 2)) / normal.length);
    expect(low).toBeCloseTo(mean - 1.96 * deviation, 1);
    expect(high).toBeCloseTo(mean + 1.96 * deviation, 1);
  });

  it('is the same every time, narrower for less confidence, and leans where values do', () => {
    expect(bootstrapInterval(normal)).toEqual(bootstrapInterval([...normal]));
    const [wide, narrow] = [bootstrapInterval(normal, 0.95), bootstrapInterval(normal, 0.5)];
    expect(narrow.low).toBeGreaterThan(wide.low);
    expect(narrow.high).toBeLessThan(wide.high);
    const skewed = [0, 0, 0, 0, 0, 0, 0, 10];
    const { low, high } = bootstrapInterval(skewed);
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(3);
  });

  // Of the 27 equally likely resamples, means in order: 0, then 1 three times; at the other end 9, and 7 three times.
  it('tends to the exact interval of all resamples', () => {
    const { low, high } = bootstrapInterval([0, 3, 9]);
    expect(low).toBe(0);
    expect(high).toBe(9);
    const exact = bootstrapInterval([0, 3, 9], 0.8);
    expect(exact.low).toBe(1);
    expect(exact.high).toBe(7);
  });
});
