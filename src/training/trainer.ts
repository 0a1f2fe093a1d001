/**
 * Runs the training graph (loss, gradients, update) step after step on onnxruntime. Weights and optimizer state live in
 * two banks of preallocated tensors that take turns as input and output of a step, so nothing is copied or allocated.
 */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { NetworkConfig } from '../../codec/networks/config.js';
import { type ParameterSpec, Parameters } from '../../codec/networks/parameters.js';
import { createSession, detectBlockSize, type OnnxRuntime } from '../engines/onnxruntime.js';
import { UsageError } from '../errors.js';
import { Graph, gradients, sizeOf, type Tensor } from '../graph/index.js';
import { lowerToOnnx } from '../graph/onnx/lower.js';
import { type BatchSize, buildObjective, type Objective } from './objective.js';
import { buildUpdate, correctedRate, type OptimizerName, type Slot, slotName, slots } from './optimizer.js';

/** Weights and optimizer state by slot name (optimizer.ts). */
export type TrainingState = Map<string, Float32Array>;

/** Values of the data inputs of one step, by input name. */
export type Batch = ReadonlyMap<string, Float32Array>;

export interface StepMetrics {
  readonly loss: number;
  /** Mean over the samples of the mean squared error (RGB in [0,1]). */
  readonly distortion: Float32Array;
  /** Bits per pixel per sample. */
  readonly rate: Float32Array;
  readonly hyperRate: Float32Array;
  readonly gradientNorm: number;
}

/**
 * Looks at a step before anything of it is saved. The loss is that of the weights before the step: where only its gradient
 * overflows, it is the weights after it that are spoilt.
 *
 * @param name of the stage, for the message
 * @throws UsageError unless loss and gradient are finite
 */
export function checkFinite(name: string, { loss, gradientNorm }: StepMetrics, step: number): void {
  if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) return;
  throw new UsageError(
    `${name}: expected a finite loss and gradient, got ${loss} and a norm of ${gradientNorm} at step ${step}; lower --learning-rate`,
  );
}

export interface TrainingGraph {
  readonly outputs: Record<string, Tensor>;
  readonly parameters: ReadonlyMap<string, ParameterSpec>;
  /** Shapes of the data inputs: pictures, rate points, noise. */
  readonly dataShapes: ReadonlyMap<string, readonly number[]>;
}

/** Objective and gradients: the part of a step that does not depend on the optimizer. */
export interface GradientGraph {
  readonly graph: Graph;
  readonly metrics: Readonly<Record<'loss' | 'distortion' | 'rate' | 'hyperRate', Tensor>>;
  readonly specs: ReadonlyMap<string, ParameterSpec>;
  /** The parameters' graph inputs, and the gradients of the loss, by parameter name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly gradientOf: ReadonlyMap<string, Tensor>;
  /** Shapes of the data inputs: pictures, rate points, noise. */
  readonly dataShapes: ReadonlyMap<string, readonly number[]>;
}

/** Builds what is minimised on a batch of pictures of that size; it declares the parameters that are trained. */
export type ObjectiveBuilder = (
  graph: Graph,
  p: Parameters,
  config: NetworkConfig,
  size: BatchSize,
) => Pick<Objective, 'loss' | 'distortion' | 'rate' | 'hyperRate'>;

/** End-to-end training with noise for quantization. */
const noisyObjective: ObjectiveBuilder = (graph, p, config, size) =>
  buildObjective(graph, p, config, { ...size, quantized: false });

/** @param build what is minimised; end-to-end training's by default */
export function buildGradientGraph(
  config: NetworkConfig,
  { batch, height, width }: BatchSize,
  build: ObjectiveBuilder = noisyObjective,
): GradientGraph {
  const graph = new Graph();
  const p = new Parameters(graph);
  const objective = build(graph, p, config, { batch, height, width });
  const dataShapes = new Map(
    [...graph.inputs].filter(([name]) => !p.specs.has(name)).map(([name, tensor]) => [name, tensor.shape]),
  );
  const parameters = new Map([...p.specs.keys()].map((name) => [name, graph.inputs.get(name)!]));
  const found = gradients(objective.loss, [...parameters.values()]);
  const gradientOf = new Map([...parameters.keys()].map((name, k) => [name, found[k]]));
  const { loss, distortion, rate, hyperRate } = objective;
  const metrics = { loss, distortion, rate, hyperRate };
  return { graph, metrics, specs: p.specs, parameters, gradientOf, dataShapes };
}

/** The whole training step as one graph. */
export function buildTrainingGraph(
  config: NetworkConfig,
  options: BatchSize & { readonly clipNorm: number; readonly objective?: ObjectiveBuilder },
): TrainingGraph {
  const { graph, metrics, specs, parameters, gradientOf, dataShapes } = buildGradientGraph(
    config,
    options,
    options.objective,
  );
  const { outputs, norm } = buildUpdate(graph, parameters, gradientOf, options.clipNorm);
  return { outputs: { ...metrics, gradientNorm: norm, ...outputs }, parameters: specs, dataShapes };
}

export interface StepOptions {
  readonly learningRate: number;
  readonly emaDecay: number;
  /** 1-based; enters Adam's bias correction. */
  readonly step: number;
}

