/** The benchmark of trellis-coded weights in small: gains have the signs and sizes they must have. */
import { describe, expect, it } from 'vitest';
import { compareEncoders, measureNormal, normalWeights } from '../../eval/weights-trellis-bench.js';

describe('benchmark of trellis-coded weights', () => {
  it('finds the search better than the reference encoder, and initial sets better still', () => {
    const [reference, search, both] = compareEncoders(normalWeights(1 << 14, 3), 1, 1);
    expect(Math.abs(reference.bitsPerWeight - 1.3)).toBeLessThan(0.05);
    expect(reference.gap - search.gap).toBeGreaterThan(0.3);
    expect(search.gap).toBeGreaterThan(both.gap);
  });

  it('measures schemes through their bytes', () => {
    const entropyCoded = measureNormal('tcq8', [64, 128], { bits: 2 });
    const fixedRate = measureNormal('qtip-3inst', [64, 128], { bits: 2, states: 256 });
    expect(entropyCoded.gap).toBeLessThan(1.1);
    expect(fixedRate.name).toBe('qtip-3inst, 256 states');
    expect(fixedRate.gap).toBeGreaterThan(entropyCoded.gap);
    expect(fixedRate.bitsPerWeight).toBeCloseTo(2 + 80 / 8192, 6);
  });
});
