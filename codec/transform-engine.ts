/**
 * The transforms (analysis with hyper-analysis, synthesis) on an engine of choice. They may differ by rounding between
 * engines and machines: an encoder's choice of integers is free, and pixels are only as exact as pixels need to be.
 *
 * - `onnxruntime`: fast, one session for all picture sizes.
 * - `wasm`: codec/exact, everywhere, one compiled program per size.
 */
import type { OnnxProgram, OnnxRuntime } from '../src/engines/onnxruntime.js';
import { UnsupportedError, UsageError } from '../src/errors.js';
import { compileExact, type ExactProgram, ExactWeights } from './exact/index.js';
import type { ModelParts } from './model/model-file.js';
import type { RatePoint } from './model/rate-point.js';
import {
  type CoderGraph,
  decoderGraph,
  deepEncoderGraph,
  type EntropyNetwork,
  entropyNetworkGraph,
  errorGradientGraph,
  shallowEncoderGraph,
} from './networks/coder-graphs.js';
import { contextPasses } from './networks/config.js';
import { patch } from './networks/transforms.js';

export const engineNames = ['auto', 'onnxruntime', 'wasm'] as const;
export type EngineName = (typeof engineNames)[number];

/** Latents of an area in the dense form of the four passes, with its hyper-latents; not yet quantized. */
export interface AnalysedArea {
  readonly passes: readonly Float32Array[];
  readonly hyperLatents: Float32Array;
}

/** What the analysis knows of an area before it knows the rate: most of its work. */
export interface ShallowFeatures {
  /** [channels,height/8,width/8]. */
  readonly values: Float32Array;
  /** Sides in pixels. */
  readonly height: number;
  readonly width: number;
}

/** What a picture should be, and how much each pixel counts. */
export interface WeightedPicture {
  /** [3,height,width] RGB in [0,1]. */
  readonly planes: Float32Array;
  /** [height,width]. */
  readonly weights: Float32Array;
}

/** Outputs of an entropy network for its inputs, for a padded size in pixels; to the engine's rounding. */
export type EntropyNetworks = (
  network: EntropyNetwork,
  inputs: Readonly<Record<string, Float32Array>>,
  height: number,
  width: number,
) => Promise<Record<string, Float32Array>>;

export interface TransformEngine {
  readonly name: 'onnxruntime' | 'wasm';
  /** @param planes [3,height,width] RGB in [0,1], sides in multiples of 64. */
  shallow(planes: Float32Array, height: number, width: number): Promise<ShallowFeatures>;
  /** The rest of the analysis, for one rate. */
  analyse(shallow: ShallowFeatures, rate: RatePoint): Promise<AnalysedArea>;
  /** @param passes dequantized dense latents. @returns planes [3,height,width]. */
  synthesise(
    passes: readonly Float32Array[],
    height: number,
    width: number,
    rate: RatePoint,
  ): Promise<Float32Array>;
  /**
   * Gradient of half the weighted squared error of the synthesised picture (sum over all values in [0,1]) with respect to
   * the latents, in their dense form; but for what the branches of the blocks at 1/16 would add to it (errorGradientGraph).
   */
  errorGradient(
    passes: readonly Float32Array[],
    wished: WeightedPicture,
    height: number,
    width: number,
    rate: RatePoint,
  ): Promise<Float32Array[]>;
  /** The entropy networks for drafts, where the engine is faster at them than codec/exact. Streams are never coded with it. */
  readonly entropyNetworks?: EntropyNetworks;
}

const byPass = (results: Record<string, Float32Array>, name: string): Float32Array[] =>
  Array.from({ length: contextPasses }, (_, pass) => results[`${name}${pass}`]);

function analysed(results: Record<string, Float32Array>): AnalysedArea {
  return {
    passes: byPass(results, 'pass'),
    hyperLatents: results.hyperLatents,
  };
}

const analysisInputs = ({ values }: ShallowFeatures, rate: RatePoint): Record<string, Float32Array> => ({
  shallow: values,
  'gain.features': rate.analysisFeatures,
  'gain.latents': rate.analysisLatents,
});

function synthesisInputs(passes: readonly Float32Array[], rate: RatePoint): Record<string, Float32Array> {
  const inputs: Record<string, Float32Array> = {
    'gain.features': rate.synthesisFeatures,
    'gain.latents': rate.synthesisLatents,
  };
  passes.forEach((values, pass) => {
    inputs[`pass${pass}`] = values;
  });
  return inputs;
}

/** Keeps the most recent few of what is made per size. */
export class SizeCache<T> {
  readonly #made = new Map<string, T>();

  constructor(
    readonly capacity: number,
    readonly make: (height: number, width: number) => T,
  ) {}

