/** GGUF's block types against bytes that ggml made (test/golden/weights/ggml-blocks*.json); their noise is in sqnr.test.ts. */
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

describe.each(blockSchemes.map((scheme) => [scheme.name, scheme] as const))('scheme %s', (name, scheme) => {
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
