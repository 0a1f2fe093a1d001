/**
 * Validation with real files: pictures coded with a quantization as the codec codes them, bits of the segments, distortion
 * of the decoded picture before it is rounded to 8 bits. The figure to watch is `loss`, the mean over pictures and
 * qualities of the training objective.
 */
import type { Coder } from '../../codec/coder.js';
import { lambdaOf } from '../../codec/networks/config.js';
import { toPlanes } from '../../codec/pixels.js';
import type { Quantization } from '../../codec/quantizers/registry.js';
import type { Image } from '../io/index.js';
import { rateWeight } from './batches.js';
import { analysePicture } from './fit-tables.js';

export interface RealPoint {
  readonly quality: number;
  readonly bpp: number;
  readonly psnr: number;
}

export interface RealValidation {
  readonly loss: number;
  readonly points: readonly RealPoint[];
}

/**
 * @param pictures sides in multiples of 64, so that no padding counts
 * @param qualities multiples of 1/256 in [0,100]
 */
export async function validateReal(
  coder: Coder,
  quantization: Quantization,
  pictures: readonly Image[],
  qualities: readonly number[],
): Promise<RealValidation> {
  let loss = 0;
  const points: RealPoint[] = [];
  for (const quality of qualities) {
    let [bpp, psnr] = [0, 0];
    for (const image of pictures) {
      const { width, height } = image;
      const { area, rate, ...padded } = await analysePicture(coder, image, quality);
      const coded = coder.entropy.encode(area, padded.height, padded.width, rate, quantization);
      const decoded = await coder.transforms.synthesise(coded.passes, padded.height, padded.width, rate);
      const error = meanSquare(toPlanes(image, { x: 0, y: 0, width, height }), decoded);
      const bits = (8 * coded.segment.length) / (width * height);
      loss += rateWeight(quality) * (lambdaOf(quality) * 255 ** 2 * error + bits);
      bpp += bits / pictures.length;
      psnr -= (10 * Math.log10(error)) / pictures.length;
    }
    points.push({ quality, bpp, psnr });
  }
  return { loss: loss / (pictures.length * qualities.length), points };
}

function meanSquare(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += (a[n] - b[n]) ** 2;
  return sum / a.length;
}
