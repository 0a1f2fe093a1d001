/**
 * Engines and threads: a file decodes to the same latents on every engine with any number of threads (the decoder
 * compares them with the file's checksums), and to pixels that differ by one level at most. Files of one engine decode on
 * the other. Encoders may choose differently by rounding, but not visibly.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeWithReport } from '../../codec/decode.js';
import { encodeWithReport } from '../../codec/encode.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { createTransformEngine, type EngineName, SizeCache } from '../../codec/transform-engine.js';
import { UsageError } from '../../src/errors.js';
import { psnr } from '../../src/metrics/psnr.js';
import { tinyModel } from '../golden/cases.js';
import { largestDifference, picture } from '../golden/pictures.js';

let model: ParsedModel;
beforeAll(async () => {
  model = await tinyModel();
});

const image = picture('mixed', 210, 150);
const ways: [engine: EngineName, threads: number][] = [
  ['wasm', 1],
  ['wasm', 2],
  ['onnxruntime', 1],
  ['onnxruntime', 2],
  ['auto', 0],
];

describe.each(['wasm', 'onnxruntime'] as const)('a file made with %s', (maker) => {
  it.each([
    [0, 'rdoq'],
    [64, 'rdoq'],
    [128, 'rdoq'],
    [0, 'tcq8'],
    [64, 'tcq8'],
    [128, 'tcq8'],
    [0, 'tcq4'],
    [64, 'tcq16'],
    [128, 'tcq32'],
    [0, 'tcq64'],
  ])('and tiles of %d with %s decodes alike everywhere', async (tileSide, quantizer) => {
    const options = { model, engine: maker, threads: 1, tileSide, quality: 70, quantizer };
    const { bytes, engine } = await encodeWithReport(image, options);
    expect(engine).toBe(maker);
    const decoded = [];
    for (const [name, threads] of ways) {
      decoded.push(await decodeWithReport(bytes, { model, engine: name, threads }));
    }
    const [reference] = decoded;
    for (const { image: other, latentsChecksum, engine: used } of decoded) {
      expect(latentsChecksum).toBe(reference.latentsChecksum);
      expect(['wasm', 'onnxruntime']).toContain(used);
      expect(largestDifference(other, reference.image)).toBeLessThanOrEqual(1);
    }
    expect(decoded[1].image.data).toEqual(reference.image.data);
  });
});

it('engines encode to nearly the same size and quality', async () => {
  const results = [];
  for (const engine of ['wasm', 'onnxruntime'] as const) {
    const { bytes } = await encodeWithReport(image, { model, engine, threads: 1 });
    const decoded = await decodeWithReport(bytes, { model, engine: 'wasm' });
    results.push({ size: bytes.length, psnr: psnr(image, decoded.image) });
  }
  expect(Math.abs(results[0].size / results[1].size - 1)).toBeLessThan(0.01);
  expect(Math.abs(results[0].psnr - results[1].psnr)).toBeLessThan(0.05);
});

describe('createTransformEngine', () => {
  it('refuses unknown engines', async () => {
    await expect(createTransformEngine(model, 'gpu' as EngineName, 0)).rejects.toBeInstanceOf(UsageError);
  });
});

describe('SizeCache', () => {
  it('makes a thing once per size and forgets the one not used for longest', () => {
    const made: string[] = [];
    const cache = new SizeCache(2, (height, width) => {
      made.push(`${height}x${width}`);
      return made.length;
    });
    expect([cache.get(1, 2), cache.get(2, 1), cache.get(1, 2)]).toEqual([1, 2, 1]);
    cache.get(3, 3);
    expect(cache.get(1, 2)).toBe(1);
    expect(cache.get(2, 1)).toBe(4);
    expect(made).toEqual(['1x2', '2x1', '3x3', '2x1']);
  });
});
