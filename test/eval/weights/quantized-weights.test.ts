/**
 * A model with quantized weights: what is quantized and what stays exact, that it decodes its own files and no others', that
 * sizes add up, and that weights in a file are the same weights.
 */
import { describe, expect, it } from 'vitest';
import { decodeWithReport } from '../../../codec/decode.js';
import { encodeWithReport } from '../../../codec/encode.js';
import { loadModel } from '../../../codec/model/load.js';
import { isEncoderOnly, serializeModel } from '../../../codec/model/model-file.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { weightsHash } from '../../../eval/codecs.js';
import { calibrate } from '../../../eval/weights/calibrate.js';
import {
  dequantizedWeights,
  quantizeWeights,
  transformWeights,
  weightsFacts,
  withWeights,
} from '../../../eval/weights/quantized-weights.js';
import { parseWeights, serializeWeights } from '../../../eval/weights/weights-file.js';
import { CodecError, FormatError, UsageError } from '../../../src/errors.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { samplePicture, tinyModelPath } from '../pictures.js';

const model = await loadModel(tinyModelPath);
const { image } = samplePicture(128, 'crop.png');
const hessians = calibrate(model, [image], { qualities: [30, 70] });
const options = { quality: 60, quantizer: 'rdoq', engine: 'wasm', threads: 1, metadata: false } as const;

/** Squared error of a layer's outputs for the inputs that it was calibrated with. */
function outputError(name: string, columns: number, weights: Float32Array): number {
  const before = model.parameters.get(name)!;
  const hessian = hessians.get(name)!;
  let error = 0;
  const difference = weights.map((weight, k) => weight - before[k]);
  for (let row = 0; row < weights.length; row += columns) {
    for (let i = 0; i < columns; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += difference[row + j] * hessian[i * columns + j];
      error += difference[row + i] * sum;
    }
  }
  return error;
}

describe('calibrate', () => {
  it('sees the inputs of every layer of the transforms', () => {
    expect([...hessians.keys()].sort()).toEqual(transformWeights(model).map(([name]) => name));
    for (const [name, [rows, ...columns]] of transformWeights(model)) {
      const width = columns.reduce((product, extent) => product * extent, 1);
      const hessian = hessians.get(name)!;
      expect([name, hessian.length]).toEqual([name, width * width]);
      expect(rows).toBeGreaterThan(0);
      for (let i = 0; i < width; i++) {
        expect(hessian[i * width + i]).toBeGreaterThanOrEqual(0);
        expect(hessian[i * width]).toBe(hessian[i]);
      }
    }
  });

  it('gives the first layer the moments of the picture', () => {
    const first = hessians.get('analysis.in.weight')!;
    let energy = 0;
    for (const value of image.data) energy += (value / 255 - 0.5) ** 2;
    const trace = Array.from({ length: 192 }, (_, i) => first[i * 193]).reduce((sum, x) => sum + x, 0);
    expect(trace).toBeCloseTo((energy * 64) / (128 * 128), 3);
  });

  it('refuses to go without pictures', () => {
    expect(() => calibrate(model, [])).toThrow(UsageError);
    expect(() => quantizeWeights(model, 'gptq:4')).toThrow(/gptq:4: expected pictures to calibrate with/);
  });
});

