/**
 * From indices to values, the same on both sides and on every machine: integers, then two correctly rounded float32
 * operations (docs/FORMAT.md, "Values of latents").
 *
 * A value is the grid integer of its index times the step, moved away from zero by an offset that depends on the table
 * and on the magnitude of the index: 1, 2, or 3 and more. Zero stays zero. Offsets make up for what a decoder that was
 * trained on rounded latents takes for granted about the error (src/training/fit-offsets.ts).
 */
import { gridIntegers, type StateMachine } from '../../trellis/index.js';
import type { TableIndices } from '../entropy/index.js';

/** Magnitudes that have an offset of their own; the last stands for all larger ones. */
export const offsetColumns = 3;

/** What values depend on besides their indices. */
export interface Reconstruction {
  readonly step: number;
  /** By table and magnitude, `[tables, offsetColumns]`, in latents. */
  readonly offsets: Float32Array;
}

/**
 * Values of the indices of one context pass, in latents.
 *
 * @param tableIndices the table that each index was coded with
 * @param machine of a trellis-coded quantizer
 * @example
 * const offsets = Float32Array.of(0.25, 0, 0);
 * const values = dequantizeLatents(Int32Array.of(0, -1, 2), new Uint8Array(3), { step: 0.5, offsets });
 * Array.from(values); // => [0, -0.75, 1]
 */
export function dequantizeLatents(
  indices: Int32Array,
  tableIndices: TableIndices,
  { step, offsets }: Reconstruction,
  machine?: StateMachine,
): Float32Array {
  const grid = machine ? gridIntegers(indices, { machine }) : indices;
  const values = new Float32Array(indices.length);
  for (let n = 0; n < indices.length; n++) {
    const index = indices[n];
    if (index === 0) continue;
    const magnitude = Math.min(Math.abs(index), offsetColumns);
    const offset = offsets[offsetColumns * tableIndices[n] + magnitude - 1];
    const value = Math.fround(grid[n] * step);
    values[n] = index > 0 ? value + offset : value - offset;
  }
  return values;
}
