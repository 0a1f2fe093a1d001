/**
 * Refinement: the engines' gradients against finite differences of the decoder, files that are better by what training
 * minimises, on pictures of one tile and of several, and refused options.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { coderOf } from '../../codec/coder.js';
import { decode } from '../../codec/decode.js';
import { type EncodeOptions, encode, encodeWithReport } from '../../codec/encode.js';
import { loadModel } from '../../codec/model/load.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { ratePointOf } from '../../codec/model/rate-point.js';
import { type CoderGraph, decoderGraph, errorGradientGraph } from '../../codec/networks/coder-graphs.js';
import { contextPasses, lambdaOf, networkConfigs } from '../../codec/networks/config.js';
import * as refinement from '../../codec/refinement.js';
import type { WeightedPicture } from '../../codec/transform-engine.js';
import { UsageError } from '../../src/errors.js';
import { totalMacs } from '../../src/graph/complexity.js';
import { createImage, type Image } from '../../src/io/image.js';
import { readImage } from '../../src/io/index.js';
import { Random } from '../../src/training/random.js';
import { examplesOf, runExample } from '../examples.js';
import { tinyModel } from '../golden/cases.js';
import { picture } from '../golden/pictures.js';

const samplePath = new URL('../../assets/sample.png', import.meta.url);

let model: ParsedModel;
beforeAll(async () => {
  model = await tinyModel();
});

const uniform = (random: Random, length: number, scale: number): Float32Array =>
  Float32Array.from({ length }, () => scale * (random.uniform() - 0.5));

describe('the gradient of the squared error', () => {
  const [height, width] = [64, 128];
  const halfError = (decoded: Float32Array, { planes, weights }: WeightedPicture): number =>
    decoded.reduce((sum, value, n) => sum + (weights[n % weights.length] * (value - planes[n]) ** 2) / 2, 0);

  it.each(['wasm', 'onnxruntime'] as const)('is what finite differences say, on %s', async (engine) => {
    const { transforms } = await coderOf(model, engine, 1);
    const rate = ratePointOf(model, 60);
    const random = Random.of(7);
    const size = (model.config.latents * height * width) / 32 ** 2;
    const passes = Array.from({ length: contextPasses }, () => uniform(random, size, 8));
    const wished = {
      planes: uniform(random, 3 * height * width, 1).map((value) => value + 0.5),
      weights: uniform(random, height * width, 2).map(Math.abs),
    };
    // The model has hardly been trained: what its blocks at 1/16 would add is less than the tolerance.
    const gradients = await transforms.errorGradient(passes, wished, height, width, rate);
    expect(gradients.map(({ length }) => length)).toEqual(passes.map(({ length }) => length));
    // Along random directions: the sum over all latents of gradient times step.
    for (let trial = 0; trial < 4; trial++) {
      const direction = passes.map(() => uniform(random, size, 1));
      const at = async (distance: number): Promise<number> => {
        const moved = passes.map((values, pass) =>
          values.map((value, n) => value + distance * direction[pass][n]),
        );
        return halfError(await transforms.synthesise(moved, height, width, rate), wished);
      };
      const slope = ((await at(0.05)) - (await at(-0.05))) / 0.1;
      const expected = gradients.reduce(
        (sum, values, pass) => sum + values.reduce((part, value, n) => part + value * direction[pass][n], 0),
        0,
      );
      expect(slope).toBeCloseTo(expected, 1);
      expect(Math.abs(slope - expected) / (1 + Math.abs(expected))).toBeLessThan(0.02);
    }
  });

  it('costs another decoding without the blocks at 1/16, which the way back takes for the identity', () => {
    const macs = ({ outputs }: CoderGraph): number => totalMacs(Object.values(outputs));
    const { base } = networkConfigs;
    const decoding = macs(decoderGraph(base, 64, 64));
    const withoutDeepBlocks = macs(decoderGraph({ ...base, deepBlocks: 0 }, 64, 64));
    expect(macs(errorGradientGraph(base, 64, 64))).toBe(decoding + withoutDeepBlocks);
  });

  it('is the same on both engines but for rounding', async () => {
    const random = Random.of(8);
    const size = (model.config.latents * height * width) / 32 ** 2;
    const passes = Array.from({ length: contextPasses }, () => uniform(random, size, 8));
    const wished = {
      planes: uniform(random, 3 * height * width, 1),
      weights: new Float32Array(height * width).fill(1),
    };
    const [wasm, onnx] = await Promise.all(
      (['wasm', 'onnxruntime'] as const).map(async (engine) => {
        const { transforms } = await coderOf(model, engine, 1);
        return transforms.errorGradient(passes, wished, height, width, ratePointOf(model, 60));
      }),
    );
    wasm.forEach((values, pass) => {
      for (let n = 0; n < values.length; n++) expect(values[n]).toBeCloseTo(onnx[pass][n], 3);
    });
  });
});

it('goes part of the way from the targets to where the error is least', () => {
  const [targets] = refinement.refinedTargets(
    [Float32Array.of(1, 1)],
    [Float32Array.of(2, 2)],
    [Float32Array.of(0, 1e-4)],
    50,
    0.25,
  );
  expect(targets[0]).toBeCloseTo(1.25, 6);
  // Bits of a squared error of one in a latent: 6 / ln 2.
  const step = (2 * lambdaOf(50) * 255 ** 2 * 1e-4) / 3 / (2 * (6 / Math.LN2));
  expect(targets[1]).toBeCloseTo(1.25 - 0.25 * step, 6);
});

describe('refined files of a photograph', () => {
  const quality = 92;
  let base: ParsedModel;
  let image: Image;
  let wide: Image;

  beforeAll(async () => {
    base = await loadModel('base');
    const whole = await readImage(await readFile(samplePath));
    image = centre(whole.image, 256, 192);
    wide = centre(whole.image, 512, 384);
  });

  /** Bits per pixel that training would pay for the file, its distortion included. */
  async function cost(of: Image, options: EncodeOptions): Promise<number> {
    const bytes = await encode(of, { model: base, quality, ...options });
    const decoded = await decode(bytes, { model: base });
    const squares = decoded.data.reduce((sum, value, k) => sum + (value - of.data[k]) ** 2, 0);
    const pixels = of.width * of.height;
    return (lambdaOf(quality) * squares) / of.data.length + (8 * bytes.length) / pixels;
  }

  it.each([
    ['rdoq', 0],
    ['tcq8', 0],
    ['tcq64', 0],
    ['tcq8', 128],
  ])('by %s with tiles of %d cost less, and less again', async (quantizer, tileSide) => {
    const costs = [];
    for (const refinements of [0, 1, 4]) costs.push(await cost(image, { quantizer, tileSide, refinements }));
    expect(costs[1]).toBeLessThan(0.995 * costs[0]);
    expect(costs[2]).toBeLessThan(costs[1]);
  });

  it('cost less in gray, too', async () => {
    // The smaller centre is nearly flat in gray: 2,400 bytes, of which refinement changes one in a thousand by chance.
    const gray: Image = { ...wide, channels: 1, data: wide.data.filter((_, k) => k % 3 === 1) };
    const plain = await cost(gray, { refinements: 0 });
    expect(await cost(gray, { refinements: 2 })).toBeLessThan(0.99 * plain);
  });

  it('have dearer bits than others, unless their price is given', async () => {
    const options = { model: base, quality, quantizer: 'tcq8', refinements: 1 };
    const { lagrangian } = base.tables.quantizers.get('tcq8')!;
    const refined = await encodeWithReport(image, options);
    expect(refined.lagrangian).toBeCloseTo(refinement.refinedPrice * lagrangian, 6);
    expect((await encodeWithReport(image, { ...options, refinements: 0 })).lagrangian).toBe(lagrangian);
    const cheaper = await encodeWithReport(image, { ...options, lagrangian });
    expect(cheaper.lagrangian).toBe(lagrangian);
    expect(cheaper.bytes.length).toBeGreaterThan(refined.bytes.length);
  });

  it('are the same bytes in every run on one engine', async () => {
    const options = { model: base, engine: 'wasm', quality, refinements: 2 } as const;
    const once = await encode(image, options);
    expect(await encode(image, options)).toEqual(once);
    expect(await encode(image, { ...options, refinements: 0 })).not.toEqual(once);
  });
});

