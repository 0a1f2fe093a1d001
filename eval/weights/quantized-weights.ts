/**
 * A model's own weights, quantized: schemes of src/weights applied to the weights of its transforms (analysis,
 * hyper-analysis, synthesis). Biases, tables of the rates and the entropy networks, which have to be exact, stay as they are.
 *
 * A model with quantized weights is a model with an id of its own: encoder and decoder both work with the values that come
 * back, and files of the one are refused by the other.
 */
import { createHash } from 'node:crypto';
import { isTransformWeight } from '../../codec/model/coded-parameters.js';
import { isEncoderOnly, type ParsedModel, serializeModel } from '../../codec/model/model-file.js';
import { coderSpecs } from '../../codec/networks/coder-graphs.js';
import { UsageError } from '../../src/errors.js';
import { sizeOf } from '../../src/graph/index.js';
import { parseSafetensorsHeader } from '../../src/io/safetensors.js';
import { parseScheme, type QuantizedTensor, schemeOf } from '../../src/weights/index.js';
import type { WeightsFacts, WeightsSize } from '../evaluation.js';
import type { Hessians } from './calibrate.js';

/** Quantized weights of a model. */
export interface QuantizedWeights {
  /** As it was asked for: `gptq:4`. */
  readonly scheme: string;
  readonly tensors: readonly QuantizedTensor[];
}

/** Names and shapes of what is quantized, in the order of names. */
export function transformWeights({ config }: ParsedModel): [string, readonly number[]][] {
  const specs = coderSpecs(config);
  const names = [...specs.keys()].filter(isTransformWeight).sort();
  return names.map((name) => [name, specs.get(name)!.shape]);
}

/**
 * Quantizes the weights of a model's transforms.
 *
 * @param text name:bits:granularity of a scheme, as parseScheme takes it
 * @param hessians for calibrated schemes (calibrate.ts)
 * @throws UsageError for an unknown scheme, and for a calibrated one without second moments
 * @example
 * const { tensors } = quantizeWeights(model, 'int4');
 */
export function quantizeWeights(model: ParsedModel, text: string, hessians?: Hessians): QuantizedWeights {
  const { scheme, options } = parseScheme(text);
  if (scheme.calibrated && !hessians) {
    throw new UsageError(`${text}: expected pictures to calibrate with, got none`);
  }
  const tensors = transformWeights(model).map(([name, shape]) => {
    const hessian = scheme.calibrated ? hessians?.get(name) : undefined;
    return scheme.quantize(
      { name, shape, values: model.parameters.get(name)! },
      { ...options, ...(hessian && { hessian }) },
    );
  });
  return { scheme: text, tensors };
}

/** Values that come back, by name. */
export function dequantizedWeights({ tensors }: QuantizedWeights): Map<string, Float32Array> {
  return new Map(tensors.map((tensor) => [tensor.name, schemeOf(tensor.scheme).dequantize(tensor)]));
}

/**
 * The model with these weights. Its id is over that of the model and the weights that decoders use.
 *
 * @example
 * const small = withWeights(model, dequantizedWeights(quantizeWeights(model, 'tcq8:4')));
 */
export function withWeights(model: ParsedModel, weights: ReadonlyMap<string, Float32Array>): ParsedModel {
  const hash = createHash('sha256').update(model.id);
  for (const name of [...weights.keys()].sort()) {
    if (isEncoderOnly(name)) continue;
    const { buffer, byteOffset, byteLength } = weights.get(name)!;
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const { coded: _, ...rest } = model;
  return {
    ...rest,
    parameters: new Map([...model.parameters, ...weights]),
    id: hash.digest('hex').slice(0, 16),
  };
}

/** Sizes of what a part of the codec needs, with weights quantized (bits by name) or in half precision. */
function sizeOfPart(
  model: ParsedModel,
  bits: ReadonlyMap<string, number>,
  isPart: (name: string) => boolean,
): WeightsSize {
  const { coded: _, ...plain } = model;
  const specs = coderSpecs(model.config);
  const { entries, dataOffset } = parseSafetensorsHeader(serializeModel(plain, specs));
  let [weights, weightBits, parameters, parameterBits, bytes] = [0, 0, 0, 0, dataOffset];
  for (const { name, begin, end } of entries) {
    if (!isPart(name)) continue;
    const own = bits.get(name) ?? 8 * (end - begin);
    bytes += Math.ceil(own / 8);
    const spec = specs.get(name);
    if (!spec) continue;
    parameters += sizeOf(spec.shape);
    parameterBits += own;
    if (!isTransformWeight(name)) continue;
    weights += sizeOf(spec.shape);
    weightBits += own;
  }
  return {
    weights,
    bitsPerWeight: weightBits / weights,
    parameters,
    bitsPerParameter: parameterBits / parameters,
    bytes,
  };
}

const sizes = (model: ParsedModel, bits: ReadonlyMap<string, number>) => ({
  decoder: sizeOfPart(model, bits, (name) => !isEncoderOnly(name)),
  whole: sizeOfPart(model, bits, () => true),
});

/** Signal to quantization noise of all weights that `isPart` takes, in decibels. */
function signalToNoise(
  model: ParsedModel,
  weights: ReadonlyMap<string, Float32Array>,
  isPart: (name: string) => boolean,
): number {
  let [signal, noise] = [0, 0];
  for (const [name, after] of weights) {
    if (!isPart(name)) continue;
    const before = model.parameters.get(name)!;
    for (let i = 0; i < after.length; i++) {
      signal += before[i] * before[i];
      noise += (before[i] - after[i]) ** 2;
    }
  }
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}

/**
 * What there is to know of quantized weights.
 *
 * @param reference name of the codec that has the weights as they were
 */
export function weightsFacts(
  model: ParsedModel,
  quantized: QuantizedWeights,
  weights: ReadonlyMap<string, Float32Array>,
  reference: string,
): WeightsFacts {
  return {
    scheme: quantized.scheme,
    reference,
    sqnr: signalToNoise(model, weights, (name) => !isEncoderOnly(name)),
    ...sizes(model, new Map(quantized.tensors.map(({ name, bits }) => [name, bits]))),
    full: sizes(model, new Map()),
  };
}
