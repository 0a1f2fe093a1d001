/**
 * Scales as they are kept: float32, or float16 relative to one power of two of the tensor. The power of two makes the
 * largest scale of the tensor lie in [2^14, 2^15), so that tensors of any size, denormal ones too, keep 11 bits of
 * precision over a range of 2^29, and multiplying a tensor by a power of two multiplies its scales exactly.
 */
import { float16ToFloat32, float32ToFloat16 } from '../io/half.js';
import { largestMagnitude, powerOfTwo } from './rounding.js';

export type ScaleFormat = 'float16' | 'float32';

/** Exponent that float16 gives the largest scale. */
const topExponent = 14;
const least = -127;

const single = new Float32Array(1);
const singleWord = new Uint32Array(single.buffer);

/** Bits of a float32 rounded to 11 significant bits, half to even. */
function roundedWord(value: number): number {
  single[0] = value;
  return (singleWord[0] + 0xfff + ((singleWord[0] >>> 13) & 1)) & ~0x1fff;
}

/**
 * A scale as the format keeps it where the others of its tensor are not known yet; the same as roundScales gives unless
 * the largest one is more than 2^28 times as large.
 *
 * @param scale at least 0
 * @example
 * roundScale(1.0001, 'float16'); // => 1
 */
export function roundScale(scale: number, format: ScaleFormat): number {
  if (format === 'float32') return Math.fround(scale);
  singleWord[0] = roundedWord(scale);
  return single[0];
}

/** The power of two that float16 scales are relative to: whole log2 of the largest one, rounded to 11 bits before. */
function scaleExponent(scales: Float32Array): number {
  return (roundedWord(largestMagnitude(scales, 0, scales.length)) >>> 23) - 127;
}

function toHalf(scales: Float32Array, exponent: number): Uint16Array {
  const factor = powerOfTwo(topExponent - exponent);
  return float32ToFloat16(scales.map((scale) => scale * factor));
}

function fromHalf(halves: Uint16Array, exponent: number): Float32Array {
  const factor = powerOfTwo(exponent - topExponent);
  return float16ToFloat32(halves).map((half) => half * factor);
}

/**
 * The nearest scales that the format has.
 *
 * @example
 * Array.from(roundScales(Float32Array.of(1, 0.0999755859375), 'float16')); // => [1, 0.0999755859375]
 */
export function roundScales(scales: Float32Array, format: ScaleFormat): Float32Array {
  if (format === 'float32') return scales;
  const exponent = scaleExponent(scales);
  return fromHalf(toHalf(scales, exponent), exponent);
}

/** Bits that so many scales take. */
export const scaleBits = (count: number, format: ScaleFormat): number =>
  format === 'float32' ? 32 * count : 8 + 16 * count;

/** Scales that roundScales has given, as bytes. */
export function packScales(scales: Float32Array, format: ScaleFormat): Uint8Array {
  if (format === 'float32') return new Uint8Array(scales.slice().buffer);
  const exponent = scaleExponent(scales);
  const bytes = new Uint8Array(1 + 2 * scales.length);
  bytes[0] = exponent - least;
  bytes.set(new Uint8Array(toHalf(scales, exponent).buffer), 1);
  return bytes;
}

/** Reverses packScales. */
export function unpackScales(bytes: Uint8Array, format: ScaleFormat): Float32Array {
  // Copied by the constructor: `slice` of a Buffer, which is a Uint8Array too, is a view of a larger one.
  if (format === 'float32') return new Float32Array(new Uint8Array(bytes).buffer);
  return fromHalf(new Uint16Array(new Uint8Array(bytes.subarray(1)).buffer), bytes[0] + least);
}
