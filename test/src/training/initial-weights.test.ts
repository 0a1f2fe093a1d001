/**
 * The weights before the first step: an orthonormal block transform, a synthesis that mirrors the analysis, and blocks
 * that are the identity; so that the untrained network already is a codec.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../../codec/decode.js';
import { encode } from '../../../codec/encode.js';
import { loadModel } from '../../../codec/model/load.js';
import { serializeModel } from '../../../codec/model/model-file.js';
import { entropyTables } from '../../../codec/model/prior-tables.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { lambdaOf, networkConfigs } from '../../../codec/networks/config.js';
import type { ParameterValues } from '../../../codec/networks/parameters.js';
import { patchValues } from '../../../codec/networks/transforms.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { initialLogGains, initialWeights, ratePointTable } from '../../../src/training/initial-weights.js';
import { parameterSpecs } from '../../../src/training/train.js';
import { picture } from '../../golden/pictures.js';

const config = networkConfigs.tiny;
let weights: ParameterValues;
beforeAll(() => {
  weights = initialWeights(parameterSpecs(config), config, 1);
});

const row = (matrix: Float32Array, columns: number, index: number): Float32Array =>
  matrix.subarray(index * columns, (index + 1) * columns);
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, k) => sum + value * b[k], 0);

/** The largest distance of a matrix times its transpose from the identity. */
function distanceFromOrthonormal(matrix: Float32Array, rows: number): number {
  const columns = matrix.length / rows;
  let largest = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      const product = dot(row(matrix, columns, i), row(matrix, columns, j));
      largest = Math.max(largest, Math.abs(product - Number(i === j)));
    }
  }
  return largest;
}

describe('the analysis', () => {
  it.each([
    ['analysis.in.weight', config.channels],
    ['analysis.down.weight', config.deepChannels],
    ['analysis.out.weight', config.latents],
  ])('has orthonormal rows in %s', (name, rows) => {
    expect(distanceFromOrthonormal(weights.get(name)!, rows)).toBeLessThan(1e-5);
  });

  it('keeps luma first: the first row is the mean of the patch', () => {
    const first = row(weights.get('analysis.in.weight')!, patchValues, 0);
    for (const value of first) expect(value).toBeCloseTo(1 / Math.sqrt(patchValues), 6);
  });

  it('is all 192 basis pictures where there is room for them', () => {
    const large = initialWeights(parameterSpecs(networkConfigs.base), networkConfigs.base, 1);
    expect(distanceFromOrthonormal(large.get('analysis.in.weight')!, patchValues)).toBeLessThan(1e-5);
  }, 120_000);
});

describe('the synthesis', () => {
  it.each([
    ['synthesis.out.weight', 'analysis.in.weight', config.channels],
    ['synthesis.up.weight', 'analysis.down.weight', config.deepChannels],
    ['synthesis.in.weight', 'analysis.out.weight', config.latents],
  ])('mirrors the analysis: %s is the transpose of %s', (mirror, original, rows) => {
    const [from, to] = [weights.get(original)!, weights.get(mirror)!];
    const columns = from.length / rows;
    for (let k = 0; k < from.length; k++) {
      expect(to[(k % columns) * rows + Math.floor(k / columns)]).toBe(from[k]);
    }
  });

  it('takes back the gains of the latents, which follow from lambda', () => {
    const [gain, inverse] = [weights.get('rate.analysisLatents')!, weights.get('rate.synthesisLatents')!];
    for (let k = 0; k < gain.length; k++) expect(gain[k] + inverse[k]).toBe(0);
    const logGains = initialLogGains(config);
    expect(logGains).toHaveLength(config.ratePoints);
    const range = logGains[config.ratePoints - 1] - logGains[0];
    expect(range).toBeCloseTo(0.5 * Math.log(lambdaOf(100) / lambdaOf(0)), 10);
    expect(ratePointTable([1, 2], 3)).toEqual(Float32Array.of(1, 1, 1, 2, 2, 2));
  });
});

describe('the rest', () => {
  it('makes every block the identity and every bias zero', () => {
    for (const [name, values] of weights) {
      if (/(join|reduce)\.weight$/.test(name) || name.endsWith('.bias')) {
        expect(
          values.every((value) => value === 0),
          name,
        ).toBe(true);
      }
    }
  });

  it('follows from the seed', () => {
    const specs = parameterSpecs(config);
    expect(initialWeights(specs, config, 1)).toEqual(weights);
    const other = initialWeights(specs, config, 2);
    expect(other.get('context.1.in.weight')).not.toEqual(weights.get('context.1.in.weight'));
    expect(other.get('analysis.in.weight')).toEqual(weights.get('analysis.in.weight'));
  });

  it('is finite everywhere and has the declared sizes', () => {
    for (const [name, { shape }] of parameterSpecs(config)) {
      const values = weights.get(name)!;
      expect(values.length, name).toBe(shape.reduce((product, side) => product * side, 1));
      expect(values.every(Number.isFinite), name).toBe(true);
    }
  });
});

it('the untrained network is a block-transform codec', async () => {
  const parts = { config, card: {}, parameters: weights, tables: entropyTables(config, weights, 0) };
  const model = await loadModel(serializeModel(parts, coderSpecs(config)));
  const image = picture('texture', 192, 128);
  const points = [];
  for (const quality of [20, 60, 100]) {
    const bytes = await encode(image, { model, engine: 'wasm', quality, quantizer: 'round' });
    points.push({ size: bytes.length, psnr: psnr(image, await decode(bytes, { model, engine: 'wasm' })) });
  }
  // 48 of 768 coefficients are kept, so there is a ceiling; a codec made of noise would stay below 15 dB.
  expect(points[0].psnr).toBeGreaterThan(30);
  expect(points[2].psnr).toBeGreaterThan(points[0].psnr + 1);
  expect(points[2].size).toBeGreaterThan(points[0].size);
});
