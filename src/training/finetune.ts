/**
 * Fine-tuning on really quantized latents, the second stage of training: the encoder stays, the synthesis (and the entropy
 * networks, if wanted) learn from what the quantizers leave of the latents. In rounds: a pool of crops is quantized with the
 * model as it is, steps are made on it, tables are counted anew. Prices of a bit may rise from round to round, as the
 * decoder learns to use what a greedier search leaves.
 *
 * Everything follows from the options and the model at the start of a round, so that a run that was stopped goes on as if
 * it had not been (FinetuneState). Prints nothing.
 */
import { type Coder, coderOf } from '../../codec/coder.js';
import type { QuantizerName } from '../../codec/format/index.js';
import { loadModel } from '../../codec/model/load.js';
import { type ParsedModel, type QuantizerParts, serializeModel } from '../../codec/model/model-file.js';
import { coderSpecs } from '../../codec/networks/coder-graphs.js';
import { type Quantization, quantizationOf } from '../../codec/quantizers/registry.js';
import type { EngineName } from '../../codec/transform-engine.js';
import type { OnnxRuntime } from '../engines/onnxruntime.js';
import { UsageError } from '../errors.js';
import type { Image } from '../io/index.js';
import { type AdaptedParts, adaptationObjective } from './adaptation-objective.js';
import { measureHabits } from './fit-offsets.js';
import { fitQuantization, fitSet } from './fit-quantization.js';
import { type AnalysedPicture, analysePicture, fitTables } from './fit-tables.js';
import type { OptimizerName } from './optimizer.js';
import type { Photographs } from './photographs.js';
import { drawPool, poolBatch, type QuantizedCrop } from './real-latents.js';
import { emaDecayAt, learningRateAt, type Schedule } from './schedule.js';
import {
  buildGradientGraph,
  checkFinite,
  initialState,
  type StepEngine,
  type StepMetrics,
  Trainer,
  type TrainerOptions,
  type TrainingState,
} from './trainer.js';

export interface FinetuneOptions {
  readonly seed: number;
  /** Quantizers whose output is learnt from; crops take them in turn. The first one's errors become the synthesis' habits. */
  readonly quantizers: readonly QuantizerName[];
  readonly parts: AdaptedParts;
  readonly rounds: number;
  /** Steps of one round, crops of a step, side of the crops (a multiple of 64), crops of a pool. */
  readonly steps: number;
  readonly batch: number;
  readonly crop: number;
  readonly pool: number;
  readonly learningRate: number;
  readonly optimizer: OptimizerName;
  /**
   * Part of the weights at the start of a round that stays in their final average, 0 to 1: what short training on few
   * pictures has learnt by heart averages out (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
   */
  readonly keep: number;
  /** Factors by which the price of a bit grows at the start of each round. */
  readonly prices: readonly number[];
}

export const defaultFinetuneOptions: FinetuneOptions = {
  seed: 1,
  quantizers: ['tcq64'],
  parts: 'decoder+entropy',
  rounds: 2,
  steps: 2000,
  batch: 2,
  crop: 512,
  pool: 256,
  learningRate: 5e-5,
  optimizer: 'adam',
  keep: 0.5,
  prices: [1, 1],
};

/** A place in a fine-tuning run, enough to go on from. */
export interface FinetuneState {
  /** The model file at the start of the round. */
  readonly model: Uint8Array;
  /** Rounds and, in the one that is under way, steps done. */
  readonly round: number;
  readonly step: number;
  /** Weights and optimizer state of the trained parts. */
  readonly state?: TrainingState;
}

export interface FinetuneRun {
  readonly options: FinetuneOptions;
  readonly start: FinetuneState;
  readonly images: Photographs;
  /** Crops that tables and offsets are fitted on, at these qualities; of photographs that nothing is measured on. */
  readonly fitCrops: readonly Image[];
  readonly qualities: readonly number[];
  readonly runtime: OnnxRuntime;
  readonly engine: EngineName;
  readonly threads: number;
  /** Makes the engine of the steps; onnxruntime's by default. */
  readonly createEngine?: (options: TrainerOptions, state: TrainingState) => Promise<StepEngine>;
  readonly checkpointEvery: number;
  readonly onPool?: (round: number, done: number) => void;
  readonly onStep?: (round: number, step: number, metrics: StepMetrics, seconds: number) => void;
  /** The model at the start of a round, and at the end. */
  readonly onModel?: (round: number, model: ParsedModel) => Promise<void>;
  readonly onCheckpoint?: (state: FinetuneState) => Promise<void>;
  /** Aborted: finish the step and save, or drop the pool or fit that is being made; return. */
  readonly signal?: AbortSignal;
}

const clipNorm = 1;

