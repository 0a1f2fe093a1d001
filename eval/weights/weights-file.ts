/**
 * Quantized weights as a file, so that they are made once: search and calibration take minutes, and every process of an
 * evaluation needs them. A safetensors file with the packed bytes of every tensor; what it was made from is in its metadata.
 */
import type { ParsedModel } from '../../codec/model/model-file.js';
import { FormatError } from '../../src/errors.js';
import { parseSafetensors, type SafeTensor, serializeSafetensors } from '../../src/io/safetensors.js';
import { parseScheme } from '../../src/weights/index.js';
import { type QuantizedWeights, transformWeights } from './quantized-weights.js';

const kind = 'trellis-codec quantized weights 1';

/** What weights were made from. */
export interface WeightsSource {
  /** Hash of all weights of the model (`weightsHash`). */
  readonly model: string;
  /** Hash of the pictures that a calibrated scheme saw; else absent. */
  readonly calibration?: string;
}

/** The bytes of quantized weights. */
export function serializeWeights({ scheme, tensors }: QuantizedWeights, source: WeightsSource): Uint8Array {
  const own = parseScheme(scheme).scheme;
  const packed = tensors.map((tensor): [string, SafeTensor] => {
    const data = own.pack(tensor) as Uint8Array<ArrayBuffer>;
    return [tensor.name, { dtype: 'U8', shape: [data.length], data }];
  });
  return serializeSafetensors(new Map(packed), { kind, scheme, ...source });
}

/**
 * Quantized weights in such bytes.
 *
 * @param model that they were made from, with the hash of its weights
 * @throws FormatError for other files, and for weights of another model than that hash says
 */
export function parseWeights(bytes: Uint8Array, model: ParsedModel, hash: string): QuantizedWeights {
  const { tensors, metadata } = parseSafetensors(bytes);
  if (metadata.kind !== kind) {
    throw new FormatError(`weights: expected a file of kind "${kind}", got ${metadata.kind ?? 'none'}`);
  }
  if (metadata.model !== hash) {
    throw new FormatError(`weights: expected those of model ${hash}, got ${metadata.model}`);
  }
  const { scheme } = parseScheme(metadata.scheme);
  const unpacked = transformWeights(model).map(([name, shape]) => {
    const tensor = tensors.get(name);
    if (tensor?.dtype !== 'U8') {
      throw new FormatError(`weights: expected ${name} of type U8, got ${tensor?.dtype ?? 'none'}`);
    }
    return scheme.unpack(tensor.data, name, shape);
  });
  return { scheme: metadata.scheme, tensors: unpacked };
}
