/**
 * Rounding and powers of two, the same on every machine: additions and bit patterns only, no transcendental functions.
 * Source: IEEE 754-2019; adding 1.5 * 2^52 leaves a float64 no room for a fraction, so that the hardware rounds it half to
 * even.
 */

const wholeOnly = 6755399441055744;

/**
 * Nearest whole number, half to even, for magnitudes below 2^51.
 *
 * @example
 * [0.5, 1.5, -2.5, 2.51].map(roundHalfEven); // => [0, 2, -2, 3]
 */
export function roundHalfEven(value: number): number {
  return value + wholeOnly - wholeOnly;
}

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/**
 * 2^exponent for whole exponents from -1022 to 1023, exactly.
 *
 * @example
 * [powerOfTwo(-1), powerOfTwo(10)]; // => [0.5, 1024]
 */
export function powerOfTwo(exponent: number): number {
  doubleWords[0] = 0;
  doubleWords[1] = (exponent + 1023) << 20;
  return double[0];
}

/**
 * The whole part of log2 of a positive normal float64.
 *
 * @example
 * [0.75, 1, 7.9, 2 ** -149].map(floorLog2); // => [-1, 0, 2, -149]
 */
export function floorLog2(value: number): number {
  double[0] = value;
  return ((doubleWords[1] >>> 20) & 2047) - 1023;
}

/**
 * Largest magnitude of values[start .. end), 0 where there are none.
 *
 * @example
 * largestMagnitude(Float32Array.of(1, -3, 2), 0, 3); // => 3
 */
export function largestMagnitude(values: Float32Array, start: number, end: number): number {
  let largest = 0;
  for (let i = start; i < end; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

/**
 * Mean magnitude of values[start .. end), 0 where there are none.
 *
 * @example
 * meanMagnitude(Float32Array.of(1, -3, 2), 0, 3); // => 2
 */
export function meanMagnitude(values: Float32Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.abs(values[i]);
  return end > start ? sum / (end - start) : 0;
}
