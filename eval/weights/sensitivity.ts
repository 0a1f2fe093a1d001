/**
 * How much decoded pictures suffer from errors of each tensor of weights, and bits that go by it: what errs where it shows
 * gets more bits, at the same number in sum.
 *
 * Sensitivity of a tensor: the rise of the pictures' squared error, relative to what coding leaves, for a relative squared
 * error of its weights of 1. It is measured by coding pictures with that tensor alone quantized to 3 bits. Rises of several
 * tensors add up nearly, and a bit quarters a squared error, so that the sum is least where every tensor has half the
 * binary logarithm of its sensitivity per weight on top of a common number of bits.
 */
import { decode } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { UsageError } from '../../src/errors.js';
import { sizeOf } from '../../src/graph/index.js';
import type { Image } from '../../src/io/index.js';
import { mse } from '../../src/metrics/psnr.js';
import { distortionOf, schemeOf } from '../../src/weights/index.js';
import { transformWeights, withWeights } from './quantized-weights.js';

/** Sensitivities by the name of the weights. */
export type Sensitivities = ReadonlyMap<string, number>;

/** Bits that a tensor is quantized to while its sensitivity is measured: few enough for its errors to show. */
const probeBits = 3;
/** The quality of the pictures. */
const probeQuality = 50;
/** Fewest and most bits of a tensor. */
const [fewest, most] = [1, 10];

/**
 * Measures the sensitivities of all weights of a model's transforms: one coding of every picture for each of them.
 *
 * @param images crops of 192 pixels are large enough
 * @param onTensor called for every tensor that is done
 * @throws UsageError for no images
 * @example
 * const sensitivities = await measureSensitivities(model, [photograph]);
 */
export async function measureSensitivities(
  model: ParsedModel,
  images: readonly Image[],
  onTensor: (name: string) => void = () => {},
): Promise<Sensitivities> {
  if (images.length === 0) throw new UsageError('sensitivity: expected at least one picture, got none');
  const coded = async (one: ParsedModel, image: Image): Promise<Image> => {
    const options = { model: one, engine: 'wasm', threads: 1 } as const;
    const bytes = await encode(image, { ...options, quality: probeQuality, quantizer: 'round' });
    return decode(bytes, options);
  };
  const before: Image[] = [];
  for (const image of images) before.push(await coded(model, image));
  const scheme = schemeOf('tcq8');
  const found = new Map<string, number>();
  for (const [name, shape] of transformWeights(model)) {
    const values = model.parameters.get(name)!;
    const back = scheme.dequantize(scheme.quantize({ name, shape, values }, { bits: probeBits }));
    const probed = withWeights(model, new Map([[name, back]]));
    let rise = 0;
    for (const [n, image] of images.entries()) {
      rise += mse(before[n], await coded(probed, image)) / Math.max(1, mse(image, before[n]));
    }
    const error = distortionOf(values, back).relativeError ** 2;
    found.set(name, error > 0 ? rise / images.length / error : 0);
    onTensor(name);
  }
  return found;
}

/**
 * Bits per weight of every tensor, 1 to 10, whose mean over all weights is the wanted one.
 *
 * @param bits mean bits per weight
 * @throws UsageError for a tensor without a sensitivity
 * @example
 * packModel(model, allocateBits(model, sensitivities, 4));
 */
export function allocateBits(
  model: ParsedModel,
  sensitivities: Sensitivities,
  bits: number,
): ReadonlyMap<string, number> {
  const tensors = transformWeights(model).map(([name, shape]) => {
    const sensitivity = sensitivities.get(name);
    if (sensitivity === undefined)
      throw new UsageError(`tensor ${name}: expected a sensitivity of its weights, got none`);
    const weights = sizeOf(shape);
    return { name, weights, share: 0.5 * Math.log2(Math.max(1e-9, sensitivity) / weights) };
  });
  const total = tensors.reduce((sum, { weights }) => sum + weights, 0);
  const at = (common: number): Map<string, number> =>
    new Map(tensors.map(({ name, share }) => [name, Math.min(most, Math.max(fewest, common + share))]));
  // The mean rises with the common number: by bisection, from all the fewest to all the most.
  let [low, high] = [-64, 64];
  for (let i = 0; i < 60; i++) {
    const common = (low + high) / 2;
    const found = at(common);
    const mean = tensors.reduce((sum, { name, weights }) => sum + found.get(name)! * weights, 0) / total;
    if (mean < bits) low = common;
    else high = common;
  }
  return at(high);
}
