/**
 * Evaluations for other programs: one row of CSV per picture and setting, and curves in the shape that CompressAI's tools
 * read (lists by metric under `results`, with the keys bpp, psnr-rgb, ms-ssim-rgb, encoding_time, decoding_time).
 */
import type { EvaluatedCodec, Evaluation } from './evaluation.js';
import type { MeanValues, Measurement } from './measure.js';

/** A curve in lists by metric; times in seconds. */
export function exchangeResults(curve: readonly Partial<MeanValues>[]): Record<string, number[]> {
  const all = (key: keyof MeanValues): number[] =>
    curve.map((point) => point[key]).filter((entry) => entry !== undefined);
  const lists = {
    setting: all('setting'),
    bpp: all('bpp'),
    'estimated-bpp': all('estimatedBpp'),
    'psnr-rgb': all('psnr'),
    'psnr-y': all('lumaPsnr'),
    'ms-ssim-rgb': all('msSsim'),
    ssimulacra2: all('ssimulacra2'),
    butteraugli: all('butteraugli'),
    encoding_time: all('encodeSeconds'),
    decoding_time: all('decodeSeconds'),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

/** A codec's curve as CompressAI's tools take it. */
export function exchangeDocument({ name, version, curve }: EvaluatedCodec): object {
  return { name, description: version, results: exchangeResults(curve) };
}

const rowKeys = {
  bytes: 'bytes',
  bpp: 'bpp',
  estimated_bpp: 'estimatedBpp',
  psnr: 'psnr',
  luma_psnr: 'lumaPsnr',
  ms_ssim: 'msSsim',
  ssimulacra2: 'ssimulacra2',
  butteraugli: 'butteraugli',
  encode_seconds: 'encodeSeconds',
  decode_seconds: 'decodeSeconds',
} as const satisfies Record<string, keyof Measurement>;

/** A field as RFC 4180 has it. */
const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/**
 * Every measurement as a row of CSV, under a head; a value that was not measured is empty.
 *
 * @example
 * csvOf(evaluation).split('\n')[0]; // "codec,kind,image,setting,bytes,bpp,..."
 */
export function csvOf({ codecs }: Evaluation): string {
  const head = ['codec', 'kind', 'image', 'setting', ...Object.keys(rowKeys)];
  const rows = codecs.flatMap(({ name, kind, perImage }) =>
    perImage.map((measurement) => [
      field(name),
      kind,
      field(measurement.image),
      String(measurement.setting),
      ...Object.values(rowKeys).map((key) => String(measurement[key] ?? '')),
    ]),
  );
  return `${[head, ...rows].map((row) => row.join(',')).join('\n')}\n`;
}