it.each(examplesOf(readFileSync(new URL('../../codec/refinement.ts', import.meta.url), 'utf8')))(
  'example: %s',
  (example) => runExample(example, refinement),
);

describe('options', () => {
  const image = picture('texture', 70, 40);

  it('have refinements of their own beside those of the effort', async () => {
    const report = await encodeWithReport(image, { model, effort: 9 });
    expect(report).toMatchObject({ quantizer: 'tcq1024', refinements: 2 });
    expect(report.seconds.refinement).toBeGreaterThan(0);
    const named = await encodeWithReport(image, { model, effort: 9, quantizer: 'tcq8' });
    expect(named).toMatchObject({ quantizer: 'tcq8', refinements: 0 });
    const both = await encodeWithReport(image, { model, quantizer: 'tcq8', refinements: 3 });
    expect(both).toMatchObject({ quantizer: 'tcq8', refinements: 3 });
    expect(await encodeWithReport(image, { model, effort: 9, refinements: 0 })).toMatchObject({
      quantizer: 'tcq1024',
      refinements: 0,
    });
  });

  it.each([-1, 0.5, 65, Number.NaN])('refuse %d refinements', async (refinements) => {
    const encoding = encode(image, { model, refinements });
    await expect(encoding).rejects.toBeInstanceOf(UsageError);
    await expect(encoding).rejects.toThrow(
      `refinements: expected a whole number from 0 to 64, got ${refinements}`,
    );
  });
});

function centre({ width, height, data }: Image, newWidth: number, newHeight: number): Image {
  const [left, top] = [(width - newWidth) >> 1, (height - newHeight) >> 1];
  const samples = new Uint8Array(3 * newWidth * newHeight);
  for (let y = 0; y < newHeight; y++) {
    const start = 3 * ((top + y) * width + left);
    samples.set(data.subarray(start, start + 3 * newWidth), 3 * y * newWidth);
  }
  return createImage(newWidth, newHeight, 3, samples);
}
