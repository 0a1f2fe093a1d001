/**
 * The tables of the page. Each lies in a box that scrolls sideways by itself, which the keyboard can reach; the first
 * column stays where it is.
 */
import type {
  EvaluatedComparison,
  Evaluation,
  MeasuredCodec,
  PerImageRates,
  PublishedCodec,
} from '../evaluation.js';
import type { MeanValues, Measurement } from '../measure.js';
import { codecComparisons, weightsResults, weightsRows, weightsTitles } from '../weights/summary.js';
import { drawSwatch } from './chart.js';
import { codecDetails } from './facts.js';
import { type Child, coordinate, element, fragment, type Markup } from './markup.js';
import type { ReportMetric } from './metrics.js';
import { absent, numberText, percentText, signedText } from './numbers.js';
import { pointCells } from './points.js';
import { kindNames, type ReportSeries } from './series.js';

const toneOf = (percent: number): string => (percent < 0 ? 'good' : 'bad');

const number = (...children: Child[]): Markup => element('td', { class: 'number' }, ...children);
const columnHead = (...children: Child[]): Markup => element('th', { scope: 'col' }, ...children);
const numberHead = (...children: Child[]): Markup =>
  element('th', { scope: 'col', class: 'number' }, ...children);
const rowHead = (...children: Child[]): Markup => element('th', { scope: 'row' }, ...children);

/**
 * A table with its caption, in a box that scrolls.
 *
 * @param heads cells of the head's rows
 */
function scrollingTable(caption: string, heads: readonly (readonly Child[])[], ...bodies: Markup[]): Markup {
  return element(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': caption, tabindex: '0' },
    element(
      'table',
      {},
      element('caption', {}, element('span', {}, caption)),
      element(
        'thead',
        {},
        heads.map((cells) => element('tr', {}, cells)),
      ),
      ...bodies,
    ),
  );
}

/** A codec's mark and name. */
export function codecName(series: ReportSeries | undefined, name: string): Markup {
  if (!series) return fragment(name);
  return element(
    'span',
    { class: 'codec' },
    element(
      'svg',
      {
        class: `swatch ${series.codec.kind} ${series.key}`,
        viewBox: '0 0 26 12',
        width: 26,
        height: 12,
        'aria-hidden': 'true',
      },
      drawSwatch(series, 0, 6),
    ),
    name,
  );
}

const barWidth = 112;
const barHeight = 18;

/** BD-rates as bars on one scale that takes in all of them, and zero. */
function rateBars(comparisons: readonly EvaluatedComparison[]) {
  const ends = comparisons.flatMap(({ rate, perImage }) => [rate?.percent, perImage?.low, perImage?.high]);
  const known = ends.filter((end) => end !== undefined);
  const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
  const at = (percent: number): number => 3 + ((percent - low) / (high - low || 1)) * (barWidth - 6);
  const middle = barHeight / 2;
  const zero = coordinate(at(0));
  /** The bar of a BD-rate, with the interval of its mean over pictures as a line. */
  return (percent: number, perImage: PerImageRates | undefined): Markup => {
    const [from, to] = [at(Math.min(0, percent)), at(Math.max(0, percent))];
    const [start, end] = [perImage?.low ?? 0, perImage?.high ?? 0].map((value) => coordinate(at(value)));
    return element(
      'svg',
      {
        class: 'bar',
        viewBox: `0 0 ${barWidth} ${barHeight}`,
        width: barWidth,
        height: barHeight,
        'aria-hidden': 'true',
      },
      element('rect', { class: toneOf(percent), x: from, y: 4, width: to - from, height: barHeight - 8 }),
      element('path', { class: 'zero', d: `M${zero} 0V${barHeight}` }),
      perImage
        ? element('path', {
            class: 'interval',
            d: `M${start} ${middle}H${end}M${start} ${middle - 3}v6M${end} ${middle - 3}v6`,
          })
        : undefined,
    );
  };
}

