/** GGUF's block types against bytes that ggml made (test/golden/weights/ggml-blocks*.json) and against their known quality. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../../src/errors.js';
import {
  blockSchemes,
  blockTypeOfScheme,
  decodeBlocks,
} from '../../../../src/weights/blocks/block-scheme.js';
import { blockTypes } from '../../../../src/weights/blocks/index.js';

interface Golden {
  readonly x: readonly number[];
  readonly types: Readonly<Record<string, { hex: string; dequant_first16: readonly number[]; mse: number }>>;
}

const golden = (name: string): Golden =>
  JSON.parse(readFileSync(new URL(`../../../golden/weights/${name}`, import.meta.url), 'utf8'));
const plain = golden('ggml-blocks.json');
const weighted = golden('ggml-blocks-imatrix.json');
const inputs = Float32Array.from(plain.x);
const importance = Float32Array.from({ length: 256 }, (_, i) => 1 + ((7 * i) % 5) * 0.5);

const entryOf = ({ types }: Golden, name: string) =>
  Object.entries(types).find(([key]) => key.toUpperCase() === name)?.[1];

/** Normal numbers of standard deviation 0.02 from an LCG, by Box and Muller. */
function gaussian(count: number, seed = 1): Float32Array {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) + 0.5) / 2 ** 24;
  };
  return Float32Array.from(
    { length: count },
    () => 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

function signalToNoise(x: Float32Array, y: Float32Array): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < x.length; i++) {
    signal += x[i] ** 2;
    noise += (x[i] - y[i]) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

describe.each(blockTypes.map((type) => [type.name, type] as const))('%s', (name, type) => {
  const entry = entryOf(plain, name)!;

  it('is written as ggml writes it, byte for byte', () => {
    const row = inputs.slice(0, 256);
    const bytes = new Uint8Array((256 / type.length) * type.bytes);
    type.encode(row, undefined, bytes);
    expect(Buffer.from(bytes).toString('hex')).toBe(entry.hex);
  });

  it.runIf(entryOf(weighted, name))('and with an importance of every weight', () => {
    const row = inputs.slice(0, 256);
    const bytes = new Uint8Array((256 / type.length) * type.bytes);
    type.encode(row, importance, bytes);
    expect(Buffer.from(bytes).toString('hex')).toBe(entryOf(weighted, name)!.hex);
  });

  it('is read as ggml reads it', () => {
    const values = new Float32Array(256);
    type.decode(Buffer.from(entry.hex, 'hex'), values);
    expect([...values.slice(0, 16)]).toEqual(entry.dequant_first16);
    const error = values.reduce((sum, value, i) => sum + (value - inputs[i]) ** 2, 0) / 256;
    expect(error / entry.mse).toBeCloseTo(1, 5);
  });
});

/** Signal to noise in dB on Gaussian weights, without and with an importance of 1 for every weight. */
const quality: Readonly<Record<string, readonly [number, number?]>> = {
  q4_0: [21.32, 21.77],
  q4_1: [22.14],
  q5_0: [27.38],
  q5_1: [28.44],
  q8_0: [45.42],
  q2_k: [10.55, 11.44],
  q3_k: [16.43, 16.8],
  q4_k: [22.93, 23.01],
  q5_k: [28.84, 29.03],
  q6_k: [35.01, 35.22],
  tq1_0: [1.85],
  tq2_0: [1.85],
  iq4_nl: [22.37],
  iq4_xs: [22.3, 22.43],
  mxfp4_gguf: [18.86],
  nvfp4_gguf: [19.72],
  q1_0: [4.43],
  q2_0: [2.87],
};

describe.each(blockSchemes.map((scheme) => [scheme.name, scheme] as const))('scheme %s', (name, scheme) => {
  it('has its known quality on Gaussian weights', () => {
    const shape = [64, 4096];
    const values = gaussian(64 * 4096);
    const [expected, withImportance] = quality[name];
    const quantized = scheme.quantize({ name: 'w', shape, values });
    expect(quantized.bits / values.length).toBe(scheme.bitWidths[0]);
    const measured = signalToNoise(values, scheme.dequantize(quantized));
    expect(Math.abs(measured - expected), `${measured}`).toBeLessThan(0.05);
    if (withImportance === undefined) return;
    const ones = new Float32Array(values.length).fill(1);
    const second = scheme.dequantize(scheme.quantize({ name: 'w', shape, values }, { importance: ones }));
    expect(Math.abs(signalToNoise(values, second) - withImportance)).toBeLessThan(0.05);
  });

  it.each([[[3, 100]], [[5]], [[]], [[2, 3, 40]], [[0, 7]], [[1, 256]]])('packs a shape of %j', (shape) => {
    const count = shape.reduce((product, side) => product * side, 1);
    const quantized = scheme.quantize({ name: 'w', shape, values: gaussian(count) });
    const bytes = scheme.pack(quantized);
    expect(8 * bytes.length).toBe(quantized.bits);
    const values = scheme.dequantize(scheme.unpack(bytes, 'w', shape));
    expect(values).toEqual(scheme.dequantize(quantized));
    expect(values.length).toBe(count);
    expect(() => scheme.unpack(new Uint8Array(bytes.length + 1), 'w', shape)).toThrow(FormatError);
  });

  it('scales with powers of two, and keeps zeros and the smallest numbers finite', () => {
    const values = gaussian(512).map((value) => value * 12.5);
    const at = (factor: number) =>
      scheme.dequantize(
        scheme.quantize({ name: 'w', shape: [2, 256], values: values.map((v) => v * factor) }),
      );
    if (name !== 'nvfp4_gguf') expect(at(4)).toEqual(at(1).map((value) => value * 4));
    for (const factor of [0, 1e-44, 1e-38, 1e-20, 65504 / 2]) {
      expect(at(factor).every(Number.isFinite), `${factor}`).toBe(true);
    }
    expect(at(0).every((value) => value === 0)).toBe(true);
  });

  it('refuses what it cannot hold, with the name of the tensor', () => {
    const refuse = (bad: number) => () =>
      scheme.quantize({ name: 'layer.weight', shape: [2], values: Float32Array.of(1, bad) });
    expect(refuse(Number.NaN)).toThrow(/layer\.weight: expected finite weights, got NaN at 1/);
    expect(refuse(Number.NEGATIVE_INFINITY)).toThrow(UsageError);
    if (name !== 'mxfp4_gguf')
      expect(refuse(65536)).toThrow(/layer\.weight: expected magnitudes up to 65504.*got 65536/);
    expect(() => scheme.quantize({ name: 'w', shape: [1], values: Float32Array.of(1) }, { bits: 7 })).toThrow(
      /7$/,
    );
  });

  it('is found by its name', () => {
    expect(decodeBlocks(blockTypeOfScheme(name)!, new Uint8Array(0), [0])).toEqual(new Float32Array(0));
  });
});
