/**
 * Second moments of what the layers of the transforms see, which calibrated schemes weigh errors by: pictures go through the
 * model as it is, at several qualities, in the exact engine, so that every machine gets the same numbers.
 *
 * Moments of 1x1 layers are those of their inputs' channels. A depthwise layer has one matrix for all channels, of 3x3
 * patches: its rows then share what neighbouring pixels have in common. The synthesis sees rounded latents.
 */
import { compileExact, type ExactProgram, ExactWeights } from '../../codec/exact/index.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { type RatePoint, ratePointOf } from '../../codec/model/rate-point.js';
import {
  type CoderGraph,
  decoderGraph,
  deepEncoderGraph,
  shallowEncoderGraph,
} from '../../codec/networks/coder-graphs.js';
import { contextPasses, pictureMultiple } from '../../codec/networks/config.js';
import { toPlanes } from '../../codec/pixels.js';
import { UsageError } from '../../src/errors.js';
import type { Tensor } from '../../src/graph/index.js';
import type { Image } from '../../src/io/index.js';
import { SecondMoments } from '../../src/weights/hessian.js';

/** Second moments [columns, columns] by the name of the weights. */
export type Hessians = ReadonlyMap<string, Float32Array>;

export interface CalibrationOptions {
  /** Qualities that pictures are coded at. */
  readonly qualities?: readonly number[];
}

export const defaultCalibrationOptions = Object.freeze({
  qualities: [15, 45, 75] as readonly number[],
});

/** A layer: the name of its weights and what it sees. */
interface Layer {
  readonly name: string;
  readonly input: Tensor;
  readonly depthwise: boolean;
}

/** The layers that outputs depend on. */
function layersOf(outputs: Readonly<Record<string, Tensor>>): Layer[] {
  const layers = new Map<string, Layer>();
  const seen = new Set<Tensor>();
  const visit = (node: Tensor): void => {
    if (seen.has(node)) return;
    seen.add(node);
    const [input, weights] = node.inputs;
    if ((node.op === 'pointwise' || node.op === 'depthwise') && weights.name !== undefined) {
      layers.set(weights.name, { name: weights.name, input, depthwise: node.op === 'depthwise' });
    }
    node.inputs.forEach(visit);
  };
  Object.values(outputs).forEach(visit);
  return [...layers.values()];
}

const watched = (name: string): string => `input of ${name}`;

/** A graph of which the inputs of all layers are outputs too, counted as it runs. */
class WatchedGraph {
  readonly #layers: readonly Layer[];
  readonly #program: ExactProgram;
  readonly #moments: Map<string, SecondMoments>;

  constructor({ outputs }: CoderGraph, weights: ExactWeights, moments: Map<string, SecondMoments>) {
    this.#layers = layersOf(outputs);
    const inputs = this.#layers.map(({ name, input }) => [watched(name), input] as const);
    this.#program = compileExact({ ...outputs, ...Object.fromEntries(inputs) }, weights);
    this.#moments = moments;
  }

  run(inputs: Record<string, Float32Array>): Record<string, Float32Array> {
    const results = this.#program.run(inputs);
    for (const { name, input, depthwise } of this.#layers) {
      const [, channels, height, width] = input.shape;
      const values = results[watched(name)];
      const columns = depthwise ? 9 : channels;
      const moments = this.#moments.get(name) ?? new SecondMoments(columns);
      this.#moments.set(name, moments);
      const plane = height * width;
      if (!depthwise) moments.addPatches(values, [channels, height, width], { kernel: [1, 1] });
      for (let c = 0; depthwise && c < channels; c++) {
        const channel = values.subarray(c * plane, (c + 1) * plane);
        moments.addPatches(channel, [1, height, width], { kernel: [3, 3] });
      }
    }
    return results;
  }
}

const gains = (features: Float32Array, latents: Float32Array): Record<string, Float32Array> => ({
  'gain.features': features,
  'gain.latents': latents,
});

function passesOf(results: Record<string, Float32Array>): Record<string, Float32Array> {
  const names = Array.from({ length: contextPasses }, (_, pass) => `pass${pass}`);
  return Object.fromEntries(names.map((name) => [name, results[name].map(Math.round)]));
}

const padded = (side: number): number => Math.ceil(side / pictureMultiple) * pictureMultiple;

/**
 * Second moments of the inputs of all layers of the transforms.
 *
 * @param images of 1 or 3 channels; crops of 256 pixels are large enough
 * @throws UsageError for no images
 * @example
 * const hessians = calibrate(model, [photograph]);
 * hessians.get('synthesis.in.weight').length; // latents * latents
 */
export function calibrate(
  model: ParsedModel,
  images: readonly Image[],
  { qualities = defaultCalibrationOptions.qualities }: CalibrationOptions = {},
): Hessians {
  if (images.length === 0) throw new UsageError('calibration: expected at least one picture, got none');
  const weights = new ExactWeights(model.parameters);
  const moments = new Map<string, SecondMoments>();
  const rates = qualities.map((quality): RatePoint => ratePointOf(model, quality));
  const graphs = new Map<string, { shallow: WatchedGraph; deep: WatchedGraph; decoder: WatchedGraph }>();
  for (const image of images) {
    const [height, width] = [padded(image.height), padded(image.width)];
    const key = `${height}x${width}`;
    const watch = (build: typeof decoderGraph): WatchedGraph =>
      new WatchedGraph(build(model.config, height, width), weights, moments);
    const { shallow, deep, decoder } = graphs.get(key) ?? {
      shallow: watch(shallowEncoderGraph),
      deep: watch(deepEncoderGraph),
      decoder: watch(decoderGraph),
    };
    graphs.set(key, { shallow, deep, decoder });
    const planes = toPlanes(image, { x: 0, y: 0, width, height });
    const features = shallow.run({ x: planes }).shallow;
    for (const rate of rates) {
      const analysis = gains(rate.analysisFeatures, rate.analysisLatents);
      const latents = deep.run({ shallow: features, ...analysis });
      decoder.run({ ...passesOf(latents), ...gains(rate.synthesisFeatures, rate.synthesisLatents) });
    }
  }
  return new Map([...moments].map(([name, own]) => [name, own.mean()]));
}
