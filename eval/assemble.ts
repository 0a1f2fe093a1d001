/**
 * Makes an evaluation out of what was measured: puts everything in order, takes means, compares. A run and a merge of
 * shards end here alike, so equal measurements give equal numbers, whoever made them and in whatever order.
 */
import { anchorsOf } from './anchors.js';
import { compareAll, curveOf } from './comparison.js';
import {
  type Environment,
  type EvaluatedCodec,
  type Evaluation,
  type Failure,
  type MeasuredCodec,
  type PublishedCodec,
  writeJson,
} from './evaluation.js';
import type { Measurement } from './measure.js';

/** A measured codec before means are taken. */
export type CodecMeasurements = Omit<MeasuredCodec, 'curve'>;

/** An evaluation before means are taken and codecs compared. */
export type Measured = Pick<Evaluation, 'dataset' | 'scope' | 'images' | 'environments' | 'failures'> & {
  readonly codecs: readonly CodecMeasurements[];
};

/** Published curves, where all pictures of a complete set were measured. */
function publishedCodecs({ dataset, scope, images }: Measured): PublishedCodec[] {
  if (!scope.complete || images.length < scope.images.length) return [];
  return anchorsOf(dataset).map(({ title, source, curve }) => ({
    name: title,
    kind: 'published',
    version: 'published',
    source,
    curve,
    perImage: [],
  }));
}

function sortedFailures(failures: readonly Failure[], order: (name: string) => number): Failure[] {
  const unique = [...new Map(failures.map((failure) => [JSON.stringify(failure), failure])).values()];
  const place = ({ image }: Failure): number => (image === undefined ? -1 : order(image));
  // By code units: the same in every language.
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return unique.sort(
    (a, b) => place(a) - place(b) || compare(a.codec ?? '', b.codec ?? '') || compare(a.message, b.message),
  );
}

/** Every environment once, in an order that does not depend on that of the runs. */
export function uniqueEnvironments(all: readonly Environment[]): Environment[] {
  const unique = new Map(all.map((environment) => [writeJson(environment), environment]));
  return [...unique.keys()].sort().map((key) => unique.get(key)!);
}

/** The evaluation. */
export function assemble(measured: Measured): Evaluation {
  const { dataset, scope, environments } = measured;
  const places = new Map(scope.images.map((name, n) => [name, n]));
  const order = (name: string): number => places.get(name) ?? scope.images.length;
  const own: MeasuredCodec[] = measured.codecs.map((codec) => {
    const { settings, perImage } = codec;
    const sorted = [...perImage].sort(
      (a: Measurement, b: Measurement) =>
        order(a.image) - order(b.image) || settings.indexOf(a.setting) - settings.indexOf(b.setting),
    );
    return { ...codec, curve: curveOf(sorted), perImage: sorted };
  });
  const codecs: EvaluatedCodec[] = [
    ...own.filter(({ kind }) => kind === 'ours'),
    ...own.filter(({ kind }) => kind === 'quantized'),
    ...own.filter(({ kind }) => kind === 'competitor'),
    ...publishedCodecs(measured),
  ];
  return {
    formatVersion: 1,
    dataset,
    scope,
    images: [...measured.images].sort((a, b) => order(a.name) - order(b.name)),
    environments,
    codecs,
    comparisons: compareAll(codecs, scope.images.length),
    failures: sortedFailures(measured.failures, order),
  };
}
