/**
 * Model files whose weights of the transforms are trellis-coded streams (codec/model/coded-parameters.ts): a third of the
 * size and the same networks but for rounding. Biases, tables and the entropy networks are those of the model.
 */
import { CodedParameter } from '../../codec/model/coded-parameters.js';
import { type ParsedModel, serializeModel } from '../../codec/model/model-file.js';
import { writeWeightStream } from '../../codec/model/weight-stream.js';
import { coderSpecs } from '../../codec/networks/coder-graphs.js';
import { codeWeights } from './code-weights.js';
import { transformWeights } from './quantized-weights.js';

/**
 * A model file with streams.
 *
 * @param bits of a weight's level in each tensor, 1 to 10: one number, or one for each (sensitivity.ts); scales of rows come to that
 * @throws UsageError for bits that no step gives
 * @example
 * const bytes = packModel(model, 6);
 */
export function packModel(model: ParsedModel, bits: number | ReadonlyMap<string, number>): Uint8Array {
  const shapes = new Map(transformWeights(model));
  const { tables, levels } = codeWeights(
    [...shapes].map(([name, shape]) => ({
      name,
      rows: shape[0],
      values: model.parameters.get(name)!,
      bits: typeof bits === 'number' ? bits : bits.get(name)!,
    })),
  );
  const parameters = new Map(model.parameters);
  const streams = new Map<string, CodedParameter>();
  for (const [name, found] of levels) {
    const stream = new CodedParameter(name, shapes.get(name)!, writeWeightStream(found, tables), tables);
    streams.set(name, stream);
    parameters.set(name, stream.values);
  }
  return serializeModel({ ...model, parameters, coded: { tables, streams } }, coderSpecs(model.config));
}
