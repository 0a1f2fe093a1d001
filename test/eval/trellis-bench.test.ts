/** The trellis benchmarks in small: gains and synthetic BD-rates have the signs and sizes they must have. */
import { describe, expect, it } from 'vitest';
import { granularGain, searchCodes } from '../../eval/trellis-search.js';
import { compareSynthetic, syntheticMethods } from '../../eval/trellis-synthetic.js';

describe('trellis benchmarks', () => {
  it('measure granular gains', () => {
    expect(Math.abs(granularGain('av2-8', 50000) - 1.087)).toBeLessThan(0.03);
    expect(Math.abs(granularGain('scalar', 50000))).toBeLessThan(0.03);
  });

  it('find codes as good as published ones, the same for one seed', () => {
    const [best, ...others] = searchCodes(16, 64, 2, 0.05);
    expect(best.gain).toBeGreaterThan(granularGain('ungerboeck16', 50000) - 0.02);
    expect(others.every(({ gain }) => gain <= best.gain)).toBe(true);
    expect(searchCodes(16, 64, 2, 0.05)).toEqual([best, ...others]);
  });

  it('find trellises better than RDOQ, and rounding much better with counted tables than without', () => {
    const methods = syntheticMethods.filter(({ name }) => ['rounding', 'VVC-4', 'AV2-8'].includes(name));
    const seen: string[] = [];
    const results = compareSynthetic(1 << 14, methods, ({ name }) => seen.push(name));
    const [rounding, four, eight] = results;
    expect(seen).toEqual(results.map(({ name }) => name));
    expect(rounding.fixed).toBeGreaterThan(4);
    expect(four.fixed).toBeLessThan(-2.5);
    expect(eight.fixed).toBeLessThan(four.fixed);
    // So few latents do not fill the tables of a trellis; rounding's, they do.
    expect(rounding.refitted).toBeLessThan(rounding.fixed - 3);
  });
});
