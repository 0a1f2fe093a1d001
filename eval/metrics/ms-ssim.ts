/**
 * Multi-scale structural similarity (Wang, Simoncelli and Bovik 2003) of 8-bit pictures, as published results use it.
 *
 * Five scales, 11x11 Gaussian window of deviation 1.5, no padding, means halved 2x2 between scales, weights 0.0448, 0.2856,
 * 0.3001, 0.2363, 0.1333, negative factors taken as 0; per colour of RGB, then averaged. This is what CompressAI
 * (pytorch-msssim) and TensorFlow's ssim_multiscale compute; where a side is odd before halving, its last row or column is
 * repeated, as in TensorFlow. Alpha is left out.
 * Units: 0..1, 1 for equal pictures; `msSsimDecibels` gives -10 log10(1 - x).
 */
import { UsageError } from '../../src/errors.js';
import type { Image } from '../../src/io/image.js';

const scaleWeights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const windowSide = 11;
const c1 = (0.01 * 255) ** 2;
const c2 = (0.03 * 255) ** 2;

/** The shorter side must be at least this, so that the window fits at the last scale. */
export const leastMsSsimSide = (windowSide - 1) * 2 ** (scaleWeights.length - 1) + 1;

const gaussian = ((): Float64Array => {
  const values = Float64Array.from({ length: windowSide }, (_, i) =>
    Math.exp(-((i - 5) ** 2) / (2 * 1.5 ** 2)),
  );
  const total = values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => value / total);
})();

interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float64Array;
}

const [w0, w1, w2, w3, w4, w5] = gaussian;

/**
 * Weighted mean of `windowSide` values that lie `stride` apart. Written out, as it is three times as fast as a loop.
 */
const mean = (data: Float64Array, n: number, stride: number): number =>
  w0 * data[n] +
  w1 * data[n + stride] +
  w2 * data[n + 2 * stride] +
  w3 * data[n + 3 * stride] +
  w4 * data[n + 4 * stride] +
  w5 * data[n + 5 * stride] +
  w4 * data[n + 6 * stride] +
  w3 * data[n + 7 * stride] +
  w2 * data[n + 8 * stride] +
  w1 * data[n + 9 * stride] +
  w0 * data[n + 10 * stride];

/** Gaussian mean around every pixel that has a whole window. */
function blur({ width, height, data }: Plane): Float64Array {
  const [w, h] = [width - windowSide + 1, height - windowSide + 1];
  const rows = new Float64Array(w * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < w; x++) rows[y * w + x] = mean(data, y * width + x, 1);
  }
  const result = new Float64Array(w * h);
  for (let n = 0; n < result.length; n++) result[n] = mean(rows, n, w);
  return result;
}

const product = (a: Plane, b: Plane): Plane => ({ ...a, data: a.data.map((value, n) => value * b.data[n]) });

/** Mean structural similarity, and the mean of its contrast and structure part, at one scale. */
function similarity(a: Plane, b: Plane): { whole: number; structure: number } {
  const [meanA, meanB] = [blur(a), blur(b)];
  const [squareA, squareB, mixed] = [blur(product(a, a)), blur(product(b, b)), blur(product(a, b))];
  let whole = 0;
  let structure = 0;
  for (let n = 0; n < meanA.length; n++) {
    const [ma, mb] = [meanA[n], meanB[n]];
    const variances = squareA[n] - ma * ma + (squareB[n] - mb * mb);
    const cs = (2 * (mixed[n] - ma * mb) + c2) / (variances + c2);
    structure += cs;
    whole += (cs * (2 * ma * mb + c1)) / (ma * ma + mb * mb + c1);
  }
  return { whole: whole / meanA.length, structure: structure / meanA.length };
}

/** Means of 2x2 pixels; an odd last row or column counts twice. */
function halve({ width, height, data }: Plane): Plane {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const result = new Float64Array(w * h);
  for (let y = 0; y < h; y++) {
    const top = 2 * y * width;
    const bottom = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < w; x++) {
      const left = 2 * x;
      const right = Math.min(left + 1, width - 1);
      result[y * w + x] =
        (data[top + left] + data[top + right] + data[bottom + left] + data[bottom + right]) / 4;
    }
  }
  return { width: w, height: h, data: result };
}

function channelOf({ width, height, channels, data }: Image, color: number): Plane {
  const first = channels < 3 ? 0 : color;
  const samples = Float64Array.from({ length: width * height }, (_, n) => data[n * channels + first]);
  return { width, height, data: samples };
}

function planeMsSsim(a: Plane, b: Plane): number {
  let result = 1;
  for (let scale = 0; scale < scaleWeights.length; scale++) {
    const { whole, structure } = similarity(a, b);
    const last = scale === scaleWeights.length - 1;
    result *= Math.max(last ? whole : structure, 0) ** scaleWeights[scale];
    if (!last) [a, b] = [halve(a), halve(b)];
  }
  return result;
}

/**
 * Multi-scale structural similarity over the colour samples of two pictures.
 *
 * @param a 8-bit picture of 1 to 4 channels, both sides at least 161
 * @param b picture of the same width and height; gray against RGB is allowed
 * @returns 0..1
 * @throws UsageError when the sizes differ or a side is too short
 * @example
 * msSsim(createImage(161, 161, 1), createImage(161, 161, 1)); // => 1
 */
export function msSsim(a: Image, b: Image): number {
  if (a.width !== b.width || a.height !== b.height) {
    throw new UsageError(
      `Expected two images of ${a.width}x${a.height} but the second is ${b.width}x${b.height}`,
    );
  }
  if (Math.min(a.width, a.height) < leastMsSsimSide) {
    throw new UsageError(
      `Expected sides of at least ${leastMsSsimSide} pixels for MS-SSIM, got ${a.width}x${a.height}`,
    );
  }
  const colors = Math.max(a.channels, b.channels) < 3 ? 1 : 3;
  let sum = 0;
  for (let color = 0; color < colors; color++) sum += planeMsSsim(channelOf(a, color), channelOf(b, color));
  return sum / colors;
}

/**
 * MS-SSIM in decibels, in which high values spread out: -10 log10(1 - x); Infinity for 1.
 *
 * @example
 * msSsimDecibels(0.99).toFixed(6); // => "20.000000"
 */
export function msSsimDecibels(value: number): number {
  return value >= 1 ? Number.POSITIVE_INFINITY : -10 * Math.log10(1 - value);
}
