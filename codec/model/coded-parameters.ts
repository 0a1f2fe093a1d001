/**
 * Parameters that a model file has as streams of trellis-coded levels (trellis/stream) instead of half floats: weights of
 * the transforms, which need not be exact. A tensor NAME.tcq8 of bytes then stands for the tensor NAME.
 *
 * Invariant: what a stream decodes to is the same on every machine, so files with streams have ids as others do.
 */
import { FormatError } from '../../src/errors.js';
import { type Shape, sizeOf } from '../../src/graph/index.js';
import type { SafeTensor } from '../../src/io/safetensors.js';
import { readSteppedLevels, valuesOfLevels } from '../../trellis/stream/index.js';

/** A stream with the values that it decodes to. */
export interface CodedParameter {
  readonly bytes: Uint8Array;
  readonly values: Float32Array;
}

const suffix = '.tcq8';

/** The name of the tensor that has a parameter's stream. */
export const streamName = (name: string): string => `${name}${suffix}`;

/** Whether a name is that of a stream. */
export const isStreamName = (name: string): boolean => name.endsWith(suffix);

/**
 * Whether a parameter is a weight of the transforms (analysis, hyper-analysis, synthesis): one that may be changed a little
 * without a decoder and an encoder that disagree. Biases are few and stay as they are.
 *
 * @example
 * ['synthesis.out.weight', 'synthesis.out.bias', 'context.0.in.weight'].map(isTransformWeight); // => [true, false, false]
 */
export function isTransformWeight(name: string): boolean {
  return /^(analysis|hyperAnalysis|synthesis)\..*\.weight$/.test(name);
}

/**
 * A parameter's stream, decoded.
 *
 * @throws FormatError for a stream that is not one of as many values as the shape has
 */
export function decodeParameter(name: string, shape: Shape, bytes: Uint8Array): CodedParameter {
  const levels = readSteppedLevels(bytes, sizeOf(shape), `parameter ${name}`);
  return { bytes, values: valuesOfLevels(levels) };
}

/**
 * The streams among the tensors of a file, for parameters that may be streams.
 *
 * @throws FormatError for a stream that is no tensor of bytes, or stands beside the tensor itself; as `decodeParameter`
 */
export function decodeParameters(
  tensors: ReadonlyMap<string, SafeTensor>,
  specs: ReadonlyMap<string, { readonly shape: Shape }>,
): Map<string, CodedParameter> {
  const coded = new Map<string, CodedParameter>();
  for (const [name, { shape }] of specs) {
    const tensor = isTransformWeight(name) ? tensors.get(streamName(name)) : undefined;
    if (!tensor) continue;
    if (tensor.dtype !== 'U8' || tensors.has(name)) {
      const got = tensors.has(name) ? 'both' : tensor.dtype;
      throw new FormatError(`model: expected ${name} or its stream of type U8, got ${got}`);
    }
    coded.set(name, decodeParameter(name, shape, tensor.data));
  }
  return coded;
}
