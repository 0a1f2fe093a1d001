/**
 * A small evaluation of real codecs for tests of reports: parts of the sample picture, our smallest model, JPEG and WebP,
 * with a damaged picture and a program that is not there. A published curve is made up, as nobody has published one of
 * these pictures; it overlaps little.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderDataset } from '../../../datasets/index.js';
import {
  compareAll,
  competitorCodecs,
  type Evaluation,
  evaluate,
  type ImageCodec,
  type KeptMeasurement,
  learnedCodec,
  localMeasurer,
  openMetrics,
  type PublishedCodec,
  ResultStore,
} from '../../../eval/index.js';
import { encodePng } from '../../../src/io/index.js';
import { samplePicture, tinyModelPath } from '../pictures.js';

/** Hardly larger than MS-SSIM needs; the names are not safe in HTML. */
export const pictures = [
  samplePicture(168, 'one & <only>.png'),
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

/** Fails on every picture. */
const absentProgram: ImageCodec = {
  name: 'jxl',
  version: 'none',
  settings: [1, 2, 3, 4],
  encode: async () => {
    throw new Error('expected the program cjxl, found none');
  },
  decode: async () => {
    throw new Error('expected the program djxl, found none');
  },
};

/** @param folder an empty one, for the pictures */
export async function sampleEvaluation(folder: string): Promise<Evaluation> {
  for (const { name, image } of pictures) await writeFile(join(folder, name), encodePng(image));
  await writeFile(join(folder, 'zero.png'), 'no picture');
  const { ours, competitors } = await sampleCodecs();
  const metrics = await openMetrics(['psnr', 'ms-ssim']);
  const rivals = [...competitors, absentProgram].map((codec) => ({ ...codec, kind: 'competitor' as const }));
  const measured = await evaluate({
    dataset: { ...(await folderDataset(folder)), name: 'sample' },
    measurers: [localMeasurer([{ ...ours, kind: 'ours' }, ...rivals], metrics)],
    metrics,
    store: await ResultStore.open<KeptMeasurement>(),
    environment: {
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
  });
  const [own] = measured.codecs;
  const published: PublishedCodec = {
    name: 'Paper <2020>',
    kind: 'published',
    version: 'published',
    source: 'a paper & its table',
    curve: own.curve.slice(1).map(({ bpp, psnr }) => ({ bpp: 0.8 * bpp, psnr: psnr + 1.2 })),
    perImage: [],
  };
  const codecs = [...measured.codecs, published];
  return { ...measured, codecs, comparisons: compareAll(codecs, pictures.length) };
}
