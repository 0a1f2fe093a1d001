/**
 * Chooses step and price of a bit of a quantizer together: every pair that is tried gets tables and offsets
 * fitted for it (or those of normal latents), codes validation pictures at several qualities, and is judged by its BD-rate in the picture domain,
 * because less error in the latents need not be less in the picture. Neighbours of the best pair are tried until none is
 * better. Pictures are analysed once.
 *
 * For choosing what a model is shipped with, on pictures that are neither trained nor tested on.
 * Units: steps in latents, prices in squared latents per bit.
 */
import type { Coder } from '../codec/coder.js';
import { scaleTable } from '../codec/entropy/index.js';
import { type QuantizerName, quantizerIds, tileAt, tileGrid, writeContainer } from '../codec/format/index.js';
import { normalParts } from '../codec/model/latent-tables.js';
import { leastScale, mostScale } from '../codec/networks/rate-tables.js';
import { fromPlanes } from '../codec/pixels.js';
import { type Quantization, quantizerOf } from '../codec/quantizers/registry.js';
import { UsageError } from '../src/errors.js';
import { type Channels, createImage, type Image } from '../src/io/index.js';
import { psnr } from '../src/metrics/psnr.js';
import { type FitSet, fitQuantization } from '../src/training/fit-quantization.js';
import { type AnalysedPicture, analysePictureAt } from '../src/training/fit-tables.js';
import { bdRate, leastPoints } from './bd-rate.js';

/** One picture at all qualities of a sweep. */
export interface SweepPicture {
  readonly image: Image;
  readonly analysed: readonly AnalysedPicture[];
}

/** Mean over pictures at one quality. */
export interface SweepPoint {
  readonly quality: number;
  readonly bpp: number;
  readonly psnr: number;
  /** Seconds of quantization and entropy coding. */
  readonly codingSeconds: number;
}

/** Analyses a picture at all qualities. */
export async function sweepPicture(
  coder: Coder,
  image: Image,
  qualities: readonly number[],
): Promise<SweepPicture> {
  return { image, analysed: await analysePictureAt(coder, image, qualities) };
}

/** A quantizer with tables of normal latents. */
export function normalQuantization(
  coder: Coder,
  name: QuantizerName,
  step: number,
  lagrangian: number,
): Quantization {
  const scales = scaleTable(coder.model.tables.scales, leastScale, mostScale);
  return { quantizer: quantizerOf(name), ...normalParts(name, scales, step, lagrangian) };
}

/** Bytes of the complete file, 8-bit picture and seconds of one picture at one quality. */
async function codeOnce(
  coder: Coder,
  { width, height, channels }: Image,
  { area, rate, ...padded }: AnalysedPicture,
  quantization: Quantization,
): Promise<{ bytes: number; decoded: Image; seconds: number }> {
  const start = performance.now();
  const coded = coder.entropy.encode(area, padded.height, padded.width, rate, quantization);
  const seconds = (performance.now() - start) / 1000;
  const header = {
    width,
    height,
    channels: channels as 1 | 3,
    modelId: coder.model.id,
    quality: rate.quality,
    quantizer: quantizerIds[quantization.quantizer.name],
    quantizerParameter: 0,
    tileSide: 0,
  };
  const tiles = [{ latentsChecksum: coded.checksum, segment: coded.segment }];
  const planes = await coder.transforms.synthesise(coded.passes, padded.height, padded.width, rate);
  const decoded = createImage(width, height, channels as Channels);
  const { core } = tileAt(tileGrid(width, height, 0), 0);
  fromPlanes(planes, { x: 0, y: 0, ...padded }, core, decoded);
  return { bytes: writeContainer({ header, tiles }).length, decoded, seconds };
}

/** The curve of a quantization: means of bits per pixel, PSNR and seconds over pictures, one point per quality. */
export async function sweepCurve(
  coder: Coder,
  pictures: readonly SweepPicture[],
  quantization: Quantization,
): Promise<SweepPoint[]> {
  const points = pictures[0].analysed.map(({ rate: { quality } }) => ({
    quality,
    bpp: 0,
    psnr: 0,
    codingSeconds: 0,
  }));
  for (const { image, analysed } of pictures) {
    for (const [index, one] of analysed.entries()) {
      const { bytes, decoded, seconds } = await codeOnce(coder, image, one, quantization);
      points[index].bpp += (8 * bytes) / (image.width * image.height) / pictures.length;
      points[index].psnr += psnr(image, decoded) / pictures.length;
      points[index].codingSeconds += seconds / pictures.length;
    }
  }
  return points;
}

/** Means of curves over pictures, each with as many points. */
export function meanCurve(curves: readonly (readonly SweepPoint[])[]): SweepPoint[] {
  const mean = (index: number, value: (point: SweepPoint) => number): number =>
    curves.reduce((sum, curve) => sum + value(curve[index]), 0) / curves.length;
  return curves[0].map(({ quality }, index) => ({
    quality,
    bpp: mean(index, ({ bpp }) => bpp),
    psnr: mean(index, ({ psnr }) => psnr),
    codingSeconds: mean(index, ({ codingSeconds }) => codingSeconds),
  }));
}

/** Step and price of a bit that are tried together. */
export interface SweepSetting {
  readonly step: number;
  readonly lagrangian: number;
}

