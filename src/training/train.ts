/**
 * The training run: first weights or a checkpoint, then steps, validations and checkpoints until the schedule ends or
 * somebody asks to stop. Prints nothing; progress is handed to callbacks (the CLI shows it).
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { NetworkConfig } from '../../codec/networks/config.js';
import { type ParameterSpec, Parameters, type ParameterValues } from '../../codec/networks/parameters.js';
import type { OnnxRuntime } from '../engines/onnxruntime.js';
import { UsageError } from '../errors.js';
import { Graph } from '../graph/index.js';
import { defaultLeastScale, drawBatch } from './batches.js';
import { type Checkpoint, type RunOptions, saveCheckpoint, withOptions } from './checkpoint.js';
import { initialWeights } from './initial-weights.js';
import { measureLogScales } from './measured-scales.js';
import { buildObjective } from './objective.js';
import type { Photographs } from './photographs.js';
import { emaDecayAt, learningRateAt, scheduleOf } from './schedule.js';
import {
  checkFinite,
  initialState,
  type StepEngine,
  type StepMetrics,
  Trainer,
  type TrainerOptions,
  type TrainingState,
} from './trainer.js';
import { defaultValidation, type ValidationResult, validate } from './validation.js';

export const defaultRunOptions: RunOptions = {
  seed: 1,
  batch: 8,
  crop: 256,
  steps: 200_000,
  learningRate: 4e-4,
  optimizer: 'adam',
  clipNorm: 1,
  emaDecay: 0.999,
};

export interface TrainingRun {
  readonly runtime: OnnxRuntime;
  readonly config: NetworkConfig;
  readonly options: RunOptions;
  readonly images: Photographs;
  /** Pictures for validation; none means no validation. */
  readonly validation?: Photographs;
  /** Where to continue from; undefined starts anew. */
  readonly resume?: Checkpoint;
  readonly checkpointPath: string;
  /** Steps between checkpoints, and between validations. */
  readonly checkpointEvery: number;
  readonly validateEvery: number;
  readonly threads: number;
  /** Makes the engine of the steps; onnxruntime's by default. */
  readonly createEngine?: (options: TrainerOptions, state: TrainingState) => Promise<StepEngine>;
  readonly onStep?: (step: number, metrics: StepMetrics, seconds: number) => void;
  readonly onValidation?: (step: number, result: ValidationResult) => void;
  readonly onCheckpoint?: (step: number) => void;
  /** Aborted: finish the step, save, return. */
  readonly signal?: AbortSignal;
}

/** All parameters of the networks with their shapes. */
export function parameterSpecs(config: NetworkConfig): Map<string, ParameterSpec> {
  const graph = new Graph();
  const p = new Parameters(graph);
  buildObjective(graph, p, config, { batch: 1, height: 64, width: 64, quantized: true });
  return p.specs;
}

/** A run before its first step: initial weights, with the entropy networks' scales measured on the pictures. */
export async function firstCheckpoint(
  run: Pick<TrainingRun, 'runtime' | 'config' | 'options' | 'images'>,
): Promise<Checkpoint> {
  const { runtime, config, options, images } = run;
  const weights = initialWeights(parameterSpecs(config), config, options.seed);
  await measureLogScales(runtime, config, weights, images, options);
  return { config, options, step: 0, state: initialState(weights) };
}

/** Weights of one slot out of a training state. */
export function averagedWeights(state: TrainingState): ParameterValues {
  return new Map([...state].filter(([key]) => key.startsWith('ema:')).map(([key, v]) => [key.slice(4), v]));
}

/**
 * Trains until `options.steps` steps are done or the signal aborts; the last step is always saved.
 * @returns the number of steps done.
 * @throws UsageError when the checkpoint is of another network or already finished.
 */
export async function train(run: TrainingRun): Promise<number> {
  const { runtime, config, options, threads } = run;
  const done = run.resume?.step ?? 0;
  if (done >= options.steps) {
    throw new UsageError(
      `train: expected fewer than ${options.steps} steps done, the checkpoint has ${done}`,
    );
  }
  const { state } = run.resume ? withOptions(run.resume, options) : await firstCheckpoint(run);
  const { batch, crop, clipNorm, optimizer } = options;
  const trainerOptions: TrainerOptions = { batch, height: crop, width: crop, clipNorm, optimizer, threads };
  const trainer: StepEngine = run.createEngine
    ? await run.createEngine(trainerOptions, state)
    : await Trainer.create(runtime, config, trainerOptions, state);
  try {
    return await takeSteps(run, trainer, done);
  } finally {
    // An engine may be another process, which must not outlive a failed run.
    await trainer.release();
  }
}

/** The loop of `train`, from the first step after `done` on. */
async function takeSteps(run: TrainingRun, trainer: StepEngine, done: number): Promise<number> {
  const { runtime, config, options, images, threads } = run;
  const specs = parameterSpecs(config);
  const schedule = scheduleOf(options);
  let step = done;
  await mkdir(dirname(run.checkpointPath), { recursive: true });
  const save = async (): Promise<void> => {
    await saveCheckpoint(run.checkpointPath, { config, options, step, state: await trainer.state() }, specs);
    run.onCheckpoint?.(step);
  };
  const check = async (): Promise<void> => {
    if (!run.validation) return;
    const weights = await trainer.values('ema');
    run.onValidation?.(
      step,
      await validate(runtime, config, weights, run.validation, { ...defaultValidation, threads }),
    );
  };
  const draw = (number: number): ReturnType<typeof drawBatch> =>
    drawBatch(images, trainer.dataShapes, number, {
      ...options,
      leastScale: defaultLeastScale,
      ratePoints: config.ratePoints,
    });
  if (step === 0) await check();
  let upcoming = draw(step + 1);
  // A failure of this prefetch surfaces where it is awaited; without this it would end the process before.
  upcoming.catch(() => {});
  while (step < options.steps && !run.signal?.aborted) {
    const started = performance.now();
    const batch = await upcoming;
    upcoming = draw(step + 2);
    upcoming.catch(() => {});
    const metrics = await trainer.step(batch, {
      learningRate: learningRateAt(schedule, step + 1),
      emaDecay: emaDecayAt(schedule, step + 1),
      step: step + 1,
    });
    step++;
    run.onStep?.(step, metrics, (performance.now() - started) / 1000);
    checkFinite('train', metrics, step);
    const last = step === options.steps;
    if (step % run.validateEvery === 0 || last) await check();
    if (step % run.checkpointEvery === 0 || last || run.signal?.aborted) await save();
  }
  return step;
}
