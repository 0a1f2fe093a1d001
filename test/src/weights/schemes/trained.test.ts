/** Schemes that stand for a training: bit-shift, BitNet, DQT and signed binary against golden vectors. */
import { describe, expect, it } from 'vitest';
import { schemeOf } from '../../../../src/weights/registry.js';
import { shiftRound } from '../../../../src/weights/schemes/bit-shift.js';
import { directGrid, roundStochastically, stepOnGrid } from '../../../../src/weights/schemes/direct.js';
import { signedBinaryCost } from '../../../../src/weights/signed-binary-cost.js';
import { congruential, gaussianTensor, golden, roundTrip, tensorOf } from '../support.js';

describe('bitshift', () => {
  const { bitshift } = golden<{ bitshift: { x: number[]; hard: number[] } }>('misc_examples');

  it('gives the golden levels', () => {
    expect(bitshift.x.map((x) => shiftRound(x, 3))).toEqual(bitshift.hard);
  });

  it.each([2, 3, 4])('gives 0 or signed powers of two only, %i bits', (bits) => {
    const { values } = roundTrip(schemeOf('bitshift'), gaussianTensor(16, 64), { bits });
    const exponents = new Set(
      Array.from(
        values.filter((value) => value !== 0),
        (value) => Math.log2(Math.abs(value)),
      ),
    );
    expect([...exponents].every(Number.isInteger)).toBe(true);
    expect(exponents.size).toBeLessThanOrEqual(2 ** (bits - 1) - 1);
    expect(exponents.size).toBeGreaterThanOrEqual(Math.min(3, 2 ** (bits - 1) - 1));
  });
});

describe('bitnet', () => {
  it('rounds multiples of the mean magnitude', () => {
    const tensor = { name: 'w', shape: [2, 2], values: Float32Array.of(3, -1.2, 0.9, -2.9) };
    expect([...roundTrip(schemeOf('bitnet'), tensor).values]).toEqual([2, -2, 0, -2]);
  });
});

describe('dqt', () => {
  const one = golden<Record<string, number[][]>>('dqt');
  const names = { 1.58: 'tern', 2: 'b2', 3: 'b3', 4: 'b4', 8: 'b8' };

  it.each(Object.entries(names))('starts on the golden grid, %s bits', (bits, name) => {
    const { values } = roundTrip(schemeOf('dqt'), tensorOf(one.w), { bits: Number(bits), scales: 'float32' });
    expect([...values]).toEqual(one[name].flat().map((value) => expect.closeTo(value, 6)));
  });

  it.each([
    [1.58, 'tern'],
    [3, 'b3'],
  ] as const)('takes the golden random step, %f bits', (bits, name) => {
    const grid = directGrid(bits);
    const before = one[name].flat();
    const step = Math.max(...before) / grid.high;
    const draws = one.rand.flat();
    const after = before.map(
      (weight, i) => step * roundStochastically(weight + one.delta.flat()[i], step, grid, draws[i]),
    );
    const expected = one[name === 'tern' ? 'sr_tern' : 'sr_b3'].flat();
    expect(after).toEqual(expected.map((value) => expect.closeTo(value, 6)));
  });

  it('keeps the mean: 1e5 draws within four deviations', () => {
    const uniform = congruential(5);
    const grid = { low: -100, high: 100 };
    for (const value of [2.3, -1.75, 0.01]) {
      let sum = 0;
      for (let draw = 0; draw < 1e5; draw++) sum += roundStochastically(value, 1, grid, uniform());
      const fraction = value - Math.floor(value);
      const deviation = Math.sqrt((fraction * (1 - fraction)) / 1e5);
      expect(Math.abs(sum / 1e5 - value)).toBeLessThan(4 * deviation);
    }
    expect([0, 0.5, 0.999].map((draw) => roundStochastically(3, 1, grid, draw))).toEqual([3, 3, 3]);
  });

  it('rounds as its seed says', () => {
    const { values } = gaussianTensor(1, 200);
    const grid = directGrid(3);
    expect(stepOnGrid(values, 0.5, grid, 1)).toEqual(stepOnGrid(values, 0.5, grid, 1));
    expect(stepOnGrid(values, 0.5, grid, 1)).not.toEqual(stepOnGrid(values, 0.5, grid, 2));
    expect(Math.max(...stepOnGrid(values, 0.5, grid, 1))).toBe(3);
    const codes = (seed?: number) => [
      ...schemeOf('dqt').quantize(gaussianTensor(4, 50), { bits: 3, search: true, seed }).codes,
    ];
    expect(codes(1)).toEqual(codes(1));
    expect(codes(1)).not.toEqual(codes(2));
    expect(codes()).not.toEqual(codes(1));
  });
});

describe('signed-binary', () => {
  const { W, y } = golden<{ W: number[][][][]; y: number[][][][] }>('plum');
  const tensor = tensorOf(W.map((filter) => filter.flat(2)));

  it('gives the golden signs', () => {
    const { quantized, values } = roundTrip(schemeOf('signed-binary'), tensor);
    const expected = y.flat(3);
    expect([...quantized.codes]).toEqual(expected.map(Math.abs));
    expect(Array.from(values, Math.sign)).toEqual(expected);
  });

  it('scales each filter by the mean of what is left', () => {
    const { values } = roundTrip(schemeOf('signed-binary'), tensor);
    expect(values[0]).toBeCloseTo((0.9 + 0.046) / 2, 3);
    expect(values[13]).toBeCloseTo(-1.2, 3);
  });

  it('costs additions for distinct patterns only', () => {
    const codes = Uint8Array.of(1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0);
    // Four filters of four weights in tiles of two: 11 twice and 11 again on the right, of 8 tiles.
    expect(signedBinaryCost(codes, 4, 2)).toEqual({
      density: 0.5,
      repetition: 1 - 2 / 8,
      additions: 1 + 1 + 1,
      denseOperations: 16,
    });
    expect(() => signedBinaryCost(codes, 3)).toThrow('expected filters that divide 16 codes, got 3');
    expect(() => signedBinaryCost(codes, 4, 17)).toThrow('expected tiles of 1 to 16 weights, got 17');
  });
});
