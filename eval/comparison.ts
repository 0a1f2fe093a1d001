/**
 * Codecs against each other: BD-rates of their mean curves and of single pictures. Both codecs are taken over the pictures
 * that both have, so that a picture that one of them failed on does not shift the other's mean.
 *
 * Units: BD-rates in per cent, negative where the tested codec needs fewer bits. Butteraugli, where less is better, enters
 * with its sign turned.
 */
import { CodecError } from '../src/errors.js';
import { type BdPsnr, type BdRate, bdPsnr, bdRate, type RateCurve } from './bd-rate.js';
import type { EvaluatedCodec, EvaluatedComparison, MeasuredCodec, PerImageRates } from './evaluation.js';
import { type Interpolation, interpolations } from './interpolation.js';
import { type MeanValues, type Measurement, meanCurve, type Values } from './measure.js';
import { type MetricName, metricKeys, metricNames } from './metrics/metrics.js';
import { msSsimDecibels } from './metrics/ms-ssim.js';
import { bootstrapInterval, meanOf, medianOf } from './statistics.js';

/** Below this part of the tested curve a BD-rate says little about it, and is marked. */
export const leastOverlap = 0.75;

/** What two curves come to, or why they cannot be compared. */
export type CurveComparison = Pick<
  EvaluatedComparison,
  'rate' | 'percentBy' | 'psnr' | 'smallOverlap' | 'reason'
>;

/**
 * Compares two curves; those that do not fit give the reason instead of an error.
 *
 * @example
 * compareCurves(tested, reference).rate.percent;
 */
export function compareCurves(tested: RateCurve, reference: RateCurve): CurveComparison {
  try {
    const rate: BdRate = bdRate(reference, tested);
    const psnr: BdPsnr = bdPsnr(reference, tested);
    const percents = interpolations.map((method) => [method, bdRate(reference, tested, { method }).percent]);
    const percentBy = Object.fromEntries(percents) as Record<Interpolation, number>;
    return { rate, percentBy, psnr, ...(rate.fraction < leastOverlap ? { smallOverlap: true } : {}) };
  } catch (error) {
    if (error instanceof CodecError) return { reason: error.message };
    throw error;
  }
}

/**
 * Points of a curve by a metric, in numbers that rise with quality; undefined where a point lacks the metric.
 *
 * @example
 * metricCurve(meanCurve(measurements), 'ms-ssim'); // MS-SSIM in decibels as `psnr`
 */
export function metricCurve(
  points: readonly (Partial<Values> & RateCurve[number])[],
  metric: MetricName,
): RateCurve | undefined {
  const curve = points.map((point) => ({ bpp: point.bpp, value: point[metricKeys[metric]] }));
  if (curve.some(({ value }) => value === undefined)) return undefined;
  const rising = (value: number): number => {
    if (metric === 'ms-ssim') return msSsimDecibels(value);
    return metric === 'butteraugli' ? -value : value;
  };
  return curve.map(({ bpp, value }) => ({ bpp, psnr: rising(value!) }));
}

/** Measurements by picture, only of pictures that have every setting of the codec. */
function wholeImages(perImage: readonly Measurement[]): Map<string, Measurement[]> {
  const settings = new Set(perImage.map(({ setting }) => setting));
  const byImage = new Map<string, Measurement[]>();
  for (const measurement of perImage) {
    const own = byImage.get(measurement.image) ?? [];
    own.push(measurement);
    byImage.set(measurement.image, own);
  }
  return new Map([...byImage].filter(([, own]) => own.length === settings.size));
}

/**
 * The points of a codec's mean curve: means over the pictures that have all of its settings.
 *
 * @example
 * curveOf(perImage); // one point per setting
 */
export function curveOf(perImage: readonly Measurement[]): MeanValues[] {
  return meanCurve([...wholeImages(perImage).values()].flat());
}

