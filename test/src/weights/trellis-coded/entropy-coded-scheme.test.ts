/** The schemes tcq8 and urq: what every quantizer must pass, wanted bits, and noise that theory expects. */
import { describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../../src/errors.js';
import { schemeOf } from '../../../../src/weights/registry.js';
import type { WeightTensor } from '../../../../src/weights/scheme.js';
import { roundTrip } from '../support.js';
import { gapOf, normal, Random, sumsOfTwelve } from './support.js';

const tensorOf = (values: Float32Array | readonly number[], shape?: readonly number[]): WeightTensor => ({
  name: 'layer.weight',
  shape: shape ?? [values.length],
  values: Float32Array.from(values),
});

const errorBetween = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, n) => sum + (value - b[n]) ** 2, 0) / a.length;

describe.each(['tcq8', 'urq'])('%s', (name) => {
  const scheme = schemeOf(name);

  it('gives the same values after packing, in as many bits as it says', () => {
    const tensor = tensorOf(normal(6000, 51), [20, 3, 10, 10]);
    for (const options of [{}, { bits: 1.5 }, { step: 0.3 }, { step: 0.01, lagrangian: 0 }, { step: 5 }]) {
      const { quantized, bytes, values } = roundTrip(scheme, tensor, options);
      expect(values).toEqual(scheme.dequantize(quantized));
      expect(8 * bytes.length).toBe(quantized.bits);
      expect(quantized.shape).toEqual([20, 3, 10, 10]);
      expect(scheme.unpack(bytes, tensor.name, tensor.shape)).toEqual(quantized);
    }
  });

  it('meets any number of bits per weight within half a percent', () => {
    const random = new Random(52);
    // Rows of different sizes, and a few large weights.
    const uneven = Float32Array.from(
      { length: 16000 },
      (_, n) => (n % 997 ? 1 : 8) * 2 ** (n / 3200) * random.normal(),
    );
    for (const [values, bits] of [
      [normal(12000, 53), 0.5],
      [normal(12000, 53), 2],
      [normal(12000, 53), 3.33],
      [uneven, 1],
      [uneven, 6],
    ] as const) {
      const quantized = scheme.quantize(tensorOf(values), { bits });
      // Below one bit, the bits of so few weights jump as the step moves.
      expect(Math.abs(quantized.bits / values.length / bits - 1)).toBeLessThan(bits < 1 ? 0.02 : 0.005);
    }
  });

  it('scales with its weights, exactly, by powers of two', () => {
    const tensor = tensorOf(sumsOfTwelve(3000, 54));
    const scaled = tensorOf(tensor.values.map((value) => value / 1024));
    const plain = roundTrip(scheme, tensor, { bits: 2 });
    const small = roundTrip(scheme, scaled, { bits: 2 });
    expect(small.values).toEqual(plain.values.map((value) => value / 1024));
    expect(small.bytes.subarray(4)).toEqual(plain.bytes.subarray(4));
  });

  it('returns weights that lie on its grid', () => {
    const { values, quantized } = roundTrip(scheme, tensorOf(normal(3000, 55)), { bits: 3 });
    const step = (quantized.parameters.get('step') as Float32Array)[0];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    const again = roundTrip(scheme, tensorOf(values), { step: step / deviation, lagrangian: 0 });
    expect((again.quantized.parameters.get('step') as Float32Array)[0]).toBe(step);
    expect(again.values).toEqual(values);
  });

  it('takes tensors of all kinds', () => {
    const shapes: [Float32Array | number[], number[]][] = [
      [[], [0]],
      [[], [0, 5]],
      [[0.3], []],
      [[-7], [1, 1]],
      [
        [0, 0, -0, 0],
        [2, 2],
      ],
      [[2.5, 2.5, 2.5], [3]],
      [[1e-40, -3e-41, 2e-45], [3]],
      [[3.4e38, -3.4028234663852886e38, 1e38], [3]],
      [Float32Array.from({ length: 300 }, (_, n) => (n === 17 ? 1e6 : Math.sin(n))), [300]],
      [Float32Array.from({ length: 64 }, () => -0), [64]],
    ];
    for (const [values, shape] of shapes) {
      const tensor = tensorOf(values, shape);
      for (const options of [{ bits: 4 }, { step: 0.1 }]) {
        const { quantized, bytes, values: back } = roundTrip(scheme, tensor, options);
        expect(back.length).toBe(tensor.values.length);
        expect(back.every(Number.isFinite)).toBe(true);
        expect(8 * bytes.length).toBe(quantized.bits);
        const largest = Math.max(0, ...tensor.values.map(Math.abs));
        for (let n = 0; n < back.length; n++) {
          expect(Math.abs(back[n] - tensor.values[n])).toBeLessThanOrEqual(largest);
        }
      }
    }
    expect(roundTrip(scheme, tensorOf([0, 0, 0])).values.every((value) => value === 0)).toBe(true);
  });

  it('refuses what makes no sense, by name', () => {
    const tensor = tensorOf([1, 2, 3]);
    const refusal = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
        return (error as Error).message;
      }
      return 'nothing';
    };
    expect(refusal(() => scheme.quantize(tensorOf([1, Number.NaN])))).toBe(
      'tensor layer.weight: expected finite weights, got NaN at 1',
    );
    expect(refusal(() => scheme.quantize(tensor, { bits: 0 }))).toBe(
      `${name}: expected bits from 0.05 to 8, got 0`,
    );
    expect(refusal(() => scheme.quantize(tensor, { step: 0 }))).toMatch(/expected step from .* got 0$/);
    expect(refusal(() => scheme.quantize(tensor, { lagrangian: -1 }))).toMatch(/expected lagrangian from 0/);
    expect(refusal(() => scheme.quantize(tensor, { step: 1, bits: 2 }))).toBe(
      `${name}: expected bits or step, got both`,
    );
    expect(refusal(() => scheme.quantize(tensor, { seed: 1 }))).toMatch(/got seed$/);
    expect(refusal(() => scheme.quantize(tensor, { importance: Float32Array.of(1, -1, 1) }))).toMatch(
      /importance of tensor layer.weight/,
    );
    const other = schemeOf(name === 'urq' ? 'tcq8' : 'urq').quantize(tensor);
    expect(refusal(() => scheme.dequantize(other))).toMatch(/^tensor layer.weight: expected one of scheme /);
    expect(refusal(() => scheme.pack(other))).toMatch(/^tensor layer.weight: expected one of scheme /);
  });

  it('refuses damaged bytes with a typed error, or decodes other weights', () => {
    const random = new Random(56);
    const tensor = tensorOf(normal(200, 57));
    const { bytes } = roundTrip(scheme, tensor, { bits: 3 });
    for (let round = 0; round < 500; round++) {
      const damaged = round % 3 ? bytes.slice() : bytes.slice(0, random.below(bytes.length));
      if (round % 3) damaged[random.below(damaged.length)] ^= 1 << random.below(8);
      try {
        const values = scheme.dequantize(scheme.unpack(damaged, tensor.name, tensor.shape));
        expect(values.every(Number.isFinite)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
    expect(() => scheme.unpack(bytes.slice(0, 4), 'w', [200])).toThrow(FormatError);
    expect(() => scheme.unpack(bytes, 'w', [150])).toThrow(FormatError);
    const withoutStep = bytes.slice();
    withoutStep.fill(0, 0, 4);
    expect(() => scheme.unpack(withoutStep, 'w', [200])).toThrow(
      `Expected a finite step above 0 for tensor w of scheme ${name}, got 0`,
    );
  });

  it('counts the errors of important weights more', () => {
    const tensor = tensorOf(normal(6000, 58));
    const importance = Float32Array.from(tensor.values, (_, n) => (n < 3000 ? 9 : 1));
    const { values } = roundTrip(scheme, tensor, { step: 0.8, importance });
    const first = errorBetween(tensor.values.subarray(0, 3000), values.subarray(0, 3000));
    const second = errorBetween(tensor.values.subarray(3000), values.subarray(3000));
    expect(first).toBeLessThan(0.8 * second);
  });
});

describe('on normal weights', () => {
  // Measured 0.64 to 0.80 and 1.57 to 1.70 dB; the least for 8 states at ideal rates are 0.65 to 0.77, and 1.53 without a trellis.
  it.each([1.3, 2, 3, 4])('at %f bits per weight noise is near what 8 states allow', (bits) => {
    const tensor = tensorOf(normal(1 << 15, 59));
    const gaps = ['tcq8', 'urq'].map((name) => {
      const { quantized, values } = roundTrip(schemeOf(name), tensor, { bits });
      return gapOf(errorBetween(tensor.values, values), quantized.bits / values.length);
    });
    expect(gaps[0]).toBeLessThan(0.9);
    expect(gaps[0]).toBeGreaterThan(0.6);
    expect(gaps[1]).toBeLessThan(1.8);
    expect(gaps[1] - gaps[0]).toBeGreaterThan(0.7);
  });
});
