/** Evaluations as tables of text, for terminals. */
import { leastOverlap } from './comparison.js';
import type {
  EvaluatedCodec,
  EvaluatedComparison,
  Evaluation,
  Failure,
  MeasuredCodec,
  PublishedCodec,
} from './evaluation.js';
import type { MeanValues } from './measure.js';
import { msSsimDecibels } from './metrics/ms-ssim.js';
import { codecComparisons, weightsNotes, weightsRows, weightsTitles } from './weights/summary.js';

/**
 * Rows as text in columns; numbers and all but the first column to the right.
 *
 * @example
 * textTable([['codec', 'bpp'], ['ours', '0.25']]);
 */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** A column of a curve's table. */
interface Column {
  readonly title: string;
  readonly digits: number;
  readonly value: (point: MeanValues) => number | undefined;
}

const columns: readonly Column[] = [
  { title: 'bpp', digits: 4, value: ({ bpp }) => bpp },
  { title: 'estimated', digits: 4, value: ({ estimatedBpp }) => estimatedBpp },
  { title: 'PSNR dB', digits: 3, value: ({ psnr }) => psnr },
  { title: 'pooled', digits: 3, value: ({ pooledPsnr }) => pooledPsnr },
  { title: 'luma', digits: 3, value: ({ lumaPsnr }) => lumaPsnr },
  { title: 'MS-SSIM', digits: 5, value: ({ msSsim }) => msSsim },
  {
    title: 'in dB',
    digits: 2,
    value: ({ msSsim }) => (msSsim === undefined ? undefined : msSsimDecibels(msSsim)),
  },
  { title: 'SSIMULACRA2', digits: 2, value: ({ ssimulacra2 }) => ssimulacra2 },
  { title: 'Butteraugli', digits: 3, value: ({ butteraugli }) => butteraugli },
  { title: 'encode s', digits: 3, value: ({ encodeSeconds }) => encodeSeconds },
  { title: 'decode s', digits: 3, value: ({ decodeSeconds }) => decodeSeconds },
];

/** The points of a curve as a table; values that no point has are left out. */
export function curveTable(curve: readonly MeanValues[]): string {
  const shown = columns.filter(({ value }) => curve.some((point) => value(point) !== undefined));
  const rows = curve.map((point) => [
    String(point.setting),
    ...shown.map(({ value, digits }) => value(point)?.toFixed(digits) ?? '-'),
  ]);
  return textTable([['setting', ...shown.map(({ title }) => title)], ...rows]);
}

const signed = (value: number, digits: number): string => (value > 0 ? '+' : '') + value.toFixed(digits);

function comparisonRow({ reference, rate, psnr, smallOverlap, perImage }: EvaluatedComparison): string[] {
  if (!rate || !psnr) return [reference, '-', '-', '-', '-', '-', '-', '-'];
  const { mean, median, low, high, values = [] } = perImage ?? {};
  return [
    reference,
    signed(rate.percent, 2),
    signed(psnr.decibels, 3),
    `${rate.from.toFixed(2)}-${rate.to.toFixed(2)}`,
    `${(100 * rate.fraction).toFixed(0)}%${smallOverlap ? ' (!)' : ''}`,
    mean === undefined ? '-' : signed(mean, 2),
    median === undefined ? '-' : signed(median, 2),
    // The mean of one value does not move.
    values.length < 2 ? '-' : `${signed(low!, 2)}..${signed(high!, 2)}`,
  ];
}

/** BD-rates of one codec by one metric as a table; small overlaps are marked and missing numbers explained below it. */
export function comparisonTable(comparisons: readonly EvaluatedComparison[]): string {
  const head = [
    'against',
    'BD-rate %',
    'BD-quality',
    'over',
    'of curve',
    'mean %',
    'median %',
    '95 % interval',
  ];
  const notes = comparisons.flatMap(({ reference, reason }) =>
    reason === undefined ? [] : [`${reference}: ${reason}`],
  );
  if (comparisons.some(({ smallOverlap }) => smallOverlap)) {
    notes.push(
      `(!) less than ${100 * leastOverlap} % of the tested curve was compared: the number says little about the rest.`,
    );
  }
  return [textTable([head, ...comparisons.map(comparisonRow)]), ...notes].join('\n');
}

