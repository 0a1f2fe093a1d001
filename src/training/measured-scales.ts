/**
 * Starts the entropy networks from what the untrained analysis really yields: the tables of log-scales (and nothing
 * else) are set so that every latent channel has the deviation measured on a few crops, at every rate point.
 */
import { contextPasses, type NetworkConfig, pictureMultiple } from '../../codec/networks/config.js';
import { denseChannels } from '../../codec/networks/hyperprior.js';
import { Parameters, type ParameterValues } from '../../codec/networks/parameters.js';
import { leastScale } from '../../codec/networks/rate-tables.js';
import { deepAnalysis, shallowAnalysis } from '../../codec/networks/transforms.js';
import { OnnxProgram, type OnnxRuntime } from '../engines/onnxruntime.js';
import { Graph } from '../graph/index.js';
import { drawBatch } from './batches.js';
import type { RunOptions } from './checkpoint.js';
import { initialLogGains } from './initial-weights.js';
import type { Photographs } from './photographs.js';

const batches = 8;

/** Mean absolute value to deviation of a Laplacian, between it and a Gaussian: latents are heavy-tailed. */
const spread = 1.3;

/** Sets `rate.logScales.*` of `weights` in place. */
export async function measureLogScales(
  runtime: OnnxRuntime,
  config: NetworkConfig,
  weights: ParameterValues,
  images: Photographs,
  options: RunOptions,
): Promise<void> {
  const graph = new Graph();
  const side = Math.max(options.crop, pictureMultiple);
  const x = graph.input('x', [options.batch, 3, side, side]);
  const one = graph.scalar(1);
  const p = new Parameters(graph);
  const latents = deepAnalysis(p, config, shallowAnalysis(p, config, x), { features: one, latents: one });
  const program = await OnnxProgram.compile(runtime, { latents }, { weights });
  const sums = new Float64Array(config.latents);
  let positions = 0;
  for (let step = 0; step < batches; step++) {
    const shapes = new Map([
      ['x', x.shape],
      ['hat', [options.batch, config.ratePoints]],
      ['lambda', [options.batch]],
      ['weight', [options.batch]],
    ]);
    // Steps count from 1, so -1, -2 ... are draws that training does not make.
    const batch = await drawBatch(images, shapes, -1 - step, {
      ...options,
      leastScale: 1,
      ratePoints: config.ratePoints,
    });
    const { data } = (await program.run({ x: { data: batch.get('x')!, shape: x.shape } })).latents;
    const plane = data.length / (options.batch * config.latents);
    for (let k = 0; k < data.length; k++) sums[Math.floor(k / plane) % config.latents] += Math.abs(data[k]);
    positions += plane * options.batch;
  }
  await program.release();
  const logGains = initialLogGains(config);
  for (let pass = 0; pass < contextPasses; pass++) {
    const table = weights.get(`rate.logScales.${pass}`)!;
    denseChannels(config.latents, pass).forEach((channel, dense) => {
      const deviation = (spread * sums[channel]) / positions;
      logGains.forEach((logGain, point) => {
        table[point * config.latents + dense] = Math.log(Math.max(leastScale, deviation * Math.exp(logGain)));
      });
    });
  }
}
