/**
 * The numbers of an evaluation as a Markdown document, which is how docs/RESULTS.md is made. It says the same as the
 * page, without single pictures.
 */
import type { EvaluatedComparison, Evaluation, MeasuredCodec } from '../evaluation.js';
import { countOf, environmentFacts, failureText, isMeasured } from './facts.js';
import { type ReportMetric, metricsOf } from './metrics.js';
import { numberText, percentText, signedText } from './numbers.js';
import { chartsOf } from './plots.js';
import { kindNames, seriesOf } from './series.js';

export interface DocumentOptions {
  /** What made the document, to be repeated; named in its first lines. */
  readonly command?: string;
  /** Folder of the charts as a link reaches it; without it there are no charts. */
  readonly charts?: string;
}

const absent = '\u2013';

/** Text within a cell: bars would end it, and angle brackets would be tags. */
const cellText = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/[\r\n\t ]+/g, ' ');

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

/** One table per judged codec. */
function comparisonTables({ comparisons }: Evaluation, metric: ReportMetric): string[] {
  const ofMetric = comparisons.filter((one) => one.metric === metric.key);
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
    `### ${name} at equal ${metric.name}`,
    markdownTable([
      head,
      ...ofMetric.filter(({ tested }) => tested === name).map((one) => comparisonRow(one, metric)),
    ]),
  ]);
}

function curveTable({ curve }: MeasuredCodec, metrics: readonly ReportMetric[]): string {
  const own = metrics.filter((metric) => curve.some((point) => metric.of(point) !== undefined));
  const head = [
    'setting',
    'bpp',
    ...own.map(({ name, unit }) => (unit ? `${name}, ${unit}` : name)),
    'encode, s',
    'decode, s',
  ];
  const rows = curve.map((point) => [
    String(point.setting),
    point.bpp.toFixed(4),
    ...own.map((metric) => {
      const value = metric.of(point);
      return value === undefined ? absent : numberText(value, metric.digits + 1);
    }),
    point.encodeSeconds.toFixed(3),
    point.decodeSeconds.toFixed(3),
  ]);
  return markdownTable([head, ...rows], 0);
}

/**
 * The document.
 *
 * @example
 * const text = resultsDocument(evaluation, { command: 'codec eval kodak', charts: 'results' });
 */
export function resultsDocument(evaluation: Evaluation, options: DocumentOptions = {}): string {
  const { dataset, images, codecs, environments, failures } = evaluation;
  const { command, charts } = options;
  const metrics = metricsOf(evaluation);
  const made = command === undefined ? '' : `Made by \`${command}\`; not edited by hand. `;
  const links = charts === undefined ? [] : chartsOf(evaluation, seriesOf(evaluation));
  const facts = environments.flatMap((environment, i) => [
    ...(environments.length > 1 ? [`Run ${i + 1} of ${environments.length}:`] : []),
    environmentFacts(environment)
      .map(([name, value]) => `- ${name}: ${cellText(value)}`)
      .join('\n'),
  ]);
  const parts = [
    `# Results on ${dataset}`,
    `${made}${countOf(images.length, 'picture')}. Rates are those of complete files. Values are means over pictures of what was measured on 8-bit pictures. Negative BD-rates are savings; they are by PCHIP over the part of the tested curve that "overlap" states. Seconds depend on the machine and its load.`,
    ...links.map(({ key, title }) => `![${title}](${charts}/${key}.svg)`),
    '## BD-rates',
    ...metrics.flatMap((metric) => comparisonTables(evaluation, metric)),
    '## Curves',
    ...codecs.filter(isMeasured).flatMap((codec) => [`### ${codec.name}`, curveTable(codec, metrics)]),
    '## Codecs',
    markdownTable(
      [
        ['codec', 'kind', 'version, options or source'],
        ...codecs.map(({ name, kind, version, source }) => [
          name,
          kindNames[kind],
          [...new Set([version, source])].filter((text) => text).join('; '),
        ]),
      ],
      3,
    ),
    '## Environment',
    ...facts,
    ...(failures.length > 0
      ? ['## Failures', failures.map((failure) => `- ${cellText(failureText(failure))}`).join('\n')]
      : []),
  ];
  return `${parts.join('\n\n')}\n`;
}
