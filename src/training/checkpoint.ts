/**
 * A training run on disk: one safetensors file with weights, average, optimizer state and, as metadata, the
 * configuration, the options and the step's number. Random numbers need no state: they follow from seed and step.
 * Files are replaced atomically, so that a killed run loses at most the steps since the last one.
 *
 * The half-precision form keeps weights and average only (what is committed to a repository); resuming from it starts
 * the optimizer anew, its moments at zero, and warms the rate up again: full steps along moments of a few gradients throw
 * a trained network far off.
 */
import { join } from 'node:path';
import { parseConfig, parseJson } from '../../codec/model/model-file.js';
import type { NetworkConfig } from '../../codec/networks/config.js';
import type { ParameterSpec } from '../../codec/networks/parameters.js';
import { FormatError } from '../errors.js';
import { readFileOrStdin, writeFileAtomic } from '../io/files.js';
import { float32ToFloat16 } from '../io/half.js';
import { parseSafetensors, type SafeTensor, serializeSafetensors, toFloat32 } from '../io/safetensors.js';
import { isOwnState, type OptimizerName, type Slot, slotName, slots } from './optimizer.js';
import type { TrainingState } from './trainer.js';

/** What decides the course of a run, beside the data. */
export interface RunOptions {
  readonly seed: number;
  readonly batch: number;
  readonly crop: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly optimizer: OptimizerName;
  readonly clipNorm: number;
  readonly emaDecay: number;
  /** Steps done when the optimizer last started anew, after which the rate warms up again; 0 where it is missing. */
  readonly restart?: number;
}

export interface Checkpoint {
  readonly config: NetworkConfig;
  readonly options: RunOptions;
  /** Steps done. */
  readonly step: number;
  readonly state: TrainingState;
}

export const checkpointFile = (run: string): string => join(run, 'checkpoint.safetensors');

const kind = 'trellis-codec training checkpoint 1';

export async function saveCheckpoint(
  path: string,
  checkpoint: Checkpoint,
  specs: ReadonlyMap<string, ParameterSpec>,
  half = false,
): Promise<void> {
  const tensors = new Map<string, SafeTensor>();
  const kept: readonly Slot[] = half ? ['w', 'ema'] : slots;
  for (const [name, { shape }] of specs) {
    for (const slot of kept) {
      const data = checkpoint.state.get(slotName(slot, name))!;
      tensors.set(
        slotName(slot, name),
        half
          ? { dtype: 'F16', shape, data: float32ToFloat16(data) as Uint16Array<ArrayBuffer> }
          : { dtype: 'F32', shape, data: data as Float32Array<ArrayBuffer> },
      );
    }
  }
  if (!half) {
    for (const [name, data] of checkpoint.state) {
      if (!isOwnState(name)) continue;
      tensors.set(name, { dtype: 'F32', shape: [data.length], data: data as Float32Array<ArrayBuffer> });
    }
  }
  const { config, options, step } = checkpoint;
  const metadata = {
    kind,
    config: JSON.stringify(config),
    options: JSON.stringify(options),
    step: String(step),
  };
  await writeFileAtomic(path, serializeSafetensors(tensors, metadata));
}

/** The checkpoint going on with other options; what another optimizer kept for itself is left behind. */
export function withOptions(checkpoint: Checkpoint, options: RunOptions): Checkpoint {
  const same = options.optimizer === checkpoint.options.optimizer;
  const state = same ? checkpoint.state : new Map([...checkpoint.state].filter(([key]) => !isOwnState(key)));
  return { ...checkpoint, options, state };
}

export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors, metadata } = parseSafetensors(await readFileOrStdin(path));
  if (metadata.kind !== kind) {
    throw new FormatError(
      `${path}: expected "${kind}", got ${metadata.kind ? `"${metadata.kind}"` : 'another file'}`,
    );
  }
  const config = parseConfig(metadata.config);
  const found = parseJson(metadata.options, 'run options') as unknown as RunOptions;
  // Runs were Adam's alone before they said so.
  const options = { ...found, optimizer: found.optimizer ?? 'adam' };
  const step = Number(metadata.step ?? Number.NaN);
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new FormatError(`${path}: expected a whole number of steps, got ${metadata.step ?? 'none'}`);
  }
  const state: TrainingState = new Map();
  for (const [key, tensor] of tensors) state.set(key, Float32Array.from(toFloat32(tensor)));
  let anew = false;
  for (const [key, values] of [...state]) {
    if (key.includes(':')) continue;
    for (const slot of ['m', 'v'] as const) {
      if (state.has(slotName(slot, key))) continue;
      state.set(slotName(slot, key), new Float32Array(values.length));
      anew = true;
    }
  }
  return { config, options: anew ? { ...options, restart: step } : options, step, state };
}