describe('quantized weights', () => {
  it('are those of the transforms; all else stays as it is', () => {
    const small = withWeights(model, dequantizedWeights(quantizeWeights(model, 'int4')));
    const changed = [...model.parameters.keys()].filter(
      (name) => small.parameters.get(name) !== model.parameters.get(name),
    );
    expect(changed.sort()).toEqual(transformWeights(model).map(([name]) => name));
    expect(changed.some((name) => /^(context|hyperSynthesis|prior|rate)|bias$/.test(name))).toBe(false);
    expect(small.tables).toBe(model.tables);
    expect(small.id).toMatch(/^[0-9a-f]{16}$/);
    expect(small.id).not.toBe(model.id);
  });

  it('have ids of what decoders use', () => {
    const weights = dequantizedWeights(quantizeWeights(model, 'int8'));
    const { id } = withWeights(model, weights);
    const change = (name: string): string => {
      const values = weights.get(name)!.slice();
      values[0] += 1;
      return withWeights(model, new Map([...weights, [name, values]])).id;
    };
    expect(change('analysis.in.weight')).toBe(id);
    expect(change('synthesis.out.weight')).not.toBe(id);
  });

  it.each([
    ['int8', 0.3],
    ['nf4', 4],
    ['mxfp4', 14],
    ['gptq:4', 3],
    ['tcq8:4', 3],
  ] as const)('of %s code pictures, at most %d dB worse', async (scheme, loss) => {
    const quantized = quantizeWeights(model, scheme, hessians);
    const small = withWeights(model, dequantizedWeights(quantized));
    const own = await encodeWithReport(image, { ...options, model: small });
    const { image: decoded } = await decodeWithReport(own.bytes, {
      model: small,
      engine: 'wasm',
      threads: 1,
    });
    const full = await encodeWithReport(image, { ...options, model });
    const { image: reference } = await decodeWithReport(full.bytes, { model, engine: 'wasm', threads: 1 });
    expect(psnr(image, decoded)).toBeGreaterThan(psnr(image, reference) - loss);
    expect(psnr(decoded, reference)).toBeLessThan(70);
    for (const [bytes, other] of [
      [own.bytes, model],
      [full.bytes, small],
    ] as const) {
      await expect(decodeWithReport(bytes, { model: other, engine: 'wasm', threads: 1 })).rejects.toThrow(
        CodecError,
      );
    }
  });

  it('have sizes that add up', () => {
    const quantized = quantizeWeights(model, 'int8');
    const { decoder, whole, full, sqnr } = weightsFacts(
      model,
      quantized,
      dequantizedWeights(quantized),
      'tiny rdoq',
    );
    const bitsOf = (isPart: (name: string) => boolean): number =>
      quantized.tensors.filter(({ name }) => isPart(name)).reduce((sum, { bits }) => sum + bits, 0);
    expect(whole.weights * whole.bitsPerWeight).toBeCloseTo(bitsOf(() => true));
    expect(decoder.weights * decoder.bitsPerWeight).toBeCloseTo(bitsOf((name) => !isEncoderOnly(name)));
    expect(full.whole.bitsPerWeight).toBe(16);
    expect(full.whole.bytes).toBe(serializeModel(model, coderSpecs(model.config)).length);
    const saved = quantized.tensors.map(({ shape, bits }) => {
      return 2 * shape.reduce((product, extent) => product * extent, 1) - Math.ceil(bits / 8);
    });
    expect(full.whole.bytes - whole.bytes).toBe(saved.reduce((sum, bytes) => sum + bytes, 0));
    expect(decoder.bytes).toBeLessThan(whole.bytes);
    expect(decoder.bitsPerParameter).toBeGreaterThan(decoder.bitsPerWeight);
    expect(sqnr).toBeGreaterThan(35);
  });

  it('are nearer in what layers make of pictures where GPTQ chose them, at equal bits', () => {
    // Groups of 128 columns, and rows of fewer, have scales in both.
    const [nearest, chosen] = ['int4::128', 'gptq-sym:4:128'].map((scheme) =>
      quantizeWeights(model, scheme, hessians),
    );
    const bits = [nearest, chosen].map(({ tensors }) => tensors.reduce((sum, one) => sum + one.bits, 0));
    expect(Math.abs(bits[1] / bits[0] - 1)).toBeLessThan(0.01);
    const errors = [nearest, chosen].map((quantized) => {
      const weights = dequantizedWeights(quantized);
      return transformWeights(model).map(([name, shape]) => {
        const columns = weights.get(name)!.length / shape[0];
        return outputError(name, columns, weights.get(name)!);
      });
    });
    const better = errors[0].filter((error, n) => errors[1][n] < error).length;
    expect(better / errors[0].length).toBeGreaterThan(0.8);
    const ratio = errors[0].map((error, n) => Math.log(errors[1][n] / error));
    const mean = Math.exp(ratio.reduce((sum, x) => sum + x, 0) / ratio.length);
    console.log(`output error of gptq-sym:4 against int4: ${mean.toFixed(3)} (geometric mean of layers)`);
    expect(mean).toBeLessThan(0.8);
  });
});

describe('a file of quantized weights', () => {
  const hash = weightsHash(model);

  it.each(['int4', 'paretoq:3', 'hqq:4', 'tcq8:3'])('gives %s back', (scheme) => {
    const quantized = quantizeWeights(model, scheme);
    const bytes = serializeWeights(quantized, { model: hash });
    const read = parseWeights(bytes, model, hash);
    expect(read.scheme).toBe(scheme);
    expect(dequantizedWeights(read)).toEqual(dequantizedWeights(quantized));
    expect(read.tensors.map(({ bits }) => bits)).toEqual(quantized.tensors.map(({ bits }) => bits));
  });

  it('is refused for another model, and where it is another file', () => {
    const bytes = serializeWeights(quantizeWeights(model, 'int8'), { model: hash });
    expect(() => parseWeights(bytes, model, 'other')).toThrow(/expected those of model other/);
    expect(() => parseWeights(bytes.subarray(0, 500), model, hash)).toThrow(FormatError);
    const file = serializeModel(model, coderSpecs(model.config));
    expect(() => parseWeights(file, model, hash)).toThrow(/expected a file of kind/);
  });
});