function comparisonCells(
  comparison: EvaluatedComparison,
  metric: ReportMetric,
  bar: ReturnType<typeof rateBars>,
): Markup[] {
  const { rate, psnr, percentBy, perImage, smallOverlap, reason } = comparison;
  if (!rate || !psnr) return [element('td', { class: 'reason', colspan: 9 }, reason ?? 'not compared')];
  return [
    element(
      'td',
      { class: `number ${toneOf(rate.percent)}` },
      element('b', {}, percentText(rate.percent, 2)),
    ),
    element('td', {}, bar(rate.percent, perImage)),
    number(signedText(psnr.decibels, metric.digits + 1)),
    element(
      'td',
      { class: smallOverlap ? 'number warning' : 'number' },
      `${(100 * rate.fraction).toFixed(0)}\u202f%`,
      smallOverlap ? element('span', { class: 'flag' }, ' little overlap') : undefined,
    ),
    number(`${numberText(rate.from, metric.digits)}\u2013${numberText(rate.to, metric.digits)}`),
    number(percentBy ? `${signedText(percentBy.akima, 2)} / ${signedText(percentBy.cubic, 2)}` : absent),
    ...(perImage
      ? [
          number(signedText(perImage.mean, 2)),
          number(`${signedText(perImage.low, 1)} to ${signedText(perImage.high, 1)}`),
          number(signedText(perImage.median, 2)),
        ]
      : Array.from({ length: 3 }, () => element('td', { class: 'number none' }, absent))),
  ];
}

/** BD-rates by one measure, in groups by the codec that is judged; undefined where there are none. */
export function bdRateTable(
  evaluation: Evaluation,
  series: readonly ReportSeries[],
  metric: ReportMetric,
): Markup | undefined {
  const comparisons = codecComparisons(evaluation).filter((one) => one.metric === metric.key);
  if (comparisons.length === 0) return undefined;
  const seriesOf = (name: string) => series.find(({ codec }) => codec.name === name);
  const bar = rateBars(comparisons);
  const tested = [...new Set(comparisons.map((one) => one.tested))];
  const unit = metric.unit || 'points';
  const tall = { scope: 'col', rowspan: 2 };
  const tallNumber = { ...tall, class: 'number' };
  const heads = [
    [
      element('th', tall, 'against'),
      element('th', tallNumber, 'BD-rate'),
      element('td', { rowspan: 2 }),
      element('th', tallNumber, `BD-${metric.name}, ${unit}`),
      element('th', tallNumber, 'overlap'),
      element('th', tallNumber, `over, ${unit}`),
      element('th', tallNumber, 'Akima / cubic, %'),
      element('th', { scope: 'colgroup', colspan: 3, class: 'number' }, 'single pictures, %'),
    ],
    [numberHead('mean'), numberHead('its 95\u202f% interval'), numberHead('median')],
  ];
  const bodies = tested.map((name) =>
    element(
      'tbody',
      {},
      element(
        'tr',
        { class: 'group' },
        element('th', { scope: 'rowgroup', colspan: 10 }, codecName(seriesOf(name), name)),
      ),
      comparisons
        .filter((one) => one.tested === name)
        .map((one) =>
          element(
            'tr',
            {},
            rowHead(codecName(seriesOf(one.reference), one.reference)),
            comparisonCells(one, metric, bar),
          ),
        ),
    ),
  );
  return scrollingTable(`BD-rates at equal ${metric.name}; negative: fewer bits`, heads, ...bodies);
}

/** The share of a colour behind a BD-rate, per cent; full at a difference of 40 %. */
const tint = (percent: number): string => `--tint:${Math.min(50, Math.abs(percent) * 1.25).toFixed(0)}%`;

