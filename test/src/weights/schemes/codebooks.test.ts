/** Codebooks of four bits against golden vectors: NF4, FP4, MXFP4, NVFP4. */
import { describe, expect, it } from 'vitest';
import { schemeOf } from '../../../../src/weights/registry.js';
import { e2m1FromFloat, e2m1Levels, e4m3Levels } from '../../../../src/weights/small-floats.js';
import { golden, roundTrip } from '../support.js';

interface Block {
  readonly scale_e4m3: number;
  readonly q: number[];
  readonly mse: number;
}

const { nf4, mx, nvfp4 } = golden<{
  nf4: { w: number[]; absmax: number; codes: number[]; packed_hi_first: number[]; deq: number[] };
  mx: { x: number[]; modes: Record<string, { e8m0: number; q: number[]; mse: number }> };
  nvfp4: { per_tensor: number; blocks: Block[] };
}>('misc_examples');

const values = Float32Array.from(mx.x);
const block = { name: 'block', shape: [1, 32], values };
const squaredError = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;

describe('nf4', () => {
  it('gives the golden codes, bytes and values', () => {
    const tensor = { name: 'w', shape: [8], values: Float32Array.from(nf4.w) };
    const { quantized, bytes, values: back } = roundTrip(schemeOf('nf4'), tensor, { scales: 'float32' });
    expect([...quantized.codes]).toEqual(nf4.codes);
    expect([...bytes.slice(-4)]).toEqual(nf4.packed_hi_first);
    expect(quantized.parameters.get('scales')?.[0]).toBeCloseTo(nf4.absmax, 6);
    nf4.deq.forEach((value, i) => {
      expect(back[i]).toBeCloseTo(value, 6);
    });
  });
});

describe('fp4', () => {
  it('rounds ties to even codes', () => {
    const { ties } = golden<{ ties: Record<string, number[]> }>('fp4_dge');
    for (const [tie, [, , positive, negative]] of Object.entries(ties)) {
      expect(e2m1Levels[e2m1FromFloat(Number(tie))] + 0, tie).toBe(positive);
      expect(e2m1Levels[e2m1FromFloat(-Number(tie))] + 0, tie).toBe(negative + 0);
    }
  });

  it('takes the nearest value for all numbers between', () => {
    for (let x = -7; x <= 7; x += 1 / 64) {
      const found = e2m1Levels[e2m1FromFloat(x)];
      const best = Math.min(...Array.from(e2m1Levels, (level) => Math.abs(level - x)));
      expect(Math.abs(found - x), String(x)).toBe(best);
    }
  });

  it('scales by a sixth of the largest magnitude', () => {
    const tensor = { name: 'w', shape: [4], values: Float32Array.of(12, -5, 1, 0.4) };
    const { values: back } = roundTrip(schemeOf('fp4'), tensor);
    expect([...back]).toEqual([12, -4, 1, 0]);
  });
});

describe('mxfp4', () => {
  it.each(Object.entries(mx.modes))('gives the golden block, exponent %s', (mode, expected) => {
    const exponent = mode.toLowerCase() as 'floor' | 'ceil' | 'rceil';
    const { quantized, values: back } = roundTrip(schemeOf('mxfp4'), block, { exponent });
    expect([...(quantized.parameters.get('scales') ?? [])]).toEqual([expected.e8m0]);
    expect(Array.from(quantized.codes, (code) => e2m1Levels[code])).toEqual(expected.q);
    expect(squaredError(back, values)).toBeCloseTo(expected.mse, 7);
    expect(quantized.bits).toBe(32 * 4.25);
  });

  it('raises the exponent from a mantissa of 1.75 with even', () => {
    const scaleOf = (largest: number) =>
      schemeOf('mxfp4')
        .quantize({ name: 'w', shape: [1], values: Float32Array.of(largest) }, { exponent: 'even' })
        .parameters.get('scales')?.[0];
    expect([1.74, 1.75, 3.4, 3.6].map(scaleOf)).toEqual([125, 126, 126, 127]);
  });

  it('refuses an exponent it does not know', () => {
    expect(() => schemeOf('mxfp4').quantize(block, { exponent: 'up' as 'ceil' })).toThrow(
      'mxfp4: expected exponent among floor, ceil, rceil, even, got up',
    );
  });
});

describe('nvfp4', () => {
  it('gives the golden blocks', () => {
    const { quantized, values: back } = roundTrip(schemeOf('nvfp4'), block);
    expect(quantized.parameters.get('tensorScale')?.[0]).toBeCloseTo(nvfp4.per_tensor, 9);
    const scales = Array.from(quantized.parameters.get('scales') ?? [], (byte) => e4m3Levels[byte]);
    expect(scales).toEqual(nvfp4.blocks.map((one) => one.scale_e4m3));
    expect(Array.from(quantized.codes, (code) => e2m1Levels[code])).toEqual(
      nvfp4.blocks.flatMap(({ q }) => q),
    );
    nvfp4.blocks.forEach(({ mse }, k) => {
      const part = (all: Float32Array) => all.subarray(16 * k, 16 * k + 16);
      expect(squaredError(part(back), part(values))).toBeCloseTo(mse, 7);
    });
    expect(quantized.bits).toBe(32 * 4.5 + 32);
  });
});
