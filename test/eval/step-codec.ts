/** A codec that every number of can be foretold, and evaluations made with it, for tests of everything around codecs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type Dataset, folderDataset } from '../../datasets/index.js';
import type { ImageCodec } from '../../eval/codecs.js';
import type { KeptMeasurement } from '../../eval/evaluate.js';
import { type EvaluationTask, evaluate } from '../../eval/evaluate.js';
import type { Environment, Evaluation } from '../../eval/evaluation.js';
import { localMeasurer, type OpenedCodec } from '../../eval/measurer.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { ResultStore } from '../../eval/store.js';
import { UnsupportedError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { encodePng } from '../../src/io/png.js';
import { samplePicture } from './pictures.js';

export type StepCodec = ImageCodec & { readonly kind: OpenedCodec['kind']; calls: number };

export interface StepOptions {
  readonly kind?: OpenedCodec['kind'];
  /** Refuses pictures of this width. */
  readonly refusedWidth?: number;
  readonly settings?: readonly number[];
  readonly version?: string;
}

/** Cuts samples of square pictures to steps of 2^(8 - setting); a file has `factor` kilobytes per setting, and the samples. */
export function stepCodec(name: string, factor: number, options: StepOptions = {}): StepCodec {
  const { kind = 'ours', refusedWidth, settings = [2, 3, 4, 5, 6], version = '1' } = options;
  const codec: StepCodec = {
    name,
    kind,
    version,
    settings,
    calls: 0,
    async encode(image, setting) {
      codec.calls++;
      if (image.width === refusedWidth) throw new UnsupportedError(`${name} takes no pictures of that width`);
      const step = 2 ** (8 - setting);
      const cut = image.data.map((value) => Math.floor(value / step) * step + step / 2);
      const bytes = new Uint8Array(Math.round(factor * setting * 1000) + cut.length).fill(image.width);
      bytes.set(cut, bytes.length - cut.length);
      return { bytes, seconds: 0.5 };
    },
    async decode(bytes) {
      const width = bytes[0];
      return { image: createImage(width, width, 3, bytes.slice(-3 * width * width)), seconds: 0.25 };
    },
  };
  return codec;
}

export const environment: Environment = {
  package: 'trellis-codec 0',
  node: 'v0',
  platform: 'test',
  cpu: 'none',
  cores: 1,
  memoryBytes: 1,
  jobs: 1,
  threads: 1,
  versions: {},
};

/** An evaluation of step codecs, with what a test wants otherwise. */
export async function evaluateSteps(
  dataset: Dataset,
  codecs: readonly ImageCodec[],
  options: Partial<EvaluationTask> = {},
): Promise<Evaluation> {
  const metrics = options.metrics ?? (await openMetrics(['psnr']));
  return evaluate({
    dataset,
    metrics,
    measurers: [localMeasurer(codecs, metrics)],
    store: await ResultStore.open<KeptMeasurement>(),
    environment,
    ...options,
  });
}

/** A folder for each test of a file, with square pictures in it on request. */
export function pictureFolder() {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evaluation-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const path = (...names: string[]): string => join(folder, ...names);
  return {
    path,
    /** Writes pictures of those sides under those names, and gives the folder as a data set. */
    async dataset(sides: Readonly<Record<string, number>>, name = 'mine'): Promise<Dataset> {
      for (const [stem, side] of Object.entries(sides)) {
        await writeFile(path(`${stem}.png`), encodePng(samplePicture(side).image));
      }
      return folderDataset(folder, { name, allowAbsent: true });
    },
  };
}