/** BD-rates of the single pictures at equal PSNR, a column for each comparison; undefined where there are none. */
export function pictureRateTable(evaluation: Evaluation): Markup | undefined {
  const having = codecComparisons(evaluation).filter(
    ({ metric, perImage }) => metric === 'psnr' && perImage && perImage.values.length > 0,
  );
  // In groups by the tested codec, as the head is.
  const compared = [...new Set(having.map(({ tested }) => tested))].flatMap((name) =>
    having.filter(({ tested }) => tested === name),
  );
  if (compared.length === 0) return undefined;
  const columns = compared.map(
    ({ perImage }) => new Map(perImage!.values.map((one) => [one.image, one.percent])),
  );
  const tested = [...new Set(compared.map((one) => one.tested))];
  const rows = evaluation.images.map(({ name, width, height }) =>
    element(
      'tr',
      {},
      rowHead(name),
      number(`${width}\u202f\u00d7\u202f${height}`),
      columns.map((values) => {
        const percent = values.get(name);
        if (percent === undefined) return element('td', { class: 'number none' }, absent);
        return element(
          'td',
          { class: `number tinted ${toneOf(percent)}`, style: tint(percent) },
          signedText(percent, 1),
        );
      }),
    ),
  );
  const head = [
    [
      element('th', { scope: 'col', rowspan: 2 }, 'picture'),
      element('th', { scope: 'col', rowspan: 2, class: 'number' }, 'pixels'),
      ...tested.map((name) => {
        const colspan = compared.filter((one) => one.tested === name).length;
        return element('th', { scope: 'colgroup', colspan, class: 'number' }, `${name} against`);
      }),
    ],
    tested.flatMap((name) =>
      compared.filter((one) => one.tested === name).map(({ reference }) => numberHead(reference)),
    ),
  ];
  return scrollingTable(
    'BD-rates of the single pictures at equal PSNR, %; negative: fewer bits',
    head,
    element('tbody', {}, rows),
  );
}

/** What quantized weights cost, a row each; undefined where there are none. */
export function weightsTable(evaluation: Evaluation, series: readonly ReportSeries[]): Markup | undefined {
  const rows = weightsRows(evaluation, { signed: signedText, absent });
  if (rows.length === 0) return undefined;
  const results = weightsResults(evaluation);
  const seriesOf = (name: string) =>
    series.find(({ codec }) => results.some((one) => one.codec === codec && one.facts.scheme === name));
  return scrollingTable(
    'Quantized weights: bits of the decoder, BD-rates against the model as it is',
    [weightsTitles.map((title, i) => (i === 0 ? columnHead(title) : numberHead(title)))],
    element(
      'tbody',
      {},
      rows.map(([name, ...cells]) =>
        element(
          'tr',
          {},
          rowHead(codecName(seriesOf(name), name)),
          cells.map((cell) => number(cell)),
        ),
      ),
    ),
  );
}

/** A table of measured points; `name` heads the rows of a codec. */
function pointTable(
  caption: string,
  groups: readonly { readonly name?: string; readonly points: readonly (Measurement | MeanValues)[] }[],
): Markup {
  const { titles, cells } = pointCells(groups.flatMap(({ points }) => points));
  const named = groups.some(({ name }) => name !== undefined);
  const rows = groups.flatMap(({ name, points }) =>
    points.map((point) =>
      element(
        'tr',
        {},
        name === undefined ? undefined : rowHead(name),
        cells(point).map((cell) => number(cell)),
      ),
    ),
  );
  const heads = titles.map((title) => numberHead(title));
  return scrollingTable(
    caption,
    [named ? [columnHead('codec'), ...heads] : heads],
    element('tbody', {}, rows),
  );
}

/** The points of a measured curve. */
export function measuredCurveTable({ name, curve }: MeasuredCodec): Markup {
  return pointTable(`${name}: means over pictures`, [{ points: curve }]);
}

/** The points of a published curve. */
export function publishedCurveTable({ name, curve }: PublishedCodec): Markup {
  const rows = curve.map(({ bpp, psnr }) =>
    element('tr', {}, number(bpp.toFixed(4)), number(psnr.toFixed(3))),
  );
  return scrollingTable(
    `${name}: published means`,
    [[numberHead('bpp'), numberHead('PSNR, dB')]],
    element('tbody', {}, rows),
  );
}

/** All measurements of a picture. */
export function pictureTable(image: string, codecs: readonly MeasuredCodec[]): Markup {
  const groups = codecs.map(({ name, perImage }) => ({
    name,
    points: perImage.filter((measurement) => measurement.image === image),
  }));
  return pointTable(image, groups);
}

/** What was measured, or where it was published. */
export function codecList(series: readonly ReportSeries[]): Markup {
  const entries = series.map((one) =>
    fragment(
      element('dt', {}, codecName(one, one.codec.name)),
      element('dd', {}, `${kindNames[one.codec.kind]}; ${codecDetails(one.codec)}`),
    ),
  );
  return element('dl', { class: 'codecs' }, entries);
}
