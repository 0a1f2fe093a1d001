/**
 * Script: what each effort gives and what it costs, as a Markdown table for README.md:
 *
 *     npm run bench:efforts -- --evaluation out/efforts/kodak.json --dataset kodak --limit 3
 *
 * BD-rates are those of the evaluation, in which an effort stands as its quantizer (`base tcq64+1`); efforts that it lacks
 * have a dash. Milliseconds of encoding are measured here, on one thread: efforts and AVIF take turns, so that a machine
 * that slows down slows all of them; medians over repeats and pictures. AVIF gets the setting of the evaluation whose mean
 * rate over the same pictures is nearest to the default effort's. The machine should be quiet.
 */
import { readFile } from 'node:fs/promises';
import { defaultEncodeOptions, type Effort, efforts } from '../codec/encode.js';
import { loadModel } from '../codec/model/load.js';
import { findDataset, loadImage } from '../datasets/index.js';
import { UsageError } from '../src/errors.js';
import type { Image } from '../src/io/index.js';
import { type ImageCodec, learnedCodec, settingName } from './codecs.js';
import { compareCodecs, curveOf } from './comparison.js';
import { competitorCodecs } from './competitors.js';
import { type Evaluation, type MeasuredCodec, parseEvaluation } from './evaluation.js';
import { numberOption, parseOptions, runAsScript } from './script.js';
import { medianOf } from './statistics.js';

/** The effort that others are judged by, besides AVIF. */
const referenceEffort = 3;

/** One row: an effort, its BD-rates in per cent where they are known, and the milliseconds of an encoding. */
export interface EffortRow extends Effort {
  /** From 1. */
  readonly effort: number;
  readonly toReference?: number;
  readonly toAvif?: number;
  readonly milliseconds: number;
}

function measuredCodec({ codecs }: Evaluation, name: string): MeasuredCodec | undefined {
  return codecs.find((codec): codec is MeasuredCodec => codec.kind !== 'published' && codec.name === name);
}

/** BD-rate of one codec of an evaluation by another, in per cent; undefined where one of them was not measured. */
export function bdRateBetween(evaluation: Evaluation, tested: string, reference: string): number | undefined {
  const [own, other] = [measuredCodec(evaluation, tested), measuredCodec(evaluation, reference)];
  return own && other && compareCodecs(own, other, 'psnr', evaluation.images.length)?.rate?.percent;
}

/**
 * Setting of a measured codec whose mean rate is nearest, by ratio.
 *
 * @param bpp rate to be near to, in bits per pixel
 * @throws UsageError where the codec has no points
 */
export function nearestSetting({ name, curve }: Pick<MeasuredCodec, 'name' | 'curve'>, bpp: number): number {
  const [first, ...rest] = curve;
  if (!first) throw new UsageError(`effort-table: expected points of ${name}, got none`);
  const distance = (point: { bpp: number }): number => Math.abs(Math.log(point.bpp / bpp));
  return rest.reduce((best, point) => (distance(point) < distance(best) ? point : best), first).setting;
}

/** A codec at one setting. */
export interface TimedCodec {
  readonly codec: ImageCodec;
  readonly setting: number;
}

/** Median milliseconds of an encoding of each: codecs take turns on a picture, `repeats` times, after one turn that warms up. */
export async function millisecondsInTurn(
  codecs: readonly TimedCodec[],
  pictures: readonly Image[],
  repeats: number,
): Promise<number[]> {
  const seconds = codecs.map((): number[] => []);
  for (const { codec, setting } of codecs) await codec.encode(pictures[0], setting);
  for (const picture of pictures) {
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [n, { codec, setting }] of codecs.entries()) {
        seconds[n].push((await codec.encode(picture, setting)).seconds);
      }
    }
  }
  return seconds.map((own) => 1000 * medianOf(own));
}

