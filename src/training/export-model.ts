/** From a training run to a model file: averaged weights, rounded to what the file stores, and tables made from those. */
import { type ModelParts, serializeModel } from '../../codec/model/model-file.js';
import { entropyTables } from '../../codec/model/prior-tables.js';
import { coderSpecs } from '../../codec/networks/coder-graphs.js';
import type { Checkpoint } from './checkpoint.js';
import { averagedWeights } from './train.js';

/** Latents whose scale index is below this are not coded (deviation under 0.15 steps). */
const firstCoded = 3;

/** Bytes of a model file made from a checkpoint. @param card free text by key; steps and options are added. */
export function exportModel(checkpoint: Checkpoint, card: Readonly<Record<string, string>>): Uint8Array {
  const { config, options, step } = checkpoint;
  const parameters = averagedWeights(checkpoint.state);
  const parts: ModelParts = {
    config,
    card: { ...card, steps: String(step), training: JSON.stringify(options) },
    parameters,
    tables: entropyTables(config, parameters, firstCoded),
  };
  return serializeModel(parts, coderSpecs(config));
}
