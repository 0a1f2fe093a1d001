/**
 * A model made ready to code with: its exact entropy model and its transforms on one engine. Made once and used for many
 * pictures; nothing of a picture stays in it.
 */
import { EntropyModel } from './entropy-model.js';
import type { ParsedModel } from './model/model-file.js';
import { createTransformEngine, type EngineName, type TransformEngine } from './transform-engine.js';

export interface Coder {
  readonly model: ParsedModel;
  readonly entropy: EntropyModel;
  readonly transforms: TransformEngine;
}

const coders = new WeakMap<ParsedModel, Map<string, Promise<Coder>>>();

/** The coder of a model on an engine with that many threads (0: the engine's choice). */
export function coderOf(model: ParsedModel, engine: EngineName, threads: number): Promise<Coder> {
  const known = coders.get(model) ?? new Map<string, Promise<Coder>>();
  coders.set(model, known);
  const key = `${engine} ${threads}`;
  let coder = known.get(key);
  if (!coder) {
    coder = createTransformEngine(model, engine, threads).then((transforms) => ({
      model,
      entropy: new EntropyModel(model),
      transforms,
    }));
    known.set(key, coder);
    coder.catch(() => known.delete(key));
  }
  return coder;
}
