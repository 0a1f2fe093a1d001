/** Whole numbers: hand-checked codes, packed form, search. */
import { describe, expect, it } from 'vitest';
import { schemeOf } from '../../../../src/weights/registry.js';
import { distortionOf } from '../../../../src/weights/report.js';
import { gaussianTensor, roundTrip } from '../support.js';

const tensor = { name: 'w', shape: [2, 3], values: Float32Array.of(7, -3.5, 2.5, -14, 1, 0) };

describe('int4', () => {
  it('divides by the largest magnitude / 7 and rounds half to even', () => {
    const { quantized, values } = roundTrip(schemeOf('int4'), tensor, { granularity: 'row' });
    expect([...quantized.codes]).toEqual([15, 4, 10, 1, 8, 8]);
    expect([...values]).toEqual([7, -4, 2, -14, 0, 0]);
  });

  it('keeps header, scales and codes, and counts their bits', () => {
    const { quantized, bytes } = roundTrip(schemeOf('int4'), tensor, { granularity: 'row' });
    // 5 bytes of header, a byte of exponent, 2 half floats, 6 codes of 4 bits.
    expect(quantized.bits).toBe(40 + 8 + 32 + 24);
    expect(bytes.length * 8).toBe(quantized.bits);
    expect([...bytes.subarray(0, 5)]).toEqual([0x80, 255, 255, 255, 255]);
    expect([...bytes.subarray(10)]).toEqual([0x4f, 0x1a, 0x88]);
  });

  it('finds a better scale than the largest weight gives', () => {
    const gaussian = gaussianTensor(4, 4096);
    const sqnr = (search: boolean) =>
      distortionOf(
        gaussian.values,
        roundTrip(schemeOf('int4'), gaussian, { granularity: 'row', search }).values,
      ).sqnr;
    expect(sqnr(true)).toBeGreaterThan(sqnr(false) + 2.5);
  });
});

describe('int4-asym', () => {
  it('has a zero that comes back exactly, and both ends', () => {
    const weights = { name: 'w', shape: [4], values: Float32Array.of(-1, 0, 2, 0.4) };
    const { quantized, values } = roundTrip(schemeOf('int4-asym'), weights, { scales: 'float32' });
    expect([...quantized.codes]).toEqual([0, 5, 15, 7]);
    expect(values[1]).toBe(0);
    expect(values[0]).toBeCloseTo(-1, 6);
    expect(values[2]).toBeCloseTo(2, 6);
  });

  it('holds 0 in ranges that do not', () => {
    const weights = { name: 'w', shape: [2], values: Float32Array.of(5, 10) };
    const { quantized } = roundTrip(schemeOf('int8-asym'), weights);
    expect([...(quantized.parameters.get('zeros') ?? [])]).toEqual([0]);
    expect([...quantized.codes]).toEqual([128, 255]);
  });
});