/** A machine that holds weights and optimizer state and makes training steps. */
export interface StepEngine {
  /** Shapes of the data inputs that every batch must hold. */
  readonly dataShapes: ReadonlyMap<string, readonly number[]>;
  step(batch: Batch, options: StepOptions): Promise<StepMetrics>;
  /** Copy of one slot of all parameters, by parameter name. */
  values(slot: Slot): Promise<Map<string, Float32Array>>;
  /** Copy of weights and optimizer state. */
  state(): Promise<TrainingState>;
  release(): Promise<void>;
}

type Bank = Map<string, OrtTensor>;

export interface TrainerOptions extends BatchSize {
  readonly clipNorm: number;
  readonly optimizer: OptimizerName;
  readonly threads: number;
  /** What is minimised; end-to-end training's by default. */
  readonly objective?: ObjectiveBuilder;
}

/**
 * @example
 * const trainer = await Trainer.create(runtime, networkConfigs.tiny, options, state);
 * const metrics = await trainer.step(batch, { learningRate: 4e-4, emaDecay: 0.999, step: 1 });
 */
export class Trainer implements StepEngine {
  readonly dataShapes: ReadonlyMap<string, readonly number[]>;
  readonly #runtime: OnnxRuntime;
  readonly #session: InferenceSession;
  readonly #metrics: Map<string, OrtTensor>;
  #current: Bank;
  #next: Bank;

  private constructor(
    runtime: OnnxRuntime,
    session: InferenceSession,
    dataShapes: Trainer['dataShapes'],
    banks: readonly [Bank, Bank],
    metrics: Map<string, OrtTensor>,
  ) {
    this.#runtime = runtime;
    this.#session = session;
    this.dataShapes = dataShapes;
    [this.#current, this.#next] = banks;
    this.#metrics = metrics;
  }

  static async create(
    runtime: OnnxRuntime,
    config: NetworkConfig,
    options: TrainerOptions,
    state: TrainingState,
  ): Promise<Trainer> {
    if (options.optimizer !== 'adam') {
      throw new UsageError(
        `optimizer: expected adam for onnxruntime, got ${options.optimizer}, which needs the engine torch`,
      );
    }
    const training = buildTrainingGraph(config, options);
    const block = await detectBlockSize(runtime);
    const { bytes } = lowerToOnnx(training.outputs, { block });
    const session = await createSession(runtime, bytes, { threads: options.threads });
    const current: Bank = new Map();
    const next: Bank = new Map();
    for (const [name, { shape }] of training.parameters) {
      for (const slot of slots) {
        const key = slotName(slot, name);
        const values = state.get(key);
        if (values?.length !== sizeOf(shape)) {
          throw new UsageError(
            `training state: expected ${sizeOf(shape)} values for ${key}, got ${values?.length ?? 'none'}`,
          );
        }
        current.set(key, new runtime.Tensor('float32', values.slice(), shape));
        next.set(key, new runtime.Tensor('float32', new Float32Array(values.length), shape));
      }
    }
    const metricShapes = Object.entries(training.outputs).filter(([name]) => !name.startsWith('next:'));
    const metrics = new Map(
      metricShapes.map(([name, { shape }]) => [
        name,
        new runtime.Tensor('float32', new Float32Array(sizeOf(shape)), shape),
      ]),
    );
    return new Trainer(runtime, session, training.dataShapes, [current, next], metrics);
  }

  /** One update. */
  async step(batch: Batch, { learningRate, emaDecay, step }: StepOptions): Promise<StepMetrics> {
    const feeds: Record<string, OrtTensor> = Object.fromEntries(this.#current);
    for (const [name, shape] of this.dataShapes) {
      feeds[name] = new this.#runtime.Tensor('float32', batch.get(name)!, shape);
    }
    const scalar = (value: number): OrtTensor =>
      new this.#runtime.Tensor('float32', Float32Array.of(value), [1]);
    feeds.learningRate = scalar(correctedRate(learningRate, step));
    feeds.emaDecay = scalar(emaDecay);
    const fetches: Record<string, OrtTensor> = Object.fromEntries(this.#metrics);
    for (const [name, tensor] of this.#next) fetches[`next:${name}`] = tensor;
    await this.#session.run(feeds, fetches);
    [this.#current, this.#next] = [this.#next, this.#current];
    const values = (name: string): Float32Array => (this.#metrics.get(name)!.data as Float32Array).slice();
    return {
      loss: values('loss')[0],
      distortion: values('distortion'),
      rate: values('rate'),
      hyperRate: values('hyperRate'),
      gradientNorm: values('gradientNorm')[0],
    };
  }

  /** Copy of one slot of all parameters, by parameter name. */
  async values(slot: Slot): Promise<Map<string, Float32Array>> {
    const prefix = slotName(slot, '');
    const result = new Map<string, Float32Array>();
    for (const [key, tensor] of this.#current) {
      const matches = slot === 'w' ? !key.includes(':') : key.startsWith(prefix);
      if (matches) result.set(key.slice(prefix.length), (tensor.data as Float32Array).slice());
    }
    return result;
  }

  /** Copy of weights and optimizer state. */
  async state(): Promise<TrainingState> {
    return new Map([...this.#current].map(([key, tensor]) => [key, (tensor.data as Float32Array).slice()]));
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

/** State before the first step: moments zero, average equal to the weights. */
export function initialState(weights: ReadonlyMap<string, Float32Array>): TrainingState {
  const state: TrainingState = new Map();
  for (const [name, values] of weights) {
    state.set(slotName('w', name), values);
    state.set(slotName('ema', name), values.slice());
    state.set(slotName('m', name), new Float32Array(values.length));
    state.set(slotName('v', name), new Float32Array(values.length));
  }
  return state;
}
