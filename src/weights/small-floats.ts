/**
 * Floats of 8 and 4 bits: E4M3 (bias 7, no infinities, 0x7f is NaN, largest 448), E8M0 (a power of two, bias 127, 255 is
 * NaN) and E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6 with a sign). Codes are unsigned bit patterns, sign first.
 *
 * Narrowing rounds to nearest, ties to even, and saturates.
 * Source: OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0, section 5.
 */
import { floorLog2, powerOfTwo, roundHalfEven } from './rounding.js';

/** Values of the 16 codes of E2M1. */
export const e2m1Levels: Float32Array = Float32Array.of(
  ...[0, 0.5, 1, 1.5, 2, 3, 4, 6],
  ...[-0, -0.5, -1, -1.5, -2, -3, -4, -6],
);

/** Largest magnitude of E2M1. */
export const largestE2m1 = 6;

/** Code of a magnitude times 4 that was rounded to odd below; see e2m1FromFloat. */
const e2m1ByEighth = (() => {
  // Ties of E2M1 lie at multiples of 1/4; in eighths a value between two ties and a tie itself have different entries.
  const codes = new Uint8Array(2 * 4 * largestE2m1 + 1);
  const ties = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5];
  for (let eighth = 0; eighth < codes.length; eighth++) {
    const value = eighth / 8;
    let code = 0;
    // Code k ends at tie k, which belongs to it where it is even.
    while (code < 7 && (value > ties[code] || (value === ties[code] && code % 2 === 1))) code++;
    codes[eighth] = code;
  }
  return codes;
})();

/**
 * Code 0..15 of the nearest E2M1 value, ties to even codes; magnitudes above 6 become 6.
 *
 * @example
 * [2.5, 3.5, 5, 5.01, 0.25, 0.75, -9].map((x) => e2m1Levels[e2m1FromFloat(x)]); // => [2, 4, 4, 6, 0, 1, -6]
 */
export function e2m1FromFloat(value: number): number {
  const magnitude = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? 8 : 0;
  if (!(magnitude < largestE2m1)) return sign | 7;
  // The whole quarter, doubled, plus one where something lies above it: an exact stand-in for comparisons with ties.
  const quarters = magnitude * 4;
  const whole = quarters | 0;
  return sign | e2m1ByEighth[2 * whole + (quarters > whole ? 1 : 0)];
}

/**
 * Sum of squared errors of values[start .. end) as E2M1 times a scale, each times its importance where there is one.
 *
 * @example
 * e2m1Error(Float32Array.of(3, 5, 13), 0, 3, 2); // => 2
 */
export function e2m1Error(
  values: Float32Array,
  start: number,
  end: number,
  scale: number,
  importance?: Float32Array,
): number {
  const inverse = 1 / scale;
  let sum = 0;
  for (let i = start; i < end; i++) {
    const error = values[i] * inverse - e2m1Levels[e2m1FromFloat(values[i] * inverse)];
    sum += importance ? importance[i] * error * error : error * error;
  }
  return sum * scale * scale;
}

const largestE4m3 = 448;

/**
 * Bit pattern of the nearest E4M3 value; magnitudes above 448 become 448, NaN stays NaN.
 *
 * @example
 * [1, 448, 1000, -0.0625].map(e4m3FromFloat); // => [56, 126, 126, 152]
 */
export function e4m3FromFloat(value: number): number {
  if (Number.isNaN(value)) return 0x7f;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(value), largestE4m3);
  const exponent = Math.max(magnitude > 0 ? floorLog2(magnitude) : -6, -6);
  // In units of the last mantissa bit; a carry moves into the exponent as it should.
  const units = roundHalfEven(magnitude * powerOfTwo(3 - exponent));
  return sign | (units < 8 ? units : (exponent + 6) * 8 + units);
}

/** Values of the 256 bit patterns of E4M3. */
export const e4m3Levels: Float32Array = Float32Array.from({ length: 256 }, (_, bits) => {
  if ((bits & 0x7f) === 0x7f) return Number.NaN;
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  const magnitude = exponent === 0 ? mantissa / 512 : (8 + mantissa) * powerOfTwo(exponent - 10);
  return bits & 0x80 ? -magnitude : magnitude;
});

/** Value of an E8M0 byte: 2^(byte - 127); NaN for 255. */
export function e8m0ToFloat(byte: number): number {
  return byte === 255 ? Number.NaN : powerOfTwo(byte - 127);
}

/**
 * E8M0 byte of a power of two given by its exponent, saturated at 2^-127 and 2^127.
 *
 * @example
 * [e8m0FromExponent(-1), e8m0FromExponent(-200)]; // => [126, 0]
 */
export function e8m0FromExponent(exponent: number): number {
  return Math.min(254, Math.max(0, exponent + 127));
}
