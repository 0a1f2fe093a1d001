/**
 * Numbers as a stream of levels with their step: what trellis-coded tensors are stored as in weights' own files.
 *
 *     step    float32, little-endian, above 0 and finite
 *     levels  one stream (levels.ts), dependent: the trellis is `nnc8`
 *
 * A value is its grid integer times the step, rounded to float32: integers and one product, so every machine gets the
 * same bits.
 */
import { FormatError } from '../../src/errors.js';
import { gridIntegers } from '../dequantize.js';
import { cutToFloat32, largestFloat32 } from './finite.js';
import { decodeLevelsFast } from './levels-kernel.js';

/** Levels with the distance of neighbouring grid integers. */
export interface SteppedLevels {
  readonly step: number;
  readonly levels: Int32Array;
}

const stepBytes = 4;

/**
 * Values of levels.
 *
 * @param dependent false for levels of uniform quantization, which are grid integers themselves; default true
 * @example
 * Array.from(valuesOfLevels({ step: 0.5, levels: Int32Array.of(1, 0, -2) })); // => [1, 0, -1.5]
 */
export function valuesOfLevels({ step, levels }: SteppedLevels, dependent = true): Float32Array {
  const grid = dependent ? gridIntegers(levels, { machine: 'nnc8' }) : levels;
  const values = new Float32Array(grid.length);
  for (let n = 0; n < grid.length; n++) values[n] = cutToFloat32(grid[n] * step);
  return values;
}

/** The bytes of a step and a stream of levels. */
export function joinStep(step: number, stream: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(stepBytes + stream.length);
  new DataView(bytes.buffer).setFloat32(0, step, true);
  bytes.set(stream, stepBytes);
  return bytes;
}

/** Bytes that `joinStep` makes of a stream of that length. */
export const joinedLength = (streamLength: number): number => stepBytes + streamLength;

/**
 * Step and levels in such bytes.
 *
 * @param count how many levels there are
 * @param where what to call them in messages
 * @throws FormatError for a step that is not finite and above 0, and for a damaged stream
 * @example
 * const stream = encodeLevels(Int32Array.of(3, 0, -1), { dependent: true });
 * readSteppedLevels(joinStep(0.25, stream), 3, 'an example').step; // => 0.25
 */
export function readSteppedLevels(
  bytes: Uint8Array,
  count: number,
  where: string,
  dependent = true,
): SteppedLevels {
  if (bytes.length <= stepBytes) {
    throw new FormatError(`Expected a step and a stream for ${where}, got ${bytes.length} bytes`);
  }
  const step = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  if (!(step > 0 && step <= largestFloat32)) {
    throw new FormatError(`Expected a finite step above 0 for ${where}, got ${step}`);
  }
  return { step, levels: decodeLevelsFast(bytes.subarray(stepBytes), count, { dependent }) };
}