/** The schedule over all rounds: a short warm-up, then a cosine that ends with the last step. */
export const finetuneSchedule = ({ rounds, steps, learningRate }: FinetuneOptions): Schedule => ({
  steps: rounds * steps,
  learningRate,
  warmup: Math.min(50, rounds * steps),
  restart: 0,
  decayPart: 0.7,
  emaDecay: 0.998,
});

/** @throws UsageError for options that make no sense together */
export function checkFinetuneOptions({ quantizers, rounds, prices, pool, batch }: FinetuneOptions): void {
  if (quantizers.length === 0) throw new UsageError('finetune: expected a quantizer at least, got none');
  if (prices.length !== rounds) {
    throw new UsageError(
      `finetune: expected ${rounds} factors of prices, one per round, got ${prices.length}`,
    );
  }
  if (pool < batch * quantizers.length) {
    throw new UsageError(
      `finetune: expected a pool of at least ${batch * quantizers.length} crops for batches of ${batch} and ${quantizers.length} quantizers, got ${pool}`,
    );
  }
}

/** Trained parts of a model as the state before the first step. */
function freshState(model: ParsedModel, options: FinetuneOptions): TrainingState {
  const { batch, crop, parts } = options;
  const size = { batch, height: crop, width: crop };
  const { specs } = buildGradientGraph(model.config, size, adaptationObjective(parts));
  return initialState(new Map([...specs.keys()].map((name) => [name, model.parameters.get(name)!.slice()])));
}

const withPrice = (quantization: Quantization, factor: number): Quantization => ({
  ...quantization,
  lagrangian: Math.fround(quantization.lagrangian * factor),
});

/** @throws the signal's reason where one is given and aborted */
async function analysed(coder: Coder, run: FinetuneRun, signal?: AbortSignal): Promise<AnalysedPicture[]> {
  const pictures: AnalysedPicture[] = [];
  for (const image of run.fitCrops) {
    for (const quality of run.qualities) {
      signal?.throwIfAborted();
      pictures.push(await analysePicture(coder, image, quality));
    }
  }
  return pictures;
}

/** Quantizations of a round: tables counted anew where the networks have changed, offsets too where the price has. */
async function roundQuantizations(coder: Coder, run: FinetuneRun, round: number): Promise<Quantization[]> {
  const factor = run.options.prices[round];
  const own = run.options.quantizers.map((name) => quantizationOf(coder.model, name));
  if (factor === 1 && round === 0) return own;
  const set = fitSet(coder.entropy, coder.model, await analysed(coder, run, run.signal));
  return own.map((quantization) =>
    factor === 1
      ? fitTables(coder.entropy, quantization, set.pictures, { rounds: 1 })
      : fitQuantization(coder.entropy, withPrice(quantization, factor), set, { rounds: 1 }),
  );
}

/** Averages of the trained weights and those that the model has, element by element. */
function blended(
  { parameters }: ParsedModel,
  trained: ReadonlyMap<string, Float32Array>,
  keep: number,
): Map<string, Float32Array> {
  return new Map(
    [...trained].map(([name, values]) => {
      const before = parameters.get(name)!;
      return [name, values.map((value, n) => (1 - keep) * value + keep * before[n])];
    }),
  );
}

/** The model with other weights, the round's quantizers as they were learnt from, and habits to match. */
async function learntModel(
  before: ParsedModel,
  weights: ReadonlyMap<string, Float32Array>,
  quantizations: readonly Quantization[],
  habits: Float32Array,
): Promise<ParsedModel> {
  const parts = quantizations.map(({ quantizer, tables, step, offsets, lagrangian }) => {
    const own: QuantizerParts = { tables, step, offsets, lagrangian };
    return [quantizer.name, own] as const;
  });
  const model = {
    ...before,
    parameters: new Map([...before.parameters, ...weights]),
    tables: { ...before.tables, quantizers: new Map([...before.tables.quantizers, ...parts]) },
    habits,
  };
  // As a file has it: weights are rounded, and that is what the next round must work with.
  return loadModel(serializeModel(model, coderSpecs(before.config)));
}

/** Tables (and offsets of the quantizers that were not learnt from) fitted to the model as it is now. */
async function refitted(model: ParsedModel, run: FinetuneRun): Promise<ParsedModel> {
  const coder = await coderOf(model, run.engine, run.threads);
  const set = fitSet(coder.entropy, model, await analysed(coder, run, run.signal));
  const parts = new Map<QuantizerName, QuantizerParts>();
  for (const name of model.tables.quantizers.keys()) {
    const own = quantizationOf(model, name);
    const learnt = run.options.quantizers.includes(name);
    const { tables, step, offsets, lagrangian } = learnt
      ? fitTables(coder.entropy, own, set.pictures, { rounds: 1 })
      : fitQuantization(coder.entropy, own, set);
    parts.set(name, { tables, step, offsets, lagrangian });
  }
  const tuned = { ...model, tables: { ...model.tables, quantizers: parts } };
  return loadModel(serializeModel(tuned, coderSpecs(model.config)));
}

