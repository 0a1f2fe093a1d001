/**
 * What every scheme of the registry promises, at every width: packing loses nothing, bits are counted right, tensors of
 * all kinds work or are refused by name, and results depend on nothing but the input.
 */
import { describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../src/errors.js';
import { blockSchemes } from '../../../src/weights/blocks/block-scheme.js';
import { schemes } from '../../../src/weights/registry.js';
import { distortionOf } from '../../../src/weights/report.js';
import type { Scheme, SchemeOptions, WeightTensor } from '../../../src/weights/scheme.js';
import { congruential, gaussianTensor, roundTrip } from './support.js';

/** Mean of x x^T of inputs whose neighbours are correlated. */
function hessian(columns: number): Float32Array {
  return Float32Array.from(
    { length: columns * columns },
    (_, i) => 0.8 ** Math.abs(Math.floor(i / columns) - (i % columns)),
  );
}

const columnsOf = ({ shape }: WeightTensor): number =>
  shape.length < 2 ? shape.reduce((n, m) => n * m, 1) : shape.slice(1).reduce((n, m) => n * m, 1);

const optionsFor = (scheme: Scheme, bits: number, tensor: WeightTensor): SchemeOptions => ({
  bits,
  ...(scheme.calibrated ? { hessian: hessian(columnsOf(tensor)) } : {}),
});

const all = schemes.flatMap((scheme) => scheme.bitWidths.map((bits) => [scheme.name, bits, scheme] as const));

/** GGUF's blocks: their half-float scales end at 65504, and the ternary ones are for weights that are ternary. */
const blocks = new Set(blockSchemes.map(({ name }) => name));
const ternaryBlocks = new Set(['tq1_0', 'tq2_0', 'q2_0']);
/** Schemes whose constants have a size of their own: HQQ's shrinkage and least range, and scales in half floats. */
const notScaleFree = new Set(['hqq', ...blocks]);
/** Schemes whose bits are a mean that they meet as well as they can. */
const entropyCoded = new Set(['tcq8', 'urq']);
/** Schemes that treat both signs alike, at the given widths or at all of them. */
const symmetric: Readonly<Record<string, readonly number[]>> = {
  ...Object.fromEntries([2, 3, 4, 5, 6, 7, 8].map((bits) => [`int${bits}`, [bits]])),
  fp4: [4],
  mxfp4: [4],
  nvfp4: [4],
  bitnet: [1.58],
  bitshift: [2, 3, 4],
  paretoq: [1, 1.58],
  dqt: [1.58],
};

const scaled = (tensor: WeightTensor, factor: number): WeightTensor => ({
  ...tensor,
  values: tensor.values.map((value) => value * factor),
});

describe.each(all)('%s, %f bits', (_name, bits, scheme) => {
  const tensor = gaussianTensor(6, 83, 11);
  const trip = (weights: WeightTensor) => roundTrip(scheme, weights, optionsFor(scheme, bits, weights));
  const { quantized, bytes, values } = trip(tensor);

  it('unpacks what lies anywhere in a Buffer', () => {
    const buffer = Buffer.concat([Buffer.alloc(3, 0xff), bytes]).subarray(3);
    expect(scheme.dequantize(scheme.unpack(buffer, tensor.name, tensor.shape))).toEqual(values);
  });

  it('packs without loss', () => {
    expect(values).toEqual(scheme.dequantize(quantized));
    const again = scheme.unpack(bytes, tensor.name, tensor.shape);
    expect(again.codes).toEqual(quantized.codes);
    expect(again.bits).toBe(quantized.bits);
    expect(scheme.pack(again)).toEqual(bytes);
  });

  it('counts the bits that it packs', () => {
    const unused = bytes.length * 8 - quantized.bits;
    expect(unused).toBeGreaterThanOrEqual(0);
    expect(unused).toBeLessThan(8 * 4);
    const least = entropyCoded.has(scheme.name) ? 0.98 * bits : Math.min(bits, 1.5);
    expect(quantized.bits / tensor.values.length).toBeGreaterThanOrEqual(least);
  });

  it('comes near the weights', () => {
    const least = bits < 2 || ternaryBlocks.has(scheme.name) ? 1 : bits < 3 ? 2.5 : 4;
    expect(distortionOf(tensor.values, values).sqnr).toBeGreaterThan(least);
  });

  it('gives equal bytes for equal weights, and leaves those alone', () => {
    const before = tensor.values.slice();
    expect(trip({ ...tensor, values: tensor.values.slice() }).bytes).toEqual(bytes);
    expect(tensor.values).toEqual(before);
  });

  it.skipIf(notScaleFree.has(scheme.name))('multiplies with powers of two', () => {
    for (const factor of [2 ** -20, 2, 2 ** 30]) {
      expect(trip(scaled(tensor, factor)).values).toEqual(values.map((value) => value * factor));
    }
  });

  it.runIf(symmetric[scheme.name]?.includes(bits))('treats both signs alike', () => {
    const mirrored = trip(scaled(tensor, -1)).values;
    expect(mirrored.map((value) => value + 0)).toEqual(values.map((value) => -value + 0));
  });

  it('keeps zeros finite and nearly zero', () => {
    for (const zero of [0, -0]) {
      const back = trip({ name: 'z', shape: [2, 40], values: new Float32Array(80).fill(zero) }).values;
      for (const value of back) expect(Math.abs(value)).toBe(0);
    }
  });

  it('takes single weights, vectors, filters and empty tensors', () => {
    for (const shape of [[], [1], [70], [3, 1], [4, 2, 3, 3], [1, 33], [0], [0, 5], [5, 0]]) {
      const count = shape.reduce((n, m) => n * m, 1);
      const weights = { name: 'w', shape, values: gaussianTensor(1, count, 4).values };
      const back = trip(weights).values;
      expect(back.length).toBe(count);
      expect(back.every(Number.isFinite)).toBe(true);
    }
  });

  it('survives an outlier and denormals', () => {
    const largest = blocks.has(scheme.name) ? 6e4 : 1e6;
    const outlier = { ...tensor, values: tensor.values.map((value, i) => (i === 7 ? largest : value)) };
    const back = trip(outlier).values;
    expect(back.every(Number.isFinite)).toBe(true);
    const denormals = scaled(tensor, 2 ** -140);
    const small = trip(denormals).values;
    const most = denormals.values.reduce((one, value) => Math.max(one, Math.abs(value)), 0);
    for (const value of small) expect(Math.abs(value)).toBeLessThanOrEqual(8 * most);
  });

  it('refuses what is not finite, with the name of the tensor', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const weights = { name: 'layer.7', shape: [2], values: Float32Array.of(1, bad) };
      const quantize = () => scheme.quantize(weights, optionsFor(scheme, bits, weights));
      expect(quantize).toThrow(UsageError);
      expect(quantize).toThrow('layer.7');
    }
    const short = { name: 'layer.7', shape: [3], values: Float32Array.of(1) };
    expect(() => scheme.quantize(short, optionsFor(scheme, bits, short))).toThrow('layer.7');
  });

  it('refuses bytes of another length', () => {
    for (const wrong of [bytes.subarray(0, bytes.length - 1), bytes.subarray(0, 3), new Uint8Array(0)]) {
      expect(() => scheme.unpack(wrong, 'w', tensor.shape)).toThrow(FormatError);
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(() => scheme.unpack(longer, 'w', tensor.shape)).toThrow(FormatError);
  });

  it('reads damaged bytes as finite weights or refuses them', () => {
    const uniform = congruential(12);
    for (let turn = 0; turn < 60; turn++) {
      const damaged = bytes.slice();
      for (let k = 0; k <= turn % 3; k++) {
        // Early bytes are headers and scales more often than chance would have it.
        const at = Math.floor(uniform() ** 3 * damaged.length);
        damaged[at] = Math.floor(uniform() * 256);
      }
      try {
        const back = scheme.dequantize(scheme.unpack(damaged, 'w', tensor.shape));
        expect(back.length).toBe(tensor.values.length);
        expect(back.some(Number.isNaN)).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
  });

  it('refuses options that it does not have', () => {
    expect(() => scheme.quantize(tensor, { bits: 9 })).toThrow(UsageError);
  });
});

/** Schemes whose scale comes from the largest magnitude give weights back that they have given. */
const idempotent = all.filter(([name]) => /^(int\d|fp4|nf4|mxfp4)$/.test(name));

describe.each(idempotent)('%s', (_name, bits, scheme) => {
  it('keeps its own weights', () => {
    const tensor = gaussianTensor(5, 96, 2);
    const once = roundTrip(scheme, tensor, { bits }).values;
    const twice = roundTrip(scheme, { ...tensor, values: once }, { bits }).values;
    expect(twice).toEqual(once);
  });
});
