/**
 * The numbers of an evaluation as a Markdown document, which is how docs/RESULTS.md is made. It says the same as the
 * page, without single pictures.
 */
import type { EvaluatedComparison, Evaluation, MeasuredCodec } from '../evaluation.js';
import { failureLines } from '../tables.js';
import { codecComparisons, weightsNotes, weightsRows, weightsTitles } from '../weights/summary.js';
import { codecDetails, isMeasured, runFacts, scopeText } from './facts.js';
import { metricsOf, type ReportMetric } from './metrics.js';
import { absent, numberText, percentText, signedText } from './numbers.js';
import { chartsOf } from './plots.js';
import { pointCells } from './points.js';
import { kindNames, seriesOf } from './series.js';

export interface DocumentOptions {
  /** What made the document, to be repeated; named in its first lines. */
  readonly command?: string;
  /** Folder of the charts as a link reaches it; without it there are no charts. */
  readonly charts?: string;
}

/** Text within a cell: bars would end it, and angle brackets would be tags. */
const cellText = (text: string): string =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replace(/[\r\n\t ]+/g, ' ');

/**
 * A table; the first column to the left, all others to the right.
 *
 * @param rows the first one is the head
 * @example
 * markdownTable([['codec', 'bpp'], ['ours', '0.25']]); // => "| codec | bpp |\n|---|--:|\n| ours | 0.25 |"
 */
export function markdownTable(rows: readonly (readonly string[])[], left = 1): string {
  const line = (row: readonly string[]): string => `| ${row.map(cellText).join(' | ')} |`;
  const rule = `|${rows[0].map((_, column) => (column < left ? '---' : '--:')).join('|')}|`;
  const [head, ...body] = rows;
  return [line(head), rule, ...body.map(line)].join('\n');
}

function comparisonRow(comparison: EvaluatedComparison, { digits }: ReportMetric): string[] {
  const { reference, rate, psnr, perImage, smallOverlap, reason } = comparison;
  if (!rate || !psnr) return [reference, absent, absent, reason ?? absent, absent, absent, absent];
  return [
    reference,
    `**${percentText(rate.percent, 2)}**`,
    signedText(psnr.decibels, digits + 1),
    `${(100 * rate.fraction).toFixed(0)}\u202f%${smallOverlap ? ' (little)' : ''}, ${numberText(rate.from, digits)}\u2013${numberText(rate.to, digits)}`,
    perImage ? signedText(perImage.mean, 2) : absent,
    perImage ? `${signedText(perImage.low, 1)} to ${signedText(perImage.high, 1)}` : absent,
    perImage ? signedText(perImage.median, 2) : absent,
  ];
}

/** A heading, with more marks the deeper it lies. */
const heading = (level: number, text: string): string => `${'#'.repeat(level)} ${text}`;

/** One table per judged codec. */
function comparisonTables(evaluation: Evaluation, metric: ReportMetric, level: number): string[] {
  const ofMetric = codecComparisons(evaluation).filter((one) => one.metric === metric.key);
  const unit = metric.unit || 'points';
  const head = [
    'against',
    'BD-rate',
    `BD-${metric.name}, ${unit}`,
    `overlap, ${unit}`,
    'mean of pictures, %',
    '95\u202f% interval',
    'median, %',
  ];
  return [...new Set(ofMetric.map(({ tested }) => tested))].flatMap((name) => [
    heading(level, `${name} at equal ${metric.name}`),
    markdownTable([
      head,
      ...ofMetric.filter(({ tested }) => tested === name).map((one) => comparisonRow(one, metric)),
    ]),
  ]);
}

/** What quantized weights cost. */
function weightsTable(evaluation: Evaluation, level: number): string[] {
  const rows = weightsRows(evaluation, { signed: signedText, absent });
  if (rows.length === 0) return [];
  return [
    heading(level, 'Quantized weights'),
    'Weights of the transforms; the entropy networks stay exact. Bits are those of the decoder: per weight that is quantized, with all overhead, and per parameter of its networks, with those that stay. BD-rates are against the same model as it is; its row says what it takes in half precision.',
    markdownTable([weightsTitles, ...rows]),
    ...weightsNotes(evaluation).map(cellText),
  ];
}

function curveTable({ curve }: MeasuredCodec): string {
  const { titles, cells } = pointCells(curve);
  return markdownTable([titles, ...curve.map(cells)], 0);
}

function environmentLists(evaluation: Evaluation): string[] {
  return runFacts(evaluation).flatMap(({ title, facts }) => [
    ...(title === undefined ? [] : [title]),
    facts.map(([name, value]) => `- ${name}: ${cellText(value)}`).join('\n'),
  ]);
}

