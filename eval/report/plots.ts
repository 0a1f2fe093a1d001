/**
 * The charts of an evaluation: quality against rate for each measure, time against rate, and what quantized weights cost.
 *
 * Rate axes are logarithmic, so that equal distances are equal percentages of bits. Curves are drawn as BD-rates are
 * taken: the logarithm of the rate as a function of the quality, by PCHIP, whose pieces are exactly cubic Bezier curves
 * on these axes. Charts show the rates that ours covers with some margin; competitors go on outside of the frame.
 */
import type { CurvePoint } from '../bd-rate.js';
import type { EvaluatedCodec, Evaluation, MeasuredCodec } from '../evaluation.js';
import { interpolate } from '../interpolation.js';
import type { MeanValues } from '../measure.js';
import type { Chart, ChartAxis, ChartPoint, CurvePiece } from './chart.js';
import { metricsOf, type ReportMetric } from './metrics.js';
import { bytesText, numberText, percentText, secondsText } from './numbers.js';
import type { ReportSeries } from './series.js';
import { weightsChart } from './weights-plot.js';

/** Room beside the rates of ours, as a factor, and above and below their qualities, as a part of their range. */
const rateMargin = 1.4;
const qualityMargin = 0.2;

interface RatePoint {
  readonly bpp: number;
  readonly quality: number;
  readonly point: CurvePoint & Partial<MeanValues>;
}

/** Points that have the measure, from low to high rates. */
function ratePoints(codec: EvaluatedCodec, metric: ReportMetric): RatePoint[] {
  return codec.curve
    .flatMap((point) => {
      const quality = metric.of(point);
      return quality === undefined ? [] : [{ bpp: point.bpp, quality, point }];
    })
    .sort((a, b) => a.bpp - b.bpp);
}

/** The curve as BD-rates see it; straight lines where quality does not rise with the rate, which has no such curve. */
function curvePieces(points: readonly RatePoint[]): CurvePiece[] {
  const rising = points.every((point, i) => i === 0 || point.quality > points[i - 1].quality);
  if (points.length < 2) return [];
  const quality = points.map((point) => point.quality);
  const rate = points.map(({ bpp }) => Math.log(bpp));
  const slopes = rising ? interpolate(quality, rate, 'pchip').slopes : undefined;
  return points.slice(1).map((_, i) => {
    const third = (quality[i + 1] - quality[i]) / 3;
    const along = (rate[i + 1] - rate[i]) / 3;
    const [leave, arrive] = slopes ? [slopes[i] * third, slopes[i + 1] * third] : [along, along];
    return {
      from: [points[i].bpp, quality[i]],
      controls: [
        [Math.exp(rate[i] + leave), quality[i] + third],
        [Math.exp(rate[i + 1] - arrive), quality[i + 1] - third],
      ],
      to: [points[i + 1].bpp, quality[i + 1]],
    };
  });
}

function pointTitle(codec: EvaluatedCodec, { bpp, quality, point }: RatePoint, metric: ReportMetric): string {
  const lines = [
    codec.name,
    `${bpp.toFixed(3)} bpp, ${numberText(quality, metric.digits)} ${metric.unit || metric.name}`,
  ];
  if (point.setting !== undefined) lines.push(`setting ${point.setting}`);
  if (point.bytes !== undefined) lines.push(`${bytesText(point.bytes)} per picture`);
  if (point.encodeSeconds !== undefined && point.decodeSeconds !== undefined) {
    lines.push(`encode ${secondsText(point.encodeSeconds)}, decode ${secondsText(point.decodeSeconds)}`);
  }
  return lines.join('\n');
}

function padded(values: readonly number[], part: number): readonly [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = high > low ? part * (high - low) : 1;
  return [low - margin, high + margin];
}

/** Published and competing curves lie behind ours. */
const order: Readonly<Record<EvaluatedCodec['kind'], number>> = {
  published: 0,
  competitor: 1,
  quantized: 2,
  ours: 3,
};

const backToFront = (series: readonly ReportSeries[]): ReportSeries[] =>
  [...series].sort((a, b) => order[a.codec.kind] - order[b.codec.kind]);

/**
 * Quality against rate.
 *
 * @returns undefined where no curve has the measure
 */
