/**
 * A small evaluation of real codecs for tests of reports: parts of the sample picture, our smallest model, JPEG and WebP.
 * A published curve, a comparison that is missing, one with little overlap, and failures are made up, so that every part
 * of a report has something to show.
 */
import { bdPsnr, bdRate, type CurvePoint } from '../../../eval/bd-rate.js';
import { type ImageCodec, learnedCodec } from '../../../eval/codecs.js';
import { competitorCodecs } from '../../../eval/competitors.js';
import type {
  EvaluatedCodec,
  EvaluatedComparison,
  Evaluation,
  MeasuredCodec,
  PublishedCodec,
} from '../../../eval/evaluation.js';
import { type Measurement, meanCurve, measureSweep } from '../../../eval/measure.js';
import { msSsimDecibels } from '../../../eval/metrics/ms-ssim.js';
import { ResultStore } from '../../../eval/store.js';
import { samplePicture, tinyModelPath } from '../pictures.js';

/** Pictures on which MS-SSIM is defined. */
export const pictures = [
  samplePicture(168, 'one & only.png'),
  samplePicture(176, 'two.png'),
  samplePicture(192, 'three.png'),
];

export async function sampleCodecs(): Promise<{ ours: ImageCodec; competitors: ImageCodec[] }> {
  const ours = await learnedCodec({
    model: tinyModelPath,
    quantizer: 'rdoq',
    engine: 'wasm',
    qualities: [10, 30, 50, 70, 90],
  });
  const [jpeg, webp] = await competitorCodecs(['jpeg', 'webp']);
  return {
    ours,
    competitors: [
      { ...jpeg, settings: [10, 20, 30, 50, 80] },
      { ...webp, settings: [1, 10, 25, 60, 90] },
    ],
  };
}

async function measured(codec: ImageCodec, kind: MeasuredCodec['kind']): Promise<MeasuredCodec> {
  const store = await ResultStore.open<Measurement>();
  const perImage: Measurement[] = [];
  for (const picture of pictures) perImage.push(...(await measureSweep(codec, picture, store, { msSsim: true })));
  return { name: codec.name, kind, version: codec.version, curve: meanCurve(perImage), perImage };
}

function compared(
  tested: MeasuredCodec,
  reference: EvaluatedCodec,
  metric: 'psnr' | 'ms-ssim',
): EvaluatedComparison {
  const curveOf = (points: readonly (CurvePoint & { msSsim?: number })[]): CurvePoint[] =>
    points.map(({ bpp, psnr, msSsim }) => ({
      bpp,
      psnr: metric === 'psnr' ? psnr : msSsimDecibels(msSsim!),
    }));
  const rate = bdRate(curveOf(reference.curve), curveOf(tested.curve));
  const percentBy = { pchip: rate.percent, akima: rate.percent + 0.1, cubic: rate.percent - 0.1 };
  const common = {
    tested: tested.name,
    reference: reference.name,
    metric,
    images: pictures.length,
    rate,
    percentBy,
    psnr: bdPsnr(curveOf(reference.curve), curveOf(tested.curve)),
  };
  if (reference.kind === 'published') return { ...common, smallOverlap: true };
  const values = pictures.map(({ name }, i) => ({ image: name, percent: rate.percent + i - 1 }));
  const perImage = {
    mean: rate.percent,
    median: rate.percent,
    low: rate.percent - 2,
    high: rate.percent + 2,
    values,
    leftOut: [],
  };
  return { ...common, perImage };
}

export async function sampleEvaluation(): Promise<Evaluation> {
  const { ours, competitors } = await sampleCodecs();
  const own = await measured(ours, 'ours');
  const others = await Promise.all(competitors.map((codec) => measured(codec, 'competitor')));
  const published: PublishedCodec = {
    name: 'Paper <2020>',
    kind: 'published',
    version: 'published',
    source: 'a paper & its table',
    curve: own.curve.map(({ bpp, psnr }) => ({ bpp: 0.8 * bpp, psnr: psnr + 0.2 })),
    perImage: [],
  };
  return {
    formatVersion: 1,
    dataset: 'sample',
    scope: { images: pictures.map(({ name }) => name), complete: true },
    images: pictures.map(({ name, image: { width, height }, sha256 }) => ({ name, width, height, sha256 })),
    environments: [
      {
        package: 'trellis-codec 0.0.0',
        commit: '0123456789abcdef',
        node: 'v20.0.0',
        platform: 'linux x64',
        cpu: 'Some processor',
        cores: 2,
        memoryBytes: 8 * 2 ** 30,
        jobs: 1,
        threads: 1,
        versions: { sharp: '0.35.5' },
      },
    ],
    codecs: [own, ...others, published],
    comparisons: [
      ...others.flatMap((other) => [compared(own, other, 'psnr'), compared(own, other, 'ms-ssim')]),
      compared(own, published, 'psnr'),
      { tested: own.name, reference: 'jxl', metric: 'psnr', images: 0, reason: 'jxl: nothing was measured' },
    ],
    failures: [
      { codec: 'jxl', message: 'expected the program cjxl, found none' },
      { image: 'four.png', message: 'four.png: expected a picture, got <text>' },
    ],
  };
}
