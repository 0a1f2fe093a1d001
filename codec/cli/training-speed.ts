/**
 * Speed of a training step against a plain matrix product on the same engine in the same run: what part of the
 * machine's arithmetic training uses. Operations are counted from the graph of the step, gradients included.
 */
import { OnnxProgram, type OnnxRuntime } from '../../src/engines/onnxruntime.js';
import { totalMacs } from '../../src/graph/complexity.js';
import { Graph, matMul, sizeOf } from '../../src/graph/index.js';
import { initialWeights } from '../../src/training/initial-weights.js';
import { Random } from '../../src/training/random.js';
import { defaultRunOptions, parameterSpecs } from '../../src/training/train.js';
import { buildTrainingGraph, initialState, Trainer } from '../../src/training/trainer.js';
import { lambdaOf, type NetworkConfig } from '../networks/config.js';
import { median } from './sample.js';

export interface TrainingSpeedOptions {
  readonly batch: number;
  readonly crop: number;
  readonly threads: number;
  readonly runs: number;
}

export interface TrainingSpeed {
  readonly secondsPerStep: number;
  readonly gigaflopPerStep: number;
  readonly gigaflopPerSecond: number;
  /** GFLOP/s of a 1024 x 1024 x 1024 matrix product. */
  readonly matMulGigaflopPerSecond: number;
  /** The first as a part of the second, in percent. */
  readonly percent: number;
}

const matrixSide = 1024;

/** Median seconds of an action after one warm-up. */
async function timed(runs: number, action: () => Promise<unknown>): Promise<number> {
  await action();
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const started = performance.now();
    await action();
    times.push((performance.now() - started) / 1000);
  }
  return median(times);
}

async function matMulSeconds(runtime: OnnxRuntime, { threads, runs }: TrainingSpeedOptions): Promise<number> {
  const graph = new Graph();
  const shape = [matrixSide, matrixSide];
  const product = matMul(graph.input('a', shape), graph.input('b', shape));
  const program = await OnnxProgram.compile(runtime, { product }, { threads });
  const random = Random.of(1, 1);
  const matrix = (): { data: Float32Array; shape: number[] } => {
    const data = new Float32Array(sizeOf(shape));
    random.fillNoise(data);
    return { data, shape };
  };
  const inputs = { a: matrix(), b: matrix() };
  const seconds = await timed(Math.max(10, 4 * runs), () => program.run(inputs));
  await program.release();
  return seconds;
}

/** Measures the step of a network on made-up pictures. */
export async function trainingSpeed(
  runtime: OnnxRuntime,
  config: NetworkConfig,
  options: TrainingSpeedOptions,
): Promise<TrainingSpeed> {
  const { batch, crop, threads, runs } = options;
  const sizes = { batch, height: crop, width: crop, clipNorm: defaultRunOptions.clipNorm };
  const graph = buildTrainingGraph(config, sizes);
  const gigaflopPerStep = (2 * totalMacs(Object.values(graph.outputs))) / 1e9;
  const state = initialState(initialWeights(parameterSpecs(config), config, 1));
  const trainer = await Trainer.create(runtime, config, { ...sizes, optimizer: 'adam', threads }, state);
  const data = new Map<string, Float32Array>();
  for (const [name, shape] of trainer.dataShapes) {
    const values = new Float32Array(sizeOf(shape));
    if (name === 'x' || name.startsWith('noise.')) Random.of(2, data.size).fillNoise(values);
    else if (name === 'hat') values.fill(1 / config.ratePoints);
    else values.fill(name === 'lambda' ? lambdaOf(50) : 1);
    data.set(name, values);
  }
  let step = 0;
  const secondsPerStep = await timed(runs, () =>
    trainer.step(data, { learningRate: 1e-6, emaDecay: 0.999, step: ++step }),
  );
  await trainer.release();
  const gigaflopPerSecond = gigaflopPerStep / secondsPerStep;
  const matMulGigaflopPerSecond = (2 * matrixSide ** 3) / 1e9 / (await matMulSeconds(runtime, options));
  return {
    secondsPerStep,
    gigaflopPerStep,
    gigaflopPerSecond,
    matMulGigaflopPerSecond,
    percent: (100 * gigaflopPerSecond) / matMulGigaflopPerSecond,
  };
}
