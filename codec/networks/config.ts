/**
 * Sizes of the networks and the rate points of the variable-rate model. Everything that distinguishes `tiny` from
 * `base` is here; there is one code path.
 *
 * Rate points: quality q in [0,100] means the Lagrangian lambda(q) = 0.001 * 250^(q/100) of the loss
 * lambda * 255^2 * MSE(RGB in [0,1]) + bits per pixel. Tables indexed by rate point hold `ratePoints` rows at equal
 * distances of q; between them values are interpolated linearly (hat functions).
 */
import { UsageError } from '../../src/errors.js';

export interface NetworkConfig {
  readonly name: string;
  /** Channels of the blocks at 1/8 of the picture's side. */
  readonly channels: number;
  /** Channels of the blocks at 1/16. */
  readonly deepChannels: number;
  /** Channels of the latents y at 1/16; a multiple of 4 (four context groups). */
  readonly latents: number;
  /** Channels of the hyper-latents z at 1/64. */
  readonly hyperLatents: number;
  /** Channels of the entropy networks' features at 1/16. */
  readonly context: number;
  /** Depth-conv blocks at 1/8, in each of analysis and synthesis. */
  readonly blocks: number;
  /** Depth-conv blocks at 1/16, in each of analysis and synthesis. */
  readonly deepBlocks: number;
  /** Depth-conv blocks in each context pass, at 1/16; none where it is missing. */
  readonly contextBlocks?: number;
  /** Rows of every table that depends on the rate. */
  readonly ratePoints: number;
}

export const networkConfigs = {
  tiny: {
    name: 'tiny',
    channels: 32,
    deepChannels: 48,
    latents: 48,
    hyperLatents: 16,
    context: 24,
    blocks: 1,
    deepBlocks: 1,
    ratePoints: 8,
  },
  base: {
    name: 'base',
    channels: 192,
    deepChannels: 256,
    latents: 256,
    hyperLatents: 96,
    context: 144,
    blocks: 5,
    deepBlocks: 6,
    contextBlocks: 2,
    ratePoints: 8,
  },
} as const satisfies Record<string, NetworkConfig>;

export type NetworkName = keyof typeof networkConfigs;

/** Context passes: four, each over one quarter of the (channel group, position) pairs. */
export const contextPasses = 4;
/** A picture is padded to a multiple of this: one hyper-latent covers 64 x 64 pixels. */
export const pictureMultiple = 64;
/** Slope of every LeakyReLU. */
export const leakySlope = 0.01;

const lambdaAtZero = 0.001;
const lambdaRange = 250;

/** The Lagrangian of a quality in [0,100]. */
export function lambdaOf(quality: number): number {
  return lambdaAtZero * lambdaRange ** (quality / 100);
}

/** UsageError unless quality is a number in [0,100]. */
export function checkQuality(quality: number): void {
  if (!(quality >= 0 && quality <= 100)) {
    throw new UsageError(`quality: expected a number from 0 to 100, got ${quality}`);
  }
}

/**
 * Weights of the rate points for a quality: at most two are not zero and they sum to 1. Only correctly rounded
 * operations are used, because the entropy networks depend on these numbers on both sides.
 *
 * @example
 * hatWeights(50, 5); // [0, 0, 1, 0, 0]
 */
export function hatWeights(quality: number, ratePoints: number): Float32Array {
  checkQuality(quality);
  const position = (quality * (ratePoints - 1)) / 100;
  const weights = new Float32Array(ratePoints);
  const lower = Math.min(Math.floor(position), ratePoints - 2);
  weights[lower] = 1 - (position - lower);
  weights[lower + 1] = position - lower;
  return weights;
}

/** Row `weights` of a [ratePoints, channels] table: products in float32, summed in ascending order. */
export function interpolateRow(table: Float32Array, weights: Float32Array): Float32Array {
  const channels = table.length / weights.length;
  const row = new Float32Array(channels);
  for (let point = 0; point < weights.length; point++) {
    if (weights[point] === 0) continue;
    for (let c = 0; c < channels; c++) {
      row[c] += Math.fround(weights[point] * table[point * channels + c]);
    }
  }
  return row;
}
