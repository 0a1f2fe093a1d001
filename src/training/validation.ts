/**
 * Validation: the objective on rounded latents over centre crops of a folder's pictures, at several qualities, with
 * the averaged weights. The figure to watch is `loss`, the mean over pictures and qualities with training's weights.
 */
import type { NetworkConfig } from '../../codec/networks/config.js';
import { Parameters, type ParameterValues } from '../../codec/networks/parameters.js';
import { createSession, type OnnxRuntime } from '../engines/onnxruntime.js';
import { UsageError } from '../errors.js';
import { Graph, sizeOf } from '../graph/index.js';
import { lowerToOnnx } from '../graph/onnx/lower.js';
import { copyPlanar, setRatePoint } from './batches.js';
import { buildObjective } from './objective.js';
import type { Photographs } from './photographs.js';

export interface ValidationPoint {
  readonly quality: number;
  readonly bpp: number;
  /** Mean over the pictures of the PSNR over RGB, in dB. */
  readonly psnr: number;
  readonly hyperShare: number;
}

export interface ValidationResult {
  readonly loss: number;
  readonly points: readonly ValidationPoint[];
}

export interface ValidationOptions {
  readonly qualities: readonly number[];
  readonly crop: number;
  readonly pictures: number;
  readonly threads: number;
}

export const defaultValidation = { qualities: [10, 30, 50, 70, 90], crop: 256, pictures: 16 } as const;

export async function validate(
  runtime: OnnxRuntime,
  config: NetworkConfig,
  weights: ParameterValues,
  photographs: Photographs,
  { qualities, crop, pictures, threads }: ValidationOptions,
): Promise<ValidationResult> {
  const batch = qualities.length;
  const graph = new Graph();
  const p = new Parameters(graph);
  const { loss, distortion, rate, hyperRate } = buildObjective(graph, p, config, {
    batch,
    height: crop,
    width: crop,
    quantized: true,
  });
  const { bytes, inputs } = lowerToOnnx({ loss, distortion, rate, hyperRate }, { weights });
  const session = await createSession(runtime, bytes, { threads });
  const values = new Map([...inputs].map(([name, shape]) => [name, new Float32Array(sizeOf(shape))]));
  qualities.forEach((quality, index) => {
    setRatePoint(values, index, quality, config.ratePoints);
  });
  const sums = qualities.map(() => ({ bpp: 0, psnr: 0, hyper: 0 }));
  let total = 0;
  let count = 0;
  for (let index = 0; index < photographs.count && count < pictures; index++) {
    const picture = await photographs.get(index);
    if (!picture) continue;
    if (Math.min(picture.width, picture.height) < crop) continue;
    const x = values.get('x')!;
    const [left, top] = [(picture.width - crop) >> 1, (picture.height - crop) >> 1];
    for (let sample = 0; sample < batch; sample++) {
      if (sample === 0) copyPlanar(picture, left, top, crop, false, x, 0);
      else x.copyWithin(sample * 3 * crop * crop, 0, 3 * crop * crop);
    }
    const feeds = Object.fromEntries(
      [...inputs].map(([name, shape]) => [name, new runtime.Tensor('float32', values.get(name)!, shape)]),
    );
    const result = await session.run(feeds);
    const read = (name: string): Float32Array => result[name].data as Float32Array;
    total += read('loss')[0];
    sums.forEach((sum, sample) => {
      sum.bpp += read('rate')[sample];
      sum.hyper += read('hyperRate')[sample];
      sum.psnr += -10 * Math.log10(read('distortion')[sample]);
    });
    count++;
  }
  await session.release();
  if (count === 0) {
    throw new UsageError(`validation: expected at least one picture of ${crop} x ${crop} pixels, got none`);
  }
  return {
    loss: total / count,
    points: sums.map((sum, sample) => ({
      quality: qualities[sample],
      bpp: sum.bpp / count,
      psnr: sum.psnr / count,
      hyperShare: sum.hyper / sum.bpp,
    })),
  };
}
