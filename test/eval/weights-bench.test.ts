/** The benchmark of weight quantizers in small: numbers that theory bounds, and every scheme of the registry. */
import { describe, expect, it } from 'vitest';
import { gaussianWeights, measureSpeed, shownWidths } from '../../eval/weights-bench.js';
import { schemeOf, schemes } from '../../src/weights/index.js';

describe('the benchmark of weight quantizers', () => {
  const tensor = gaussianWeights(4);

  it('measures decibels and the gap to the rate-distortion bound', () => {
    const { bitsPerWeight, sqnr, gap, quantizeSpeed, dequantizeSpeed } = measureSpeed(
      schemeOf('nf4'),
      4,
      tensor,
    );
    expect(bitsPerWeight).toBeCloseTo(4.25, 1);
    expect(sqnr).toBeGreaterThan(20);
    expect(sqnr).toBeLessThan(21.5);
    expect(gap).toBeCloseTo(6.0206 * bitsPerWeight - sqnr, 3);
    expect(quantizeSpeed).toBeGreaterThan(0);
    expect(dequantizeSpeed).toBeGreaterThan(0);
  });

  it('shows every scheme, with the widths of up to 4 bits where there is a choice', () => {
    for (const scheme of schemes) expect(shownWidths(scheme).length).toBeGreaterThan(0);
    expect(shownWidths(schemeOf('hqq'))).toEqual([2, 3, 4]);
    expect(shownWidths(schemeOf('int8'))).toEqual([8]);
  });

  it('beats no bound: the gap is positive', () => {
    for (const scheme of schemes.filter(({ calibrated }) => !calibrated)) {
      const [bits] = shownWidths(scheme);
      expect(measureSpeed(scheme, bits, tensor).gap, scheme.name).toBeGreaterThan(0);
    }
  });
});