  get(height: number, width: number): T {
    const key = `${height}x${width}`;
    const value = this.#made.get(key) ?? this.make(height, width);
    this.#made.delete(key);
    this.#made.set(key, value);
    if (this.#made.size > this.capacity) this.#made.delete(this.#made.keys().next().value!);
    return value;
  }
}

/** The transforms in exact WebAssembly. */
export function createWasmTransforms(model: ModelParts): TransformEngine {
  const weights = new ExactWeights(model.parameters);
  const compile = (
    build: (...sizes: Parameters<typeof decoderGraph>) => CoderGraph,
  ): SizeCache<ExactProgram> =>
    new SizeCache(4, (height, width) => compileExact(build(model.config, height, width).outputs, weights));
  const shallowEncoders = compile(shallowEncoderGraph);
  const deepEncoders = compile(deepEncoderGraph);
  const decoders = compile(decoderGraph);
  const errorGradients = compile(errorGradientGraph);
  return {
    name: 'wasm',
    shallow: async (planes, height, width) => {
      const { shallow } = shallowEncoders.get(height, width).run({ x: planes });
      return { values: shallow, height, width };
    },
    analyse: async (shallow, rate) => {
      const encoder = deepEncoders.get(shallow.height, shallow.width);
      return analysed(encoder.run(analysisInputs(shallow, rate)));
    },
    synthesise: async (passes, height, width, rate) =>
      decoders.get(height, width).run(synthesisInputs(passes, rate)).x,
    errorGradient: async (passes, { planes, weights: pixelWeights }, height, width, rate) => {
      const inputs = { ...synthesisInputs(passes, rate), x: planes, weights: pixelWeights };
      return byPass(errorGradients.get(height, width).run(inputs), 'gradient');
    },
  };
}

/** Programs with open sizes are built at this size. Any multiple of 64 would do where no side is 1, as those are not open. */
const nominal = 128;

/** The transforms on onnxruntime; sessions are made on first use. */
export function createOnnxTransforms(
  model: ModelParts,
  engine: { readonly runtime: OnnxRuntime; readonly compile: typeof OnnxProgram.compile },
  threads: number,
): TransformEngine {
  const compile = ({ parameters, outputs }: CoderGraph): Promise<OnnxProgram> => {
    const weights = new Map([...parameters.specs.keys()].map((name) => [name, model.parameters.get(name)!]));
    return engine.compile(engine.runtime, outputs, { weights, openSizes: true, threads });
  };
  let shallowEncoder: Promise<OnnxProgram> | undefined;
  let deepEncoder: Promise<OnnxProgram> | undefined;
  let decoder: Promise<OnnxProgram> | undefined;
  let errorGradients: Promise<OnnxProgram> | undefined;
  const entropyNetworks = new Map<EntropyNetwork, Promise<OnnxProgram>>();
  const { channels, context, hyperLatents, latents } = model.config;
  const run = async (
    program: OnnxProgram,
    inputs: Record<string, Float32Array>,
    shapeOf: (name: string) => readonly number[],
  ): Promise<Record<string, Float32Array>> => {
    const feeds = Object.entries(inputs).map(([name, data]) => {
      const shape = name.startsWith('gain.') ? [1, data.length, 1, 1] : shapeOf(name);
      return [name, { data, shape }] as const;
    });
    const results = await program.run(Object.fromEntries(feeds));
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data]));
  };
  return {
    name: 'onnxruntime',
    shallow: async (planes, height, width) => {
      shallowEncoder ??= compile(shallowEncoderGraph(model.config, nominal, nominal));
      const { shallow } = await run(await shallowEncoder, { x: planes }, () => [1, 3, height, width]);
      return { values: shallow, height, width };
    },
    analyse: async (shallow, rate) => {
      deepEncoder ??= compile(deepEncoderGraph(model.config, nominal, nominal));
      const shape = [1, channels, shallow.height / patch, shallow.width / patch];
      return analysed(await run(await deepEncoder, analysisInputs(shallow, rate), () => shape));
    },
    synthesise: async (passes, height, width, rate) => {
      decoder ??= compile(decoderGraph(model.config, nominal, nominal));
      const shape = [1, latents, height / 32, width / 32];
      return (await run(await decoder, synthesisInputs(passes, rate), () => shape)).x;
    },
    errorGradient: async (passes, { planes, weights }, height, width, rate) => {
      errorGradients ??= compile(errorGradientGraph(model.config, nominal, nominal));
      const inputs = { ...synthesisInputs(passes, rate), x: planes, weights };
      const shapeOf = (name: string): readonly number[] => {
        if (name === 'x') return [1, 3, height, width];
        return name === 'weights' ? [1, 1, height, width] : [1, latents, height / 32, width / 32];
      };
      return byPass(await run(await errorGradients, inputs, shapeOf), 'gradient');
    },
    entropyNetworks: async (network, inputs, height, width) => {
      const program =
        entropyNetworks.get(network) ?? compile(entropyNetworkGraph(model.config, network, nominal, nominal));
      entropyNetworks.set(network, program);
      return run(await program, inputs, (name) => {
        if (name === 'bias') return [1, inputs.bias.length, 1, 1];
        if (name === 'hyperLatents') return [1, hyperLatents, height / 64, width / 64];
        return name === 'features'
          ? [1, context, height / 16, width / 16]
          : [1, latents, height / 32, width / 32];
      });
    },
  };
}

/**
 * The engine of that name; `auto` is onnxruntime where it loads, else wasm.
 * @throws UnsupportedError where onnxruntime is asked for but does not load; UsageError for an unknown name.
 */
export async function createTransformEngine(
  model: ModelParts,
  name: EngineName,
  threads: number,
): Promise<TransformEngine> {
  if (!engineNames.includes(name)) {
    throw new UsageError(`engine: expected one of ${engineNames.join(', ')}, got ${name}`);
  }
  if (name === 'wasm') return createWasmTransforms(model);
  try {
    // Imported here, so that browsers and installations without onnxruntime never load it.
    const { loadOnnxRuntime, OnnxProgram } = await import('../src/engines/onnxruntime.js');
    const runtime = await loadOnnxRuntime();
    return createOnnxTransforms(model, { runtime, compile: OnnxProgram.compile }, threads);
  } catch (error) {
    if (name === 'auto' && error instanceof UnsupportedError) return createWasmTransforms(model);
    throw error;
  }
}
