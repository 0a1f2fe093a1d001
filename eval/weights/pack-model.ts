/**
 * Model files whose weights of the transforms are trellis-coded streams (codec/model/coded-parameters.ts): a third of the
 * size and the same networks but for rounding. Biases, tables and the entropy networks are those of the model.
 */
import { CodedParameter } from '../../codec/model/coded-parameters.js';
import { type ParsedModel, serializeModel } from '../../codec/model/model-file.js';
import { coderSpecs } from '../../codec/networks/coder-graphs.js';
import { schemeOf } from '../../src/weights/index.js';
import { transformWeights } from './quantized-weights.js';

/**
 * A model file with streams.
 *
 * @param bits per weight of each tensor that is packed, headers included: one number, or one for each (sensitivity.ts)
 * @throws UsageError for bits that the scheme tcq8 does not offer
 * @example
 * const bytes = packModel(model, 6);
 */
export function packModel(model: ParsedModel, bits: number | ReadonlyMap<string, number>): Uint8Array {
  const scheme = schemeOf('tcq8');
  const coded = transformWeights(model).map(([name, shape]) => {
    const values = model.parameters.get(name)!;
    const own = typeof bits === 'number' ? bits : bits.get(name);
    const stream = scheme.pack(scheme.quantize({ name, shape, values }, { bits: own }));
    return [name, new CodedParameter(name, shape, stream)] as const;
  });
  const streams = new Map(coded);
  const parameters = new Map(model.parameters);
  for (const [name, { values }] of streams) parameters.set(name, values);
  return serializeModel({ ...model, parameters, coded: streams }, coderSpecs(model.config));
}
