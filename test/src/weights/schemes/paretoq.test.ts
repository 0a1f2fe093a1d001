/** ParetoQ's grids against golden vectors of its released code, with the alphas that training starts from. */
import { describe, expect, it } from 'vitest';
import { schemeOf } from '../../../../src/weights/registry.js';
import { golden, roundTrip, tensorOf } from '../support.js';

interface Case {
  readonly alpha: number[];
  readonly y: number[][];
}

const { W, cases } = golden<{ W: number[][]; cases: Record<string, Case> }>('paretoq');
const bitsOf = (key: string): number => (key === '0' ? 1.58 : Number(key));

describe('paretoq', () => {
  it.each(Object.entries(cases))('gives the golden values, case %s', (key, { alpha, y }) => {
    const options = { bits: bitsOf(key), search: false, scales: 'float32' } as const;
    const { quantized, values } = roundTrip(schemeOf('paretoq'), tensorOf(W), options);
    expect([...(quantized.parameters.get('scales') ?? [])]).toEqual(alpha.map((a) => expect.closeTo(a, 7)));
    y.flat().forEach((expected, i) => {
      // Training leaves binary zeros 0; a code has no place for them.
      const isBinaryZero = key === '1' && expected === 0;
      expect(values[i]).toBeCloseTo(isBinaryZero ? alpha[Math.floor(i / 8)] : expected, 6);
    });
  });

  it('rounds ties of the grid half to even', () => {
    const tensor = { name: 'w', shape: [1, 4], values: Float32Array.of(1, -0.5, 0, 0.5) };
    const { values } = roundTrip(schemeOf('paretoq'), tensor, { bits: 2, search: false });
    expect([...values]).toEqual([0.75, -0.75, 0.25, 0.25]);
  });

  it('needs 1.6 bits for three values, five to a byte', () => {
    const tensor = { name: 'w', shape: [1, 10], values: new Float32Array(10).fill(1) };
    const { quantized } = roundTrip(schemeOf('paretoq'), tensor, { bits: 1.58 });
    expect(quantized.bits).toBe(40 + 8 + 16 + 16);
  });
});