/** BD-rates of the pictures that two codecs have in common; undefined where no picture can be compared. */
function compareImages(
  tested: ReadonlyMap<string, readonly Measurement[]>,
  reference: ReadonlyMap<string, readonly Measurement[]>,
  metric: MetricName,
): PerImageRates | undefined {
  const values: { image: string; percent: number }[] = [];
  const leftOut: { image: string; reason: string }[] = [];
  for (const [image, own] of tested) {
    const [curve, rival] = [metricCurve(own, metric), metricCurve(reference.get(image)!, metric)];
    const { rate, reason } = compareCurves(curve ?? [], rival ?? []);
    if (rate) values.push({ image, percent: rate.percent });
    else leftOut.push({ image, reason: reason! });
  }
  if (values.length === 0) return undefined;
  const percents = values.map(({ percent }) => percent);
  return {
    mean: meanOf(percents),
    median: medianOf(percents),
    ...bootstrapInterval(percents),
    values,
    leftOut,
  };
}

function compareMeasured(
  tested: MeasuredCodec,
  reference: MeasuredCodec,
  metric: MetricName,
): Omit<EvaluatedComparison, 'tested' | 'reference' | 'metric'> | undefined {
  const [all, rivals] = [wholeImages(tested.perImage), wholeImages(reference.perImage)];
  const own = new Map([...all].filter(([image]) => rivals.has(image)));
  const theirs = new Map([...own.keys()].map((image) => [image, rivals.get(image)!]));
  if (own.size === 0) return { images: 0, reason: 'no picture was measured with both' };
  const curves = [own, theirs].map((images) => metricCurve(meanCurve([...images.values()].flat()), metric));
  if (!curves[0] || !curves[1]) return undefined;
  const perImage = compareImages(own, theirs, metric);
  return { images: own.size, ...compareCurves(curves[0], curves[1]), ...(perImage ? { perImage } : {}) };
}

/**
 * Judges a codec by another one; undefined where one of them lacks the metric.
 *
 * @param images pictures that a published curve is over; the tested codec must have as many
 * @example
 * compareCodecs(ours, avif, 'psnr', 24).rate.percent;
 */
export function compareCodecs(
  tested: MeasuredCodec,
  reference: EvaluatedCodec,
  metric: MetricName,
  images: number,
): EvaluatedComparison | undefined {
  const names = { tested: tested.name, reference: reference.name, metric };
  if (reference.kind !== 'published') {
    const result = compareMeasured(tested, reference, metric);
    return result && { ...names, ...result };
  }
  if (metric !== 'psnr') return undefined;
  const measured = tested.curve[0]?.images ?? 0;
  if (measured < images) {
    const reason = `published means are over all ${images} pictures, this one over ${measured}`;
    return { ...names, images: measured, reason };
  }
  return { ...names, images, ...compareCurves(tested.curve, reference.curve) };
}

/**
 * Every codec of ours against all competitors and published curves, and against those of ours that stand before it; ours with
 * quantized weights against itself with the weights as they were, and nothing else. By every metric that both have.
 *
 * @param images pictures that published curves are over
 */
export function compareAll(codecs: readonly EvaluatedCodec[], images: number): EvaluatedComparison[] {
  const measured = codecs.filter((codec): codec is MeasuredCodec => codec.kind !== 'published');
  const ours = measured.filter(({ kind }) => kind === 'ours');
  const others = codecs.filter(({ kind }) => kind !== 'ours' && kind !== 'quantized');
  const compare = (tested: MeasuredCodec, references: readonly EvaluatedCodec[]): EvaluatedComparison[] =>
    metricNames.flatMap((metric) =>
      references.flatMap((reference) => compareCodecs(tested, reference, metric, images) ?? []),
    );
  return [
    ...ours.flatMap((tested, n) => compare(tested, [...ours.slice(0, n), ...others])),
    ...measured.flatMap((tested) => {
      const { weights } = tested;
      return weights
        ? compare(
            tested,
            ours.filter(({ name }) => name === weights.reference),
          )
        : [];
    }),
  ];
}
