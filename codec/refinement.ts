/**
 * Refinement: search for latents whose *decoded* picture is closer to the original, by gradients of the decoder.
 *
 * Analysis answers in one shot and knows nothing of the integers that the quantizer will choose. Refinement quantizes, asks
 * the synthesis how the picture's error depends on the dequantized latents, moves what the quantizer aims at, and quantizes
 * again. The synthesis is nearly orthogonal: its error grows with squared errors of the latents by one curvature for all of
 * them (measured: 0.9 of the one below on average, 0.8 to 1.0 for most channels), so that
 *
 *     wished = decoded - gradient / (2 * curvature)
 *
 * is where the picture's error is least, were latents not coupled. Targets go a part of the way there: part of what couples
 * them is the quantization error itself, which the next quantization draws anew. Gradients here are of the distortion of
 * training (lambda * 255^2 * MSE per pixel, summed over the pixels), in bits. Only encoders do this; files and decoders are the same.
 *
 * After Campos et al. 2019 (arXiv 1906.01223) and Yang et al. 2020 (arXiv 2006.04240), who descend hundreds of times on a relaxed
 * objective; here the quantizer is in the loop, and few steps are enough (docs/TRAINING.md, "Refinement").
 */
import { UsageError } from '../src/errors.js';
import { lambdaOf } from './networks/config.js';

/**
 * Bits that a squared error of one in a latent costs, if training has balanced rate and distortion: uniform noise of
 * width w costs curvature * w^2 / 12 and saves log2(w) bits; the sum is least at the training's width of 1.
 */
const curvature = 6 / Math.LN2;

/** Refinements that an encoding may ask for; beyond a few they gain nothing. */
export const mostRefinements = 64;

/** Parts of the way to go in the first and in all later refinements. */
const firstPart = 0.33;
const laterPart = 0.2;

/**
 * Factor on the model's price of a bit once targets have moved. A search that knows what its errors do to the picture may drop
 * more of them: without refinement even 1.1 loses.
 */
export const refinedPrice = 1.3;

/** @throws UsageError unless it is a whole number from 0 to `mostRefinements` */
export function checkRefinements(count: number): void {
  if (!(Number.isInteger(count) && count >= 0 && count <= mostRefinements)) {
    throw new UsageError(`refinements: expected a whole number from 0 to ${mostRefinements}, got ${count}`);
  }
}

/** Part of the way to the wished latents that targets go in a refinement, counted from 0. */
export const refinementPart = (refinement: number): number => (refinement === 0 ? firstPart : laterPart);

/**
 * Targets of the next quantization.
 *
 * @param targets what the quantizer aimed at, in latents: the passes in dense form
 * @param decoded what came out of it, likewise
 * @param gradients of half the squared error of the picture's values in [0,1], at `decoded` (TransformEngine.errorGradient)
 * @param quality 0 to 100
 * @param part of the way to go, 0..1
 * @example
 * refinedTargets([Float32Array.of(1)], [Float32Array.of(2)], [Float32Array.of(0)], 50, 0.5)[0][0]; // => 1.5
 */
export function refinedTargets(
  targets: readonly Float32Array[],
  decoded: readonly Float32Array[],
  gradients: readonly Float32Array[],
  quality: number,
  part: number,
): Float32Array[] {
  // Bits of half a squared error: lambda * 255^2 * MSE per pixel, where MSE is a mean over three colours; twice the half.
  const bits = (2 * lambdaOf(quality) * 255 ** 2) / 3;
  const scale = bits / (2 * curvature);
  return targets.map((target, pass) => {
    const [values, gradient] = [decoded[pass], gradients[pass]];
    return target.map((value, n) => (1 - part) * value + part * (values[n] - scale * gradient[n]));
  });
}
