/**
 * Parameters that a model file has as streams of trellis-coded levels (weight-stream.ts) instead of half floats: weights of
 * the transforms, which need not be exact. A tensor NAME.stream of bytes then stands for the tensor NAME.
 *
 * Invariants: what a stream decodes to is the same on every machine, so files with streams have ids as others do. A stream
 * is decoded when somebody asks for its values: a decoder of pictures needs half of them, and they take longer than a small
 * picture.
 */
import { FormatError } from '../../src/errors.js';
import { type Shape, sizeOf } from '../../src/graph/index.js';
import type { SafeTensor } from '../../src/io/safetensors.js';
import type { TableSet } from '../entropy/index.js';
import { readWeightStream, weightsOfLevels } from './weight-stream.js';

/** A stream with the values that it decodes to. */
export class CodedParameter {
  readonly bytes: Uint8Array;
  readonly #decode: () => Float32Array;
  #values: Float32Array | undefined;

  constructor(name: string, shape: Shape, bytes: Uint8Array, tables: TableSet) {
    this.bytes = bytes;
    this.#decode = () => weightsOfLevels(readWeightStream(bytes, shape[0], sizeOf(shape), tables, name));
  }

  /**
   * The values, decoded when they are first asked for.
   *
   * @throws FormatError for a stream that is not one of as many values as the shape has
   */
  get values(): Float32Array {
    this.#values ??= this.#decode();
    return this.#values;
  }
}

/** Streams of a model, with the tables that all are coded with: two for each scale index of a row. */
export interface CodedParameters {
  readonly tables: TableSet;
  readonly streams: ReadonlyMap<string, CodedParameter>;
}

/** Parameters of which some are streams: a map, made empty, that decodes them when they are asked for. Iterating decodes all. */
export class PartlyCodedParameters extends Map<string, Float32Array> {
  readonly #waiting = new Map<string, CodedParameter>();

  /** Puts a stream in the place of a parameter. */
  setCoded(name: string, coded: CodedParameter): void {
    super.set(name, new Float32Array(0));
    this.#waiting.set(name, coded);
  }

  override get(name: string): Float32Array | undefined {
    const coded = this.#waiting.get(name);
    if (coded) this.set(name, coded.values);
    return super.get(name);
  }

  override set(name: string, values: Float32Array): this {
    this.#waiting.delete(name);
    return super.set(name, values);
  }

  override delete(name: string): boolean {
    this.#waiting.delete(name);
    return super.delete(name);
  }

  override clear(): void {
    this.#waiting.clear();
    super.clear();
  }

  #decodeAll(): void {
    for (const name of [...this.#waiting.keys()]) this.get(name);
  }

  override entries(): MapIterator<[string, Float32Array]> {
    this.#decodeAll();
    return super.entries();
  }

  override values(): MapIterator<Float32Array> {
    this.#decodeAll();
    return super.values();
  }

  override forEach(use: Parameters<Map<string, Float32Array>['forEach']>[0], receiver?: unknown): void {
    this.#decodeAll();
    super.forEach(use, receiver);
  }

  override [Symbol.iterator](): MapIterator<[string, Float32Array]> {
    return this.entries();
  }
}

const suffix = '.stream';

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
 * The streams among the tensors of a file, for parameters that may be streams.
 *
 * @param tables that the streams are coded with
 * @throws FormatError for a stream that is no tensor of bytes, or stands beside the tensor itself
 */
export function codedParameters(
  tensors: ReadonlyMap<string, SafeTensor>,
  specs: ReadonlyMap<string, { readonly shape: Shape }>,
  tables: TableSet,
): CodedParameters {
  if (tables.count % 2 !== 0 || tables.count === 0) {
    throw new FormatError(`model: expected pairs of tables for the streams, got ${tables.count} tables`);
  }
  const streams = new Map<string, CodedParameter>();
  for (const [name, { shape }] of specs) {
    const tensor = isTransformWeight(name) ? tensors.get(streamName(name)) : undefined;
    if (!tensor) continue;
    if (tensor.dtype !== 'U8' || tensors.has(name)) {
      const got = tensors.has(name) ? 'both' : tensor.dtype;
      throw new FormatError(`model: expected ${name} or its stream of type U8, got ${got}`);
    }
    streams.set(name, new CodedParameter(name, shape, tensor.data, tables));
  }
  return { tables, streams };
}
