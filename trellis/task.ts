/**
 * What the public search takes, and its checks: every error a caller can make is found here or, for what needs a look
 * at each latent, by the searches themselves, which name the first bad position.
 */
import { UsageError } from '../src/errors.js';
import { defaultMachine, type MachineName, machineOf, type StateMachine } from './machines.js';
import type { RateTables } from './rates.js';

export interface TrellisTask {
  /** Values to quantize, in coding order; means already removed. */
  readonly latents: Float32Array;
  /** Distance of neighbouring grid points in units of the latents. One quantizer alone has twice this step. */
  readonly step: number;
  /** Price of a bit in weighted squared units of the latents; 0 ignores the rate. */
  readonly lagrangian: number;
  /** Bits of indices. */
  readonly tables: RateTables;
  /** Table of each latent; default table 0 for all. */
  readonly tableIndices?: Uint8Array;
  /** Weight of each latent's squared error, 0 or more; default 1. See fixed-point.ts for how far they may spread. */
  readonly weights?: Float32Array;
  /** Nonzero where a latent is not coded: its index is 0 and the state stays. */
  readonly skip?: Uint8Array;
  /** Default `av2-8`. */
  readonly machine?: MachineName | StateMachine;
}

/** A task with its machine found and its lengths and numbers checked. */
export type CheckedTask = Omit<TrellisTask, 'machine'> & { readonly machine: StateMachine };

/** Latents must stay within this many steps. */
export const latentLimit = 2 ** 30;

/**
 * @throws UsageError where lengths differ, the step is not above 0, the Lagrangian is below 0, either is not finite, or
 *   the machine is unknown
 */
export function checkedTask(task: TrellisTask): CheckedTask {
  const { latents, step, lagrangian, machine = defaultMachine } = task;
  if (!(step > 0 && step < Infinity)) {
    throw new UsageError(`step: expected a finite number above 0, got ${step}`);
  }
  if (!(lagrangian >= 0 && lagrangian < Infinity)) {
    throw new UsageError(`lagrangian: expected a finite number of at least 0, got ${lagrangian}`);
  }
  for (const name of ['tableIndices', 'weights', 'skip'] as const) {
    const array = task[name];
    if (array && array.length !== latents.length) {
      throw new UsageError(
        `${name}: expected ${latents.length} entries, one per latent, got ${array.length}`,
      );
    }
  }
  return { ...task, machine: machineOf(machine) };
}

/** What is wrong with latent n, which a search could not take. */
export function latentError(
  { latents, step, tables, tableIndices, weights }: CheckedTask,
  n: number,
): UsageError {
  const table = tableIndices ? tableIndices[n] : 0;
  if (table >= tables.count) {
    return new UsageError(`tableIndices: expected 0 to ${tables.count - 1}, got ${table} at ${n}`);
  }
  if (weights && !(weights[n] >= 0 && weights[n] < Infinity)) {
    return new UsageError(`weights: expected finite numbers of at least 0, got ${weights[n]} at ${n}`);
  }
  return new UsageError(`latents: expected numbers within ±2^30 steps of ${step}, got ${latents[n]} at ${n}`);
}
