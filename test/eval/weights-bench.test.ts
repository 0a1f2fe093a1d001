/** The benchmark of weight quantizers in small: numbers that theory bounds, and every scheme of the registry. */
import { describe, expect, it } from 'vitest';
import {
  gapTable,
  gaussianWeights,
  measureSpeed,
  shownWidths,
  speedTable,
  withMeasured,
} from '../../eval/weights-bench.js';
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

  it('makes a row of every scheme and width, and one of gaps at 2, 3 and 4 bits', () => {
    const measured = (scheme: string, bits: number, bitsPerWeight: number, gap: number) => ({
      ...{ scheme, bits, bitsPerWeight, gap, sqnr: 20, quantizeSpeed: 4e6, dequantizeSpeed: 123e6 },
    });
    const rows = [
      { plain: measured('a', 2, 2.25, 3), searched: measured('a', 2, 2.25, 2) },
      { plain: measured('a', 4, 4.25, 1) },
      { plain: measured('b', 8, 8.5, 6) },
    ];
    expect(speedTable(rows)[1]).toEqual(['a', '2', '2.250', '20.00', '3.00', '4.0', '123', '20.00', '4.0']);
    expect(speedTable(rows)[3]).toEqual(['b', '8', '8.500', '20.00', '6.00', '4.0', '123', '', '']);
    expect(gapTable(rows).slice(1)).toEqual([['a', '2.00 (2.25)', '', '1.00 (4.25)']]);
  });

  it('writes between the marks of a document only', () => {
    const document = 'a\n<!-- bench:weights begins -->\nold\n<!-- bench:weights ends -->\nb\n';
    expect(withMeasured(document, 'new')).toBe(document.replace('old', 'new'));
    expect(withMeasured(withMeasured(document, 'x'), 'new')).toBe(document.replace('old', 'new'));
    expect(() => withMeasured('a', 'new')).toThrow(/expected <!-- bench:weights begins -->/);
  });
});