export interface SweepResult extends SweepSetting {
  /** Against the sweep's reference curve, in percent; negative is better. Infinity where too few points rise. */
  readonly bdRate: number;
  readonly curve: readonly SweepPoint[];
  /** Qualities of points that `risingPart` leaves out. */
  readonly leftOut: readonly number[];
}

/**
 * The points of a curve that are worth their bits, by rate: none that another one equals or beats with fewer. A model early
 * in training may have others at the ends of its scale, and a sweep goes on without them.
 *
 * @example
 * risingPart(curve).length <= curve.length; // true
 */
export function risingPart(curve: readonly SweepPoint[]): SweepPoint[] {
  let best = Number.NEGATIVE_INFINITY;
  return [...curve]
    .filter(({ psnr: decibels }) => Number.isFinite(decibels))
    .sort((a, b) => a.bpp - b.bpp || b.psnr - a.psnr)
    .filter((point) => {
      if (point.psnr <= best) return false;
      best = point.psnr;
      return true;
    });
}

/** BD-rate over what rises of both curves. */
function judge(
  reference: readonly SweepPoint[],
  curve: readonly SweepPoint[],
): Omit<SweepResult, keyof SweepSetting> {
  const rising = risingPart(curve);
  const leftOut = curve.filter((point) => !rising.includes(point)).map(({ quality }) => quality);
  const percent =
    rising.length < leastPoints ? Number.POSITIVE_INFINITY : bdRate(risingPart(reference), rising).percent;
  return { bdRate: percent, curve, leftOut };
}

/**
 * Walks a grid from a start to a place that has no better neighbour (of four), trying every place once.
 *
 * @param sizes of the two axes
 * @param evaluate value of a place; less is better
 * @returns indices of the best place that was tried
 * @example
 * await descend([5, 5], [0, 4], async (i, j) => (i - 3) ** 2 + (j - 1) ** 2); // [3, 1]
 */
export async function descend(
  sizes: readonly [number, number],
  start: readonly [number, number],
  evaluate: (first: number, second: number) => Promise<number>,
): Promise<[number, number]> {
  const known = new Map<string, number>();
  const judge = async (first: number, second: number): Promise<number> => {
    const key = `${first} ${second}`;
    const value = known.get(key) ?? (await evaluate(first, second));
    known.set(key, value);
    return value;
  };
  let best: [number, number] = [...start];
  let least = await judge(...best);
  for (let moved = true; moved; ) {
    moved = false;
    const [first, second] = best;
    const neighbours: [number, number][] = [
      [first, second + 1],
      [first + 1, second],
      [first, second - 1],
      [first - 1, second],
    ];
    for (const place of neighbours) {
      if (place.some((index, axis) => index < 0 || index >= sizes[axis])) continue;
      const value = await judge(...place);
      if (value < least) [best, least, moved] = [place, value, true];
    }
  }
  return best;
}

export interface SweepTask {
  readonly coder: Coder;
  readonly name: QuantizerName;
  /** Pictures that settings are judged by. */
  readonly pictures: readonly SweepPicture[];
  /** What tables and offsets are fitted on; absent means tables of normal latents and no offsets. */
  readonly fit?: FitSet;
  /** Values to try, rising. */
  readonly steps: readonly number[];
  readonly lagrangians: readonly number[];
  readonly start: SweepSetting;
  /** Curve that settings are compared with. */
  readonly reference: readonly SweepPoint[];
  /** Hears of every setting that was tried. */
  readonly onResult?: (result: SweepResult) => void;
}

const nearestIndex = (values: readonly number[], wished: number): number =>
  values.reduce(
    (best, value, index) =>
      Math.abs(Math.log(value / wished)) < Math.abs(Math.log(values[best] / wished)) ? index : best,
    0,
  );

/**
 * The best step and price of a bit of one quantizer.
 *
 * @returns the quantization to ship, and how it did
 * @throws UsageError where no setting near the start has a curve
 */
export async function sweepQuantizer(
  task: SweepTask,
): Promise<{ quantization: Quantization; result: SweepResult }> {
  const { coder, name, pictures, fit, steps, lagrangians, start, reference } = task;
  const tried = new Map<number, { quantization: Quantization; result: SweepResult }>();
  const place = (i: number, j: number): number => i * lagrangians.length + j;
  const [i, j] = await descend(
    [steps.length, lagrangians.length],
    [nearestIndex(steps, start.step), nearestIndex(lagrangians, start.lagrangian)],
    async (first, second) => {
      const setting = { step: steps[first], lagrangian: lagrangians[second] };
      const normal = normalQuantization(coder, name, setting.step, setting.lagrangian);
      const quantization = fit ? fitQuantization(coder.entropy, normal, fit) : normal;
      const curve = await sweepCurve(coder, pictures, quantization);
      const result = { ...setting, ...judge(reference, curve) };
      tried.set(place(first, second), { quantization, result });
      task.onResult?.(result);
      return result.bdRate;
    },
  );
  const best = tried.get(place(i, j))!;
  if (best.result.bdRate === Number.POSITIVE_INFINITY) {
    throw new UsageError(
      `${name}: expected PSNR to rise with the rate at ${leastPoints} qualities or more, got ${risingPart(best.result.curve).length}`,
    );
  }
  return best;
}
