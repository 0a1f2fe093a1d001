/**
 * Refits the tables of a quantizer: codes photographs, counts the integers that were really chosen for each table, and
 * blends the counts with the tables of normal latents, so that nothing has probability zero. The quantizer then weighs
 * bits by the new tables and chooses other integers, so this is done in rounds; few of them, because with a fixed price
 * of a bit every round makes the search greedier (docs/TRAINING.md, "Quantizers").
 *
 * Never fit on pictures that anything is measured on.
 */
import type { Coder } from '../../codec/coder.js';
import { countSymbols, scaleTable, symmetricTables, type TableSet } from '../../codec/entropy/index.js';
import type { EntropyModel } from '../../codec/entropy-model.js';
import { tileAt, tileGrid } from '../../codec/format/index.js';
import { normalTables } from '../../codec/model/latent-tables.js';
import { type RatePoint, ratePointOf } from '../../codec/model/rate-point.js';
import { leastScale, mostScale } from '../../codec/networks/rate-tables.js';
import { toPlanes } from '../../codec/pixels.js';
import type { Quantization } from '../../codec/quantizers/registry.js';
import type { AnalysedArea } from '../../codec/transform-engine.js';
import type { Image } from '../io/index.js';

/** A picture's latents at one quality: all that quantizers need of it. */
export interface AnalysedPicture {
  readonly area: AnalysedArea;
  /** Padded size in pixels. */
  readonly height: number;
  readonly width: number;
  readonly rate: RatePoint;
}

/**
 * Latents of a picture as one tile, at several qualities: what does not depend on the quality is computed once.
 *
 * @param qualities multiples of 1/256 in [0,100]
 */
export async function analysePictureAt(
  coder: Coder,
  image: Image,
  qualities: readonly number[],
): Promise<AnalysedPicture[]> {
  const { paddedHeight: height, paddedWidth: width } = tileAt(tileGrid(image.width, image.height, 0), 0);
  const planes = toPlanes(image, { x: 0, y: 0, width, height });
  const shallow = await coder.transforms.shallow(planes, height, width);
  const analysed: AnalysedPicture[] = [];
  for (const quality of qualities) {
    const rate = ratePointOf(coder.model, quality);
    analysed.push({ area: await coder.transforms.analyse(shallow, rate), height, width, rate });
  }
  return analysed;
}

/**
 * Latents of a picture as one tile.
 *
 * @param quality a multiple of 1/256 in [0,100]
 */
export async function analysePicture(coder: Coder, image: Image, quality: number): Promise<AnalysedPicture> {
  const [analysed] = await analysePictureAt(coder, image, [quality]);
  return analysed;
}

export interface FitOptions {
  /** How often to code and count (default 2). */
  readonly rounds?: number;
  /** Observations that the tables of normal latents are worth in each table (default 32). */
  readonly priorWeight?: number;
}

export const defaultFitOptions = Object.freeze({ rounds: 2, priorWeight: 32 });

function counted(
  entropy: EntropyModel,
  quantization: Quantization,
  pictures: readonly AnalysedPicture[],
  prior: TableSet,
  priorWeight: number,
): TableSet {
  const counts = Array.from(prior.sizes, (size) => new Float64Array(size));
  for (const { area, height, width, rate } of pictures) {
    entropy.encode(area, height, width, rate, quantization, {
      pass: ({ tableIndices, indices }) => countSymbols(prior, tableIndices, indices, counts),
    });
  }
  return symmetricTables(counts, prior, priorWeight);
}

/**
 * The quantization with tables counted on its own output.
 *
 * @param quantization start, with the step and the price of a bit to fit for
 * @param pictures latents of many photographs at many qualities
 * @returns the same, with new tables
 * @example
 * const pictures = [await analysePicture(coder, image, 50)];
 * const fitted = fitTables(coder.entropy, quantizationOf(coder.model, 'tcq8'), pictures);
 */
export function fitTables(
  entropy: EntropyModel,
  quantization: Quantization,
  pictures: readonly AnalysedPicture[],
  options: FitOptions = {},
): Quantization {
  const { rounds, priorWeight } = { ...defaultFitOptions, ...options };
  const { quantizer, step } = quantization;
  const scales = quantization.tables.count / (quantizer.machine ? 2 : 1);
  const prior = normalTables(quantizer.name, scaleTable(scales, leastScale, mostScale), step);
  let fitted = quantization;
  for (let round = 0; round < rounds; round++) {
    fitted = { ...fitted, tables: counted(entropy, fitted, pictures, prior, priorWeight) };
  }
  return fitted;
}
