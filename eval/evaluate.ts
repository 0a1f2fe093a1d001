/**
 * Evaluates a codec on a data set, beside competitors that run live and curves that were published. Pictures are the outer
 * loop, so that a run that is stopped has whole pictures; whatever was measured before is taken from the stores.
 */
import { cpus } from 'node:os';
import { type Dataset, loadImage } from '../datasets/index.js';
import { anchorsOf } from './anchors.js';
import type { ImageCodec } from './codecs.js';
import {
  type MeanValues,
  type Measurement,
  type MeasureOptions,
  meanCurve,
  measureSweep,
} from './measure.js';
import { type Comparison, compare, exchangeResults, type Rival } from './report.js';
import type { ResultStore } from './store.js';

export interface EvaluationTask extends MeasureOptions {
  readonly codec: ImageCodec;
  readonly competitors: readonly ImageCodec[];
  readonly dataset: Dataset;
  /** Only the first so many pictures. */
  readonly limit?: number;
  readonly store: ResultStore<Measurement>;
  readonly competitorStore: ResultStore<Measurement>;
  /** Hears of every picture when it is done. */
  readonly progress?: (done: number, total: number, measurements: readonly Measurement[]) => void;
}

export interface CodecCurve {
  readonly codec: ImageCodec;
  readonly measurements: readonly Measurement[];
  readonly curve: readonly MeanValues[];
}

export interface Evaluation {
  readonly dataset: string;
  readonly images: number;
  readonly ours: CodecCurve;
  readonly competitors: readonly CodecCurve[];
  /** Ours against live competitors, then against published curves where the set is whole. */
  readonly comparisons: readonly Comparison[];
  /** Published curves were left out, because means over a part of a set say nothing beside them. */
  readonly partial: boolean;
}

/**
 * Measures everything of a task.
 *
 * @throws UsageError or IntegrityError for absent or damaged pictures
 */
export async function evaluateCodec(task: EvaluationTask): Promise<Evaluation> {
  const { codec, competitors, dataset, store, competitorStore, progress } = task;
  const images = dataset.images.slice(0, task.limit);
  const measured = new Map<ImageCodec, Measurement[]>([codec, ...competitors].map((one) => [one, []]));
  for (const [done, image] of images.entries()) {
    const picture = await loadImage(image);
    const own = await measureSweep(codec, picture, store, task);
    measured.get(codec)!.push(...own);
    for (const competitor of competitors) {
      measured.get(competitor)!.push(...(await measureSweep(competitor, picture, competitorStore, task)));
    }
    progress?.(done + 1, images.length, own);
  }
  const [ours, ...theirs] = [...measured].map(([one, measurements]) => ({
    codec: one,
    measurements,
    curve: meanCurve(measurements),
  }));
  const published = anchorsOf(dataset.name);
  const partial = !dataset.complete || images.length < dataset.images.length;
  const rivals: Rival[] = [
    ...theirs.map(({ codec: { name, version }, curve }) => ({
      title: `${name} (live)`,
      source: version,
      curve,
    })),
    ...(partial ? [] : published),
  ];
  return {
    dataset: dataset.name,
    images: images.length,
    ours,
    competitors: theirs,
    comparisons: rivals.map((rival) => compare(ours.curve, rival)),
    partial: partial && published.length > 0,
  };
}

/** An evaluation as an object for a JSON file; `results` is what CompressAI's tools read. */
export function evaluationJson(evaluation: Evaluation): object {
  const { ours, competitors, comparisons, dataset, images } = evaluation;
  const machine = cpus();
  return {
    name: ours.codec.name,
    description: ours.codec.version,
    dataset,
    images,
    machine: { cpu: machine[0]?.model ?? 'unknown', cores: machine.length, node: process.version },
    results: exchangeResults(ours.curve),
    comparisons,
    competitors: competitors.map(({ codec, curve }) => ({
      name: codec.name,
      description: codec.version,
      results: exchangeResults(curve),
    })),
    perImage: ours.measurements,
  };
}