const metricTitles = {
  psnr: 'PSNR over RGB, in dB',
  'ms-ssim': 'MS-SSIM, in dB',
  ssimulacra2: 'SSIMULACRA2',
  butteraugli: 'Butteraugli, its sign turned',
} as const;

/** One line per reason: the pictures that it holds for are counted, the first ones named. */
export function failureLines(failures: readonly Failure[]): string[] {
  const groups = new Map<string, { subject: string; images: string[]; message: string }>();
  for (const { image, codec, message } of failures) {
    const key = JSON.stringify([codec, message]);
    const group = groups.get(key) ?? { subject: codec ?? '', images: [], message };
    if (image !== undefined) group.images.push(image);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ subject, images, message }) => {
    const more = images.length > 3 ? ` and ${images.length - 3} more` : '';
    const named = images.slice(0, 3).join(', ') + more;
    return [subject, named, message].filter((part) => part !== '').join(': ');
  });
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function codecHead({ name, kind, version, kmacPerPixel }: MeasuredCodec): string {
  if (kind === 'competitor' || !kmacPerPixel) return `${name} (${version})`;
  const { encode, decode } = kmacPerPixel;
  return `${name} (${version}; ${encode.toFixed(1)} kMAC per pixel to encode, ${decode.toFixed(1)} to decode)`;
}

/** How the seconds were taken. */
function environmentLines({ environments }: Evaluation): string[] {
  return environments.map(({ cpu, cores, node, jobs, threads }) => {
    const load =
      jobs === 1 ? 'one after the other' : `${jobs} side by side, so seconds are those of a busy machine`;
    return `${cpu}, ${plural(cores, 'core')}, node ${node}; ${plural(threads, 'thread')}, ${load}`;
  });
}

/** Measured, and not for its weights alone. */
const isWhole = (codec: EvaluatedCodec): codec is MeasuredCodec =>
  codec.kind === 'ours' || codec.kind === 'competitor';

/** A whole evaluation as text; failures are left to `failureLines`. */
export function summaryText(evaluation: Evaluation): string {
  const { dataset, scope, images, codecs } = evaluation;
  const count = images.length === scope.images.length ? '' : ` of ${scope.images.length}`;
  const parts = [`${dataset}, ${images.length}${count} ${scope.images.length === 1 ? 'image' : 'images'}`];
  parts.push(...environmentLines(evaluation));
  for (const codec of codecs) {
    if (isWhole(codec)) parts.push('', codecHead(codec), curveTable(codec.curve));
  }
  const groups = new Map<string, EvaluatedComparison[]>();
  for (const comparison of codecComparisons(evaluation)) {
    const title = `${comparison.tested} against others by ${metricTitles[comparison.metric]}; negative BD-rates are savings`;
    groups.set(title, [...(groups.get(title) ?? []), comparison]);
  }
  for (const [title, group] of groups) parts.push('', title, comparisonTable(group));
  const weights = weightsRows(evaluation, { signed, absent: '-' });
  if (weights.length > 0) {
    const title =
      'Quantized weights of the networks; bits are those of the decoder, BD-rates against the weights as the model has them';
    parts.push('', title, textTable([weightsTitles, ...weights]), ...weightsNotes(evaluation));
  }
  if (groups.size > 0) {
    parts.push(
      '',
      'Mean, median and interval (bootstrap, of the mean) are over the BD-rates of the single pictures.',
    );
  }
  const published = codecs.filter((codec): codec is PublishedCodec => codec.kind === 'published');
  if (published.length === 0) {
    parts.push('', 'Published curves are means over a whole set, so there are none beside these pictures.');
  }
  return parts.join('\n');
}
