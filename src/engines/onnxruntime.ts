/**
 * onnxruntime-node as the engine of training and of fast inference. The package is optional: where it is missing,
 * `loadOnnxRuntime` says so and codec/exact serves instead. Results differ by rounding between machines and thread
 * counts, so nothing that feeds the entropy decoder may run here.
 */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { UnsupportedError, UsageError } from '../errors.js';
import {
  depthwise,
  depthwiseFilterGradient,
  Graph,
  type Shape,
  sizeOf,
  type Tensor,
} from '../graph/index.js';
import { type LowerOptions, lowerToOnnx } from '../graph/onnx/lower.js';

export type OnnxRuntime = typeof import('onnxruntime-node');

/** Values with their shape, as engines exchange them. */
export interface TensorData {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** Imports onnxruntime-node; UnsupportedError where it is not installed or does not load. */
export async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    const module = await import('onnxruntime-node');
    return (module as unknown as { default?: OnnxRuntime }).default ?? module;
  } catch (cause) {
    throw new UnsupportedError(
      `onnxruntime-node: expected the optional package to load, got: ${(cause as Error).message.split('\n')[0]} (install it with: npm install onnxruntime-node, or use the engine "wasm")`,
    );
  }
}

export interface SessionOptions {
  /** Threads of one run; 0 leaves the choice to onnxruntime. */
  readonly threads?: number;
}

/** Creates an onnxruntime session with the settings that were measured to be the fastest here. */
export function createSession(
  runtime: OnnxRuntime,
  bytes: Uint8Array,
  { threads = 0 }: SessionOptions = {},
): Promise<InferenceSession> {
  return runtime.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
}

/**
 * A compiled graph. Sizes may be left open (see LowerOptions.openSizes), so shapes travel with the data.
 *
 * @example
 * const program = await OnnxProgram.compile(runtime, { y }, { weights });
 * const { y } = await program.run({ x: { data, shape: [1, 3, 64, 64] } });
 */
export class OnnxProgram {
  readonly #runtime: OnnxRuntime;
  readonly #session: InferenceSession;

  private constructor(runtime: OnnxRuntime, session: InferenceSession) {
    this.#runtime = runtime;
    this.#session = session;
  }

  static async compile(
    runtime: OnnxRuntime,
    outputs: Readonly<Record<string, Tensor>>,
    options: LowerOptions & SessionOptions = {},
  ): Promise<OnnxProgram> {
    const { bytes } = lowerToOnnx(outputs, options);
    return new OnnxProgram(runtime, await createSession(runtime, bytes, options));
  }

  async run(inputs: Readonly<Record<string, TensorData>>): Promise<Record<string, TensorData>> {
    const feeds: Record<string, OrtTensor> = {};
    for (const name of this.#session.inputNames) {
      const value = inputs[name];
      if (!value || value.data.length !== sizeOf(value.shape)) {
        throw new UsageError(
          `onnxruntime: expected input ${name} with as many values as its shape says, got ${value ? `${value.data.length} for [${value.shape}]` : 'none'}`,
        );
      }
      feeds[name] = new this.#runtime.Tensor('float32', value.data, value.shape);
    }
    const results = await this.#session.run(feeds);
    return Object.fromEntries(
      Object.entries(results).map(([name, { data, dims }]) => [
        name,
        { data: data as Float32Array, shape: dims },
      ]),
    );
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

let knownBlock: Promise<number> | undefined;

/**
 * Block size of onnxruntime's blocked layout on this machine: 16, 8 or 0 (use the portable form). A wrong size gives
 * wrong numbers without an error, so both depthwise forms are run on small data and compared.
 */
export function detectBlockSize(runtime: OnnxRuntime): Promise<number> {
  knownBlock ??= findBlockSize(runtime);
  return knownBlock;
}

async function findBlockSize(runtime: OnnxRuntime): Promise<number> {
  const graph = new Graph();
  const x = graph.input('x', [2, 32, 6, 7]);
  const w = graph.input('w', [32, 3, 3]);
  const y = depthwise(x, w);
  const outputs = { y, flipped: depthwise(x, w, undefined, true), dw: depthwiseFilterGradient(x, y, [3, 3]) };
  const ramp = (shape: Shape, period: number): TensorData => ({
    data: Float32Array.from({ length: sizeOf(shape) }, (_, k) => ((k * 7919) % period) / period - 0.5),
    shape,
  });
  const inputs = { x: ramp(x.shape, 1009), w: ramp(w.shape, 61) };
  const run = async (block: number): Promise<Record<string, TensorData>> => {
    const program = await OnnxProgram.compile(runtime, outputs, { block, threads: 1 });
    const result = await program.run(inputs);
    await program.release();
    return result;
  };
  const expected = await run(0);
  for (const block of [16, 8]) {
    try {
      const got = await run(block);
      const close = Object.entries(expected).every(([name, { data }]) =>
        data.every((value, k) => Math.abs(value - got[name].data[k]) < 1e-3),
      );
      if (close) return block;
    } catch {
      // This build of onnxruntime has no such kernels; try the next size.
    }
  }
  return 0;
}
