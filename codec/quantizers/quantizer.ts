/**
 * The one interface of all quantizers of latents. A quantizer sees the latents of one context pass of one tile in coding
 * order, mean removed, and chooses the integers to code. What those mean is the same for encoder and decoder and needs
 * no quantizer: a grid integer (the index itself or, with a state machine, what trellis/dequantize.ts says) times the step.
 *
 * Rate-aware quantizers minimise  sum of (residual - value)^2 + lagrangian * bits  with the tables that code the file.
 * Units: residuals and steps in latents, the Lagrangian in squared latents per bit.
 */
import type { StateMachine } from '../../trellis/index.js';
import type { TableSet } from '../entropy/index.js';
import type { QuantizerName } from '../format/index.js';

export interface QuantizationTask {
  /** Latents minus their means. */
  readonly residuals: Float32Array;
  /** Scale index of each latent: its table or, with a state machine, its pair of tables. */
  readonly scaleIndices: Uint8Array;
  /** By scale index or, with a state machine, by `2 * scale index + quantizer of the state`. */
  readonly tables: TableSet;
  /** Distance of neighbouring values that some index can stand for. */
  readonly step: number;
  /** Price of a bit; quantizers that ignore the rate ignore it. */
  readonly lagrangian: number;
}

export interface LatentQuantizer {
  readonly name: QuantizerName;
  /** Chooses between the two tables and grids of a scale; scalar quantizers have none. */
  readonly machine?: StateMachine;
  /** Integers to code, one per residual. */
  quantize(task: QuantizationTask): Int32Array;
}