export function rateChart(
  evaluation: Evaluation,
  series: readonly ReportSeries[],
  metric: ReportMetric,
): Chart | undefined {
  const drawn = backToFront(series)
    .map((one) => ({ series: one, points: ratePoints(one.codec, metric) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return undefined;
  const own = drawn.filter(({ series: { codec } }) => codec.kind === 'ours');
  const focus = (own.length > 0 ? own : drawn).flatMap(({ points }) => points);
  const rates = focus.map(({ bpp }) => bpp);
  const unit = metric.unit ? ` (${metric.unit})` : '';
  const count = evaluation.images.length;
  return {
    key: `rate-${metric.key}`,
    title: `${metric.name} against rate on ${evaluation.dataset}`,
    description: `${metric.name}${unit} over bits per pixel, means over ${count} pictures, for ${drawn
      .map(({ series: { codec } }) => codec.name)
      .join(', ')}. The values are in the tables of this report.`,
    x: {
      title: 'bits per pixel (logarithmic)',
      domain: [Math.min(...rates) / rateMargin, Math.max(...rates) * rateMargin],
      logarithmic: true,
    },
    y: {
      title: `${metric.name}${unit}`,
      domain: padded(
        focus.map(({ quality }) => quality),
        qualityMargin,
      ),
    },
    lines: drawn.map(({ series: one, points }) => ({
      series: one,
      points: points.map((point) => ({
        x: point.bpp,
        y: point.quality,
        title: pointTitle(one.codec, point, metric),
      })),
      pieces: curvePieces(points),
    })),
  };
}

/**
 * Bits that a codec needs in comparison with another at equal PSNR, per cent; 0 for the same one. A comparison that was
 * made the other way round is turned, which is exact, as both averages are over the same interval.
 */
function relativeRate({ comparisons }: Evaluation, codec: string, reference: string): number | undefined {
  if (codec === reference) return 0;
  const found = (tested: string, judge: string): number | undefined =>
    comparisons.find((one) => one.metric === 'psnr' && one.tested === tested && one.reference === judge)?.rate
      ?.percent;
  const turned = found(reference, codec);
  return found(codec, reference) ?? (turned === undefined ? undefined : 100 * (1 / (1 + turned / 100) - 1));
}

/** Seconds per megapixel, over all pictures and settings; undefined where sizes of pictures are not known. */
function secondsPerMegapixel(
  { images }: Evaluation,
  { perImage }: MeasuredCodec,
  seconds: 'encodeSeconds' | 'decodeSeconds',
): number | undefined {
  const pixels = new Map(images.map(({ name, width, height }) => [name, width * height]));
  const known = perImage.filter(({ image }) => pixels.has(image));
  const total = known.reduce((sum, measurement) => sum + measurement[seconds], 0);
  const megapixels = known.reduce((sum, { image }) => sum + pixels.get(image)! / 1e6, 0);
  return total > 0 ? total / megapixels : undefined;
}

/** Whether seconds of codecs can stand beside each other: all are of one kind of run of one version on one machine. */
function sameRuns(codecs: readonly MeasuredCodec[]): boolean {
  const runs = codecs.flatMap(({ environments = [] }) =>
    environments.map(({ package: version, commit, node, platform, cpu, cores, jobs, threads }) =>
      JSON.stringify([version, commit, node, platform, cpu, cores, jobs, threads]),
    ),
  );
  return new Set(runs).size <= 1;
}

/**
 * Time against rate: how long codecs take to encode (and to decode) and how many bits they need at equal PSNR.
 *
 * @returns undefined where fewer than two measured codecs can be compared, or where their seconds are of different runs
 */
export function timeChart(evaluation: Evaluation, series: readonly ReportSeries[]): Chart | undefined {
  const reference = series.find(({ codec }) => codec.kind === 'ours')?.codec.name;
  if (reference === undefined) return undefined;
  const rated = backToFront(series).flatMap((one) => {
    const percent = relativeRate(evaluation, one.codec.name, reference);
    return percent === undefined ? [] : [{ series: one, percent }];
  });
  const lines = rated.flatMap(({ series: one, percent }) => {
    if (one.codec.kind === 'published') return [];
    const encode = secondsPerMegapixel(evaluation, one.codec, 'encodeSeconds');
    const decode = secondsPerMegapixel(evaluation, one.codec, 'decodeSeconds');
    if (encode === undefined || decode === undefined) return [];
    const title = [
      one.codec.name,
      one.codec.name === reference
        ? 'what bits are compared with'
        : `${percentText(percent)} bits against ${reference}`,
      `encode ${secondsText(encode)} per megapixel`,
      `decode ${secondsText(decode)} per megapixel`,
    ].join('\n');
    const points: ChartPoint[] = [
      { x: decode, y: percent, title, open: true },
      { x: encode, y: percent, title },
    ];
    const [from, to] = [points[0], points[1]].map(({ x, y }) => [x, y] as const);
    return [{ series: one, points, pieces: [{ from, controls: [from, to] as const, to }] }];
  });
  const timed = lines.flatMap(({ series: { codec } }) => (codec.kind === 'published' ? [] : [codec]));
  if (lines.length < 2 || !sameRuns(timed)) return undefined;
  const levels = rated
    .filter(({ series: one }) => one.codec.kind === 'published')
    .map(({ series: one, percent }) => ({ series: one, y: percent }));
  const seconds = lines.flatMap(({ points }) => points.map(({ x }) => x));
  const x: ChartAxis = {
    title: 'seconds per megapixel (logarithmic)',
    domain: [Math.min(...seconds) / 1.6, Math.max(...seconds) * 3],
    logarithmic: true,
  };
  return {
    key: 'time',
    title: `Time against rate on ${evaluation.dataset}`,
    description: `Seconds per megapixel, to encode (filled) and to decode (outlined), and bits at equal PSNR in comparison with ${reference}. Lower and further left is better.`,
    x,
    y: {
      title: `bits at equal PSNR against ${reference} (%)`,
      domain: padded(
        rated.map(({ percent }) => percent),
        0.08,
      ),
    },
    lines,
    levels,
    names: 'beside',
  };
}

/** All charts of an evaluation that have something to show. */
export function chartsOf(evaluation: Evaluation, series: readonly ReportSeries[]): Chart[] {
  const whole = series.filter(({ codec }) => codec.kind !== 'quantized');
  return [
    ...metricsOf(evaluation).map((metric) => rateChart(evaluation, whole, metric)),
    timeChart(evaluation, whole),
    weightsChart(evaluation, series),
  ].filter((chart) => chart !== undefined);
}