/** The table as Markdown; `avifMilliseconds` is what encoding with AVIF took in the same turns. */
export function effortTable(rows: readonly EffortRow[], avifMilliseconds: number): string {
  const percent = (value: number | undefined): string =>
    value === undefined ? '-' : `${value.toFixed(1)} %`;
  return [
    `| effort | quantizer | to effort ${referenceEffort} | to AVIF | encode, ms | of AVIF's |`,
    '|---:|---|---:|---:|---:|---:|',
    ...rows.map(({ effort, toReference, toAvif, milliseconds, ...own }) =>
      [
        '',
        effort,
        settingName(own) + (effort === defaultEncodeOptions.effort ? ' (default)' : ''),
        percent(toReference),
        percent(toAvif),
        milliseconds.toFixed(0),
        (milliseconds / avifMilliseconds).toFixed(2),
        '',
      ]
        .join(' | ')
        .trim(),
    ),
  ].join('\n');
}

const options = {
  evaluation: { type: 'string' },
  dataset: { type: 'string' },
  limit: { type: 'string' },
  quality: { type: 'string' },
  repeats: { type: 'string' },
} as const;

async function main(args: readonly string[]): Promise<void> {
  const values = parseOptions(args, options);
  const { evaluation: path, dataset = 'kodak' } = values;
  if (path === undefined) throw new UsageError('effort-table: expected --evaluation FILE, got none');
  const quality = numberOption('--quality', values.quality, defaultEncodeOptions.quality, [0, 100]);
  const repeats = numberOption('--repeats', values.repeats, 3, [1, 1000]);
  const limit = numberOption('--limit', values.limit, 3, [1, 1e9]);
  const evaluation = parseEvaluation(await readFile(path, 'utf8'), path);
  const measuredAvif = measuredCodec(evaluation, 'avif');
  if (!measuredAvif) throw new UsageError(`effort-table: expected avif among the codecs of ${path}`);

  const model = await loadModel(defaultEncodeOptions.model);
  const { images } = await findDataset(dataset);
  const entries = images.slice(0, limit);
  const pictures: Image[] = [];
  for (const entry of entries) pictures.push((await loadImage(entry)).image);
  const ours: ImageCodec[] = [];
  for (const effort of efforts) {
    ours.push(await learnedCodec({ ...effort, model, threads: 1, estimate: false }));
  }
  const nameOf = (effort: number): string => ours[effort - 1].name;
  let bpp = 0;
  for (const picture of pictures) {
    const { bytes } = await ours[defaultEncodeOptions.effort - 1].encode(picture, quality);
    bpp += (8 * bytes.length) / (picture.width * picture.height) / pictures.length;
  }
  const names = new Set(entries.map(({ name }) => name));
  const samePictures = measuredAvif.perImage.filter(({ image }) => names.has(image));
  const avifSetting = nearestSetting({ name: `avif on ${dataset}`, curve: curveOf(samePictures) }, bpp);
  const [avif] = await competitorCodecs(['avif'], 1);
  const timed = [
    ...ours.map((codec) => ({ codec, setting: quality })),
    { codec: avif, setting: avifSetting },
  ];
  const milliseconds = await millisecondsInTurn(timed, pictures, repeats);
  const avifMilliseconds = milliseconds[efforts.length];
  const rows = efforts.map(
    (effort, n): EffortRow => ({
      ...effort,
      effort: n + 1,
      toReference: bdRateBetween(evaluation, nameOf(n + 1), nameOf(referenceEffort)),
      toAvif: bdRateBetween(evaluation, nameOf(n + 1), avif.name),
      milliseconds: milliseconds[n],
    }),
  );
  console.log(effortTable(rows, avifMilliseconds));
  console.log(
    `\n${pictures.length} pictures of ${dataset} at quality ${quality}, ${repeats} times, one thread; AVIF at setting ${avifSetting} took ${avifMilliseconds.toFixed(0)} ms.`,
  );
}

runAsScript(import.meta.url, main);