/** What there is to read of one evaluation, below a heading of the level before. */
function sectionsOf(evaluation: Evaluation, level: number, charts: string | undefined): string[] {
  const { codecs, failures } = evaluation;
  const measured = codecs
    .filter(isMeasured)
    .filter(({ kind, curve }) => kind !== 'quantized' && curve.length > 0);
  const links = charts === undefined ? [] : chartsOf(evaluation, seriesOf(evaluation));
  const metrics = metricsOf(evaluation);
  return [
    ...links.map(({ key, title }) => `![${title}](${charts}${key}.svg)`),
    heading(level, 'BD-rates'),
    ...metrics.flatMap((metric) => comparisonTables(evaluation, metric, level + 1)),
    ...weightsTable(evaluation, level),
    heading(level, 'Curves'),
    ...measured.flatMap((codec) => [heading(level + 1, codec.name), curveTable(codec)]),
    heading(level, 'Codecs'),
    markdownTable(
      [
        ['codec', 'kind', 'version, options or source'],
        ...codecs.map((codec) => [codec.name, kindNames[codec.kind], codecDetails(codec)]),
      ],
      3,
    ),
    heading(level, 'Environment'),
    ...environmentLists(evaluation),
    ...(failures.length > 0
      ? [
          heading(level, 'Failures'),
          failureLines(failures)
            .map((line) => `- ${cellText(line)}`)
            .join('\n'),
        ]
      : []),
  ];
}

const explanation =
  'Rates are those of complete files. Values are means over pictures of what was measured on 8-bit pictures; pooled PSNR is that of the mean error of all pixels, luma PSNR that of Y. Negative BD-rates are savings; they are by PCHIP over the part of the tested curve that "overlap" states. Seconds depend on the machine and its load.';

/** BD-rates by PSNR of the last of our codecs of every evaluation, which is the one that others lead to, side by side. */
function overview(evaluations: readonly Evaluation[]): string {
  const columns = evaluations.map(({ dataset, codecs, comparisons }) => {
    const tested = codecs.findLast(({ kind }) => kind === 'ours')?.name ?? absent;
    const own = comparisons.filter((one) => one.tested === tested && one.metric === 'psnr');
    return { title: `${tested} on ${dataset}`, rates: new Map(own.map((one) => [one.reference, one])) };
  });
  const references = [...new Set(columns.flatMap(({ rates }) => [...rates.keys()]))];
  const cell = ({ rate, smallOverlap }: Partial<EvaluatedComparison>): string =>
    rate ? `${percentText(rate.percent, 2)}${smallOverlap ? ' (little overlap)' : ''}` : absent;
  return markdownTable([
    ['BD-rate by PSNR against', ...columns.map(({ title }) => title)],
    ...references.map((name) => [name, ...columns.map(({ rates }) => cell(rates.get(name) ?? {}))]),
  ]);
}

const firstLine = (command: string | undefined, text: string): string =>
  command === undefined ? text : `Made by \`${command}\`; not edited by hand. ${text}`;

/**
 * The document of one evaluation.
 *
 * @example
 * const text = resultsDocument(evaluation, { command: 'codec eval kodak', charts: 'results' });
 */
export function resultsDocument(evaluation: Evaluation, options: DocumentOptions = {}): string {
  const { command, charts } = options;
  const parts = [
    heading(1, `Results on ${evaluation.dataset}`),
    firstLine(command, `${scopeText(evaluation)} ${explanation}`),
    ...sectionsOf(evaluation, 2, charts === undefined ? undefined : `${charts}/`),
  ];
  return `${parts.join('\n\n')}\n`;
}

/**
 * One document of evaluations on several sets, with an overview; charts are called as `writeCharts` calls them.
 *
 * @example
 * const text = releaseDocument([kodak, tecnick], { charts: 'results' });
 */
export function releaseDocument(evaluations: readonly Evaluation[], options: DocumentOptions = {}): string {
  const { command, charts } = options;
  const parts = [
    heading(1, 'Results'),
    firstLine(command, explanation),
    overview(evaluations),
    ...evaluations.flatMap((evaluation) => [
      heading(2, `Results on ${evaluation.dataset}`),
      scopeText(evaluation),
      ...sectionsOf(evaluation, 3, charts && `${charts}/${chartPrefix(evaluation)}`),
    ]),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** What charts of an evaluation are called by where those of others lie beside them. */
export const chartPrefix = ({ dataset }: Evaluation): string => `${dataset.replaceAll(/[^\w.-]+/g, '-')}-`;
