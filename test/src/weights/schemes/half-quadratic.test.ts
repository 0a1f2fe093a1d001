/** HQQ against golden vectors of its released code (legacy solver, groups along columns). */
import { describe, expect, it } from 'vitest';
import { schemeOf } from '../../../../src/weights/registry.js';
import { golden, roundTrip, tensorOf } from '../support.js';

interface Case {
  readonly nbits: number;
  readonly group: number;
  readonly optimize: boolean;
  readonly q: number[][];
  readonly scale: number[];
  readonly zero: number[];
  readonly deq: number[][];
}

const { W, cases } = golden<{ W: number[][]; cases: Case[] }>('hqq');

describe('hqq', () => {
  it.each(cases)('gives the golden codes, $nbits bits, fitted: $optimize', (one) => {
    const { quantized, values } = roundTrip(schemeOf('hqq'), tensorOf(W), {
      bits: one.nbits,
      granularity: { group: one.group },
      search: one.optimize,
      scales: 'float32',
    });
    expect([...quantized.codes]).toEqual(one.q.flat());
    const close = (expected: readonly number[], digits: number) =>
      expected.map((value) => expect.closeTo(value, digits));
    expect([...(quantized.parameters.get('scales') ?? [])]).toEqual(close(one.scale, 6));
    expect([...(quantized.parameters.get('zeros') ?? [])]).toEqual(close(one.zero, 5));
    expect([...values]).toEqual(close(one.deq.flat(), 5));
  });

  it('leaves a constant row finite', () => {
    const tensor = { name: 'w', shape: [1, 4], values: Float32Array.of(0.25, 0.25, 0.25, 0.25) };
    const { values } = roundTrip(schemeOf('hqq'), tensor);
    for (const value of values) expect(value).toBeCloseTo(0.25, 3);
  });
});
