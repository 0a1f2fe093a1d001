/**
 * A fine-tuning run on disk: `round-N.safetensors`, the model file that round N started from, and
 * `finetune.safetensors`, weights and optimizer state with the options, the round and its steps as metadata. The model is
 * written before the checkpoint that names it, and both appear whole or not at all, so a kill loses at most the steps since
 * the last checkpoint.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '../../codec/model/model-file.js';
import { FormatError } from '../errors.js';
import { readFileOrStdin, writeFileAtomic } from '../io/files.js';
import { parseSafetensors, type SafeTensor, serializeSafetensors, toFloat32 } from '../io/safetensors.js';
import type { FinetuneOptions, FinetuneState } from './finetune.js';

const kind = 'trellis-codec fine-tuning 1';

export const finetuneFile = (run: string): string => join(run, 'finetune.safetensors');
const modelFile = (run: string, round: number): string => join(run, `round-${round}.safetensors`);

/** Saves a place of a run; the model too, where it is a new round's. */
export async function saveFinetune(
  run: string,
  options: FinetuneOptions,
  { model, round, step, state }: FinetuneState,
): Promise<void> {
  await mkdir(run, { recursive: true });
  if (step === 0) await writeFileAtomic(modelFile(run, round), model);
  const tensors = new Map<string, SafeTensor>(
    [...(state ?? [])].map(([name, values]) => [
      name,
      { dtype: 'F32', shape: [values.length], data: values as Float32Array<ArrayBuffer> },
    ]),
  );
  const metadata = { kind, options: JSON.stringify(options), round: String(round), step: String(step) };
  await writeFileAtomic(finetuneFile(run), serializeSafetensors(tensors, metadata));
  if (step === 0 && round > 0) await rm(modelFile(run, round - 1), { force: true });
}

/**
 * Reads what `saveFinetune` wrote last.
 * @throws FormatError for other files, and where the model file is missing
 */
export async function loadFinetune(
  run: string,
): Promise<{ readonly options: FinetuneOptions; readonly start: FinetuneState }> {
  const path = finetuneFile(run);
  const { tensors, metadata } = parseSafetensors(await readFileOrStdin(path));
  if (metadata.kind !== kind) {
    throw new FormatError(
      `${path}: expected "${kind}", got ${metadata.kind ? `"${metadata.kind}"` : 'another file'}`,
    );
  }
  const [round, step] = [Number(metadata.round), Number(metadata.step)];
  if (!Number.isSafeInteger(round) || !Number.isSafeInteger(step) || round < 0 || step < 0) {
    throw new FormatError(
      `${path}: expected whole numbers of rounds and steps, got ${metadata.round} and ${metadata.step}`,
    );
  }
  const options = parseJson(metadata.options, 'options of fine-tuning') as unknown as FinetuneOptions;
  const model = await readFileOrStdin(modelFile(run, round));
  const state =
    tensors.size === 0
      ? undefined
      : new Map([...tensors].map(([name, tensor]) => [name, Float32Array.from(toFloat32(tensor))]));
  return { options, start: { model, round, step, ...(state && { state }) } };
}
