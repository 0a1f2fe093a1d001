/**
 * Draws the batch of a training step: random crops at random scales, mirrored half of the time, each with its own rate
 * point, and the noise that stands for rounding. Everything follows from the seed and the step's number.
 */
import { hatWeights, lambdaOf } from '../../codec/networks/config.js';
import { UnsupportedError } from '../errors.js';
import { sizeOf } from '../graph/index.js';
import { cropPicture, type Photographs, type RgbPicture } from './photographs.js';
import { Random } from './random.js';
import type { Batch } from './trainer.js';

export interface BatchOptions {
  readonly seed: number;
  readonly batch: number;
  /** Side of the square crops in pixels. */
  readonly crop: number;
  /** Smallest factor by which pictures are scaled down; hides compression artefacts of the training files. */
  readonly leastScale: number;
  readonly ratePoints: number;
}

export const defaultLeastScale = 0.6;
/**
 * Weight of a sample, lambda to this power: the losses of all qualities then weigh about the same (1.3 to 1.4 from quality 10 to 90 with the
 * networks of step 75,000), so that a percent counts as a percent everywhere.
 */
const weightExponent = -0.45;

/** Weight of a rate point in the loss, 1 at quality 50. */
export function rateWeight(quality: number): number {
  return (lambdaOf(quality) / lambdaOf(50)) ** weightExponent;
}

/** Writes one rate point into sample `index` of the data inputs. */
export function setRatePoint(batch: Batch, index: number, quality: number, ratePoints: number): void {
  batch.get('hat')!.set(hatWeights(quality, ratePoints), index * ratePoints);
  batch.get('lambda')![index] = lambdaOf(quality);
  batch.get('weight')![index] = rateWeight(quality);
}

/** Copies interleaved 8-bit RGB to planar float32 in [0,1], optionally mirrored. */
export function copyPlanar(
  picture: RgbPicture,
  left: number,
  top: number,
  side: number,
  mirror: boolean,
  out: Float32Array,
  offset: number,
): void {
  const plane = side * side;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const source = 3 * ((top + y) * picture.width + left + (mirror ? side - 1 - x : x));
      const target = offset + y * side + x;
      for (let c = 0; c < 3; c++) out[target + c * plane] = picture.data[source + c] / 255;
    }
  }
}

/**
 * A random square crop, for half of the draws from a picture that is scaled down by a random factor, and whether to mirror it.
 *
 * @param side of the crop in pixels
 * @throws UnsupportedError when 100 pictures in a row cannot be read
 */
export async function drawCrop(
  photographs: Photographs,
  random: Random,
  side: number,
  leastScale: number = defaultLeastScale,
): Promise<{ readonly picture: RgbPicture; readonly mirror: boolean }> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const picture = await photographs.get(random.integer(photographs.count));
    const scaled = random.uniform() < 0.5 ? leastScale + random.uniform() * (1 - leastScale) : 1;
    const [u, v, mirror] = [random.uniform(), random.uniform(), random.uniform() < 0.5];
    if (!picture) continue;
    const shortest = Math.min(picture.width, picture.height);
    const taken = Math.min(shortest, Math.round(side / scaled));
    const left = Math.floor(u * (picture.width - taken + 1));
    const top = Math.floor(v * (picture.height - taken + 1));
    const square = cropPicture(picture, left, top, taken, taken);
    return { picture: taken === side ? square : await photographs.resize(square, side, side), mirror };
  }
  throw new UnsupportedError('training: expected readable pictures, 100 drawn in a row could not be decoded');
}

/**
 * The batch of step `step` for data inputs of the given shapes (Trainer.dataShapes).
 * Rate points are stratified: sample n has a quality in the n-th of `batch` equal parts of [0,100].
 */
export async function drawBatch(
  photographs: Photographs,
  shapes: ReadonlyMap<string, readonly number[]>,
  step: number,
  options: BatchOptions,
): Promise<Batch> {
  const batch: Batch = new Map([...shapes].map(([name, shape]) => [name, new Float32Array(sizeOf(shape))]));
  const sampleSize = 3 * options.crop * options.crop;
  const crops = Array.from({ length: options.batch }, (_, index) => {
    const random = Random.of(options.seed, step, index);
    const quality = (100 * (index + random.uniform())) / options.batch;
    setRatePoint(batch, index, quality, options.ratePoints);
    return drawCrop(photographs, random, options.crop, options.leastScale).then(({ picture, mirror }) =>
      copyPlanar(picture, 0, 0, options.crop, mirror, batch.get('x')!, index * sampleSize),
    );
  });
  await Promise.all(crops);
  let purpose = options.batch;
  for (const [name, values] of batch) {
    if (name.startsWith('noise.')) Random.of(options.seed, step, purpose++).fillNoise(values);
  }
  return batch;
}