/**
 * Fine-tunes a model.
 *
 * @returns the model with fitted tables, or undefined where the signal stopped the run (the last place was handed to
 *   `onCheckpoint`)
 * @throws UsageError for options that do not fit together, or a loss that is not finite
 */
export async function finetune(run: FinetuneRun): Promise<ParsedModel | undefined> {
  checkFinetuneOptions(run.options);
  try {
    return await finetuned(run);
  } catch (error) {
    // Pools and fits take minutes and leave nothing to save: there an abort is thrown, and the last checkpoint stands.
    if (run.signal?.aborted && error === run.signal.reason) return undefined;
    throw error;
  }
}

/**
 * The rounds that are left and the last fit; undefined where the signal came during a step, which is saved then.
 *
 * @throws the signal's reason where it came during a pool or a fit
 */
async function finetuned(run: FinetuneRun): Promise<ParsedModel | undefined> {
  const { options, start } = run;
  let model = await loadModel(start.model);
  const trainer = await createTrainer(run, model);
  try {
    for (let { round, step } = start; round < options.rounds; round++, step = 0) {
      await run.onModel?.(round, model);
      const learnt = await playRound(run, trainer, model, round, step);
      if (!learnt) return undefined;
      model = learnt;
      const bytes = serializeModel(model, coderSpecs(model.config));
      await run.onCheckpoint?.({ model: bytes, round: round + 1, step: 0, state: await trainer.state() });
    }
  } finally {
    // An engine may be another process, which must not outlive a failed run.
    await trainer.release();
  }
  const tuned = await refitted(model, run);
  await run.onModel?.(options.rounds, tuned);
  return tuned;
}

function createTrainer(run: FinetuneRun, model: ParsedModel): Promise<StepEngine> {
  const { batch, crop, parts, optimizer } = run.options;
  const settings: TrainerOptions = {
    batch,
    height: crop,
    width: crop,
    clipNorm,
    optimizer,
    threads: run.threads,
    objective: adaptationObjective(parts),
  };
  const state = run.start.state ?? freshState(model, run.options);
  return run.createEngine
    ? run.createEngine(settings, state)
    : Trainer.create(run.runtime, model.config, settings, state);
}

/** One round, from the step after `done` on; nothing where it was stopped. */
async function playRound(
  run: FinetuneRun,
  trainer: StepEngine,
  model: ParsedModel,
  round: number,
  done: number,
): Promise<ParsedModel | undefined> {
  const { seed, pool: count, crop, steps } = run.options;
  const coder = await coderOf(model, run.engine, run.threads);
  const quantizations = await roundQuantizations(coder, run, round);
  if (done < steps) {
    const settings = { seed, round, count, crop };
    const pool = await drawPool(coder, run.images, quantizations, settings, (crops) => {
      run.onPool?.(round, crops);
      run.signal?.throwIfAborted();
    });
    if (!(await takeSteps(run, model, trainer, pool, round, done))) return undefined;
  }
  const weights = blended(model, await trainer.values('ema'), run.options.keep);
  const habits = measureHabits(coder.entropy, quantizations[0], await analysed(coder, run));
  return learntModel(model, weights, quantizations, habits);
}

/** The steps of a round; false where the signal ended it early. */
async function takeSteps(
  run: FinetuneRun,
  model: ParsedModel,
  trainer: StepEngine,
  pool: readonly QuantizedCrop[],
  round: number,
  done: number,
): Promise<boolean> {
  const { options } = run;
  const schedule = finetuneSchedule(options);
  const bytes = serializeModel(model, coderSpecs(model.config));
  for (let step = done; step < options.steps; step++) {
    const started = performance.now();
    const number = round * options.steps + step + 1;
    const batch = poolBatch(pool, trainer.dataShapes, number, { seed: options.seed, config: model.config });
    const metrics = await trainer.step(batch, {
      learningRate: learningRateAt(schedule, number),
      emaDecay: emaDecayAt(schedule, number),
      step: number,
    });
    checkFinite('finetune', metrics, number);
    run.onStep?.(round, step + 1, metrics, (performance.now() - started) / 1000);
    const stopped = run.signal?.aborted;
    if (stopped || ((step + 1) % run.checkpointEvery === 0 && step + 1 < options.steps)) {
      await run.onCheckpoint?.({ model: bytes, round, step: step + 1, state: await trainer.state() });
    }
    if (stopped) return false;
  }
  return true;
}
