/**
 * The chart of quantized weights: BD-rate against bits per weight, a line for each scheme. Losses span three orders of
 * magnitude, so their axis is logarithmic; those of a tenth of a per cent and less, and gains, lie on its lowest mark.
 */
import type { Evaluation } from '../evaluation.js';
import { weightsResults } from '../weights/summary.js';
import type { Chart, ChartLine } from './chart.js';
import { bytesText, percentText } from './numbers.js';
import { type ReportSeries, schemeOf } from './series.js';

/** Where BD-rates that are less are drawn, per cent. */
const leastPercent = 0.1;
/** Room above and below points, as a factor, and beside them, in bits. */
const margin = 1.4;
const bitsMargin = 0.5;

interface WeightsPoint {
  readonly bits: number;
  readonly percent: number;
  readonly title: string;
}

/** The points of one scheme, from few bits to many. */
function pointsOf(evaluation: Evaluation, codecs: ReadonlySet<string>): WeightsPoint[] {
  return weightsResults(evaluation)
    .flatMap(({ codec, facts, comparison }) => {
      if (!comparison?.rate || !codecs.has(codec.name)) return [];
      const { bitsPerWeight, bytes } = facts.decoder;
      const { percent } = comparison.rate;
      const title = [
        codec.name,
        `${percentText(percent, 2)} bits against ${facts.reference}`,
        `${bitsPerWeight.toFixed(2)} bits per weight, SQNR ${facts.sqnr.toFixed(1)} dB`,
        `decoder of ${bytesText(bytes)}`,
      ].join('\n');
      return [{ bits: bitsPerWeight, percent, title }];
    })
    .sort((a, b) => a.bits - b.bits);
}

function lineOf(series: ReportSeries, name: string, points: readonly WeightsPoint[]): ChartLine {
  const places = points.map(({ bits, percent }) => [bits, Math.max(leastPercent, percent)] as const);
  return {
    // The look of the scheme's first codec, under the scheme's name.
    series: { ...series, codec: { ...series.codec, name } as ReportSeries['codec'] },
    points: places.map(([x, y], i) => ({ x, y, title: points[i].title })),
    pieces: places.slice(1).map((to, i) => ({ from: places[i], controls: [places[i], to], to })),
  };
}

/** BD-rate against bits per weight; undefined where no codec with quantized weights can be compared. */
export function weightsChart(evaluation: Evaluation, series: readonly ReportSeries[]): Chart | undefined {
  const quantized = series.flatMap((one) =>
    one.codec.kind === 'quantized' ? [{ series: one, scheme: schemeOf(one.codec) }] : [],
  );
  const lines = [...new Set(quantized.map(({ scheme }) => scheme))].flatMap((scheme) => {
    const own = quantized.filter((one) => one.scheme === scheme).map((one) => one.series);
    const points = pointsOf(evaluation, new Set(own.map(({ codec }) => codec.name)));
    return points.length > 0 ? [lineOf(own[0], scheme, points)] : [];
  });
  if (lines.length === 0) return undefined;
  const points = lines.flatMap((line) => line.points);
  const [bits, percents] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  return {
    key: 'weights',
    title: `Quantized weights on ${evaluation.dataset}`,
    description: `BD-rate against the model as it is over bits per quantized weight of the decoder (losses of less than 0.1 % are drawn there), for ${lines
      .map((line) => line.series.codec.name)
      .join(', ')}. The values are in the tables of this report.`,
    x: {
      title: 'bits per weight',
      domain: [Math.max(0, Math.min(...bits) - bitsMargin), Math.max(...bits) + bitsMargin],
    },
    y: {
      title: 'BD-rate against the model as it is (%, logarithmic)',
      domain: [leastPercent / margin, Math.max(1, ...percents) * margin],
      logarithmic: true,
    },
    lines,
  };
}
