/**
 * Crops of photographs with the latents that files have: analysed by the model's encoder, quantized and coded by the very
 * code that writes files. Material for fine-tuning (adaptation-objective.ts).
 *
 * A pool of crops is drawn once per round and used many times; everything follows from seed, round and number.
 */
import type { Coder } from '../../codec/coder.js';
import { contextPasses, type NetworkConfig } from '../../codec/networks/config.js';
import type { Quantization } from '../../codec/quantizers/registry.js';
import { sizeOf } from '../graph/index.js';
import { createImage } from '../io/index.js';
import { copyPlanar, drawCrop, setRatePoint } from './batches.js';
import { analysePicture } from './fit-tables.js';
import type { Photographs, RgbPicture } from './photographs.js';
import { Random } from './random.js';
import type { Batch } from './trainer.js';

/** One crop at one quality, quantized for real. */
export interface QuantizedCrop {
  readonly picture: RgbPicture;
  readonly quality: number;
  /** Latents in the dense form of the passes: before quantization, and as a decoder has them. */
  readonly latents: readonly Float32Array[];
  readonly passes: readonly Float32Array[];
  readonly hyperLatents: Float32Array;
  /** Width of the quantizer's cells, in latents: of a trellis the distance of values in one state. */
  readonly interval: number;
  /** Bits per pixel of the entropy segment, and those of its hyper-latents by their tables. */
  readonly bits: number;
  readonly hyperBits: number;
}

/**
 * Quantizes one picture.
 *
 * @param picture sides in multiples of 64
 * @param quality a multiple of 1/256 in [0,100]
 */
export async function quantizeCrop(
  coder: Coder,
  picture: RgbPicture,
  quality: number,
  quantization: Quantization,
): Promise<QuantizedCrop> {
  const image = createImage(picture.width, picture.height, 3, picture.data);
  const { area, height, width, rate } = await analysePicture(coder, image, quality);
  const tables = coder.model.tables.hyperLatents;
  let hyperBits = 0;
  const coded = coder.entropy.encode(area, height, width, rate, quantization, {
    hyperLatents: (indices, tableIndices) =>
      indices.forEach((index, n) => {
        hyperBits += tables.bits(tableIndices[n], index);
      }),
  });
  const pixels = height * width;
  return {
    picture,
    quality,
    latents: area.passes,
    passes: coded.passes,
    hyperLatents: Float32Array.from(area.hyperLatents, Math.round),
    interval: quantization.step * (quantization.quantizer.machine ? 2 : 1),
    bits: (8 * coded.segment.length) / pixels,
    hyperBits: hyperBits / pixels,
  };
}

export interface PoolOptions {
  readonly seed: number;
  readonly round: number;
  readonly count: number;
  /** Side of the square crops in pixels, a multiple of 64. */
  readonly crop: number;
}

/**
 * Draws crop after crop, quantized with the quantizations in turn. Qualities are stratified: of `count` equal parts of
 * [0,100] each gives one.
 *
 * @param onCrop called after each crop with how many are done
 */
export async function drawPool(
  coder: Coder,
  photographs: Photographs,
  quantizations: readonly Quantization[],
  { seed, round, count, crop }: PoolOptions,
  onCrop: (done: number) => void = () => {},
): Promise<QuantizedCrop[]> {
  const pool: QuantizedCrop[] = [];
  for (let n = 0; n < count; n++) {
    const random = Random.of(seed, round, n);
    const quality = Math.floor((256 * 100 * (n + random.uniform())) / count) / 256;
    const { picture } = await drawCrop(photographs, random, crop);
    pool.push(await quantizeCrop(coder, picture, quality, quantizations[n % quantizations.length]));
    onCrop(n + 1);
  }
  return pool;
}

/**
 * The batch of a step: crops of the pool, one from each of as many parts as the batch has samples, so that every batch
 * spans the qualities; noise is drawn anew each time.
 *
 * @param shapes the data inputs of adaptation-objective.ts that the step has
 */
export function poolBatch(
  pool: readonly QuantizedCrop[],
  shapes: ReadonlyMap<string, readonly number[]>,
  step: number,
  { seed, config }: { readonly seed: number; readonly config: NetworkConfig },
): Batch {
  const batch: Batch = new Map([...shapes].map(([name, shape]) => [name, new Float32Array(sizeOf(shape))]));
  const samples = batch.get('lambda')!.length;
  for (let sample = 0; sample < samples; sample++) {
    const random = Random.of(seed, step, sample);
    const crop = pool[Math.floor(((sample + random.uniform()) / samples) * pool.length)];
    setRatePoint(batch, sample, crop.quality, config.ratePoints);
    const { width, data } = crop.picture;
    copyPlanar(crop.picture, 0, 0, width, false, batch.get('x')!, sample * data.length);
    const size = crop.passes[0].length;
    crop.passes.forEach((values, pass) => {
      batch.get(`pass${pass}`)!.set(values, sample * size);
    });
    const noisy = batch.get('noisy');
    batch.get('bits')![sample] = noisy ? crop.hyperBits : crop.bits;
    if (!noisy) continue;
    batch.get('interval')![sample] = crop.interval;
    batch.get('hyperLatents')!.set(crop.hyperLatents, sample * crop.hyperLatents.length);
    const start = sample * contextPasses * size;
    const noise = noisy.subarray(start, start + contextPasses * size);
    random.fillNoise(noise);
    for (let n = 0; n < noise.length; n++) {
      noise[n] = crop.latents[Math.floor(n / size)][n % size] + crop.interval * noise[n];
    }
  }
  return batch;
}
