/**
 * Puts shards of an evaluation together: the numbers are those of a run that was not sharded. Merging is idempotent, and
 * the order of the parts does not matter: a part that is given twice, or is in another one already, changes nothing.
 */
import { UsageError } from '../src/errors.js';
import { assemble, type CodecMeasurements, uniqueEnvironments } from './assemble.js';
import {
  type EvaluatedImage,
  type Evaluation,
  type Failure,
  type MeasuredCodec,
  writeJson,
} from './evaluation.js';
import type { Measurement } from './measure.js';

/** An evaluation with the file it came from. */
export interface NamedEvaluation {
  readonly name: string;
  readonly evaluation: Evaluation;
}

function refuse(name: string, what: string, expected: unknown, got: unknown): never {
  throw new UsageError(`${name}: expected ${what} ${writeJson(expected)}, got ${writeJson(got)}`);
}

const measuredOf = ({ codecs }: Evaluation): MeasuredCodec[] =>
  codecs.filter((codec): codec is MeasuredCodec => codec.kind !== 'published');

/** Pictures of all parts; one of the same name must have the same pixels everywhere. */
function mergeImages(parts: readonly NamedEvaluation[]): EvaluatedImage[] {
  const images = new Map<string, EvaluatedImage>();
  for (const { name, evaluation } of parts) {
    for (const image of evaluation.images) {
      const known = images.get(image.name);
      if (known && known.sha256 !== image.sha256) {
        refuse(name, `${image.name} with the pixels`, known.sha256, image.sha256);
      }
      images.set(image.name, known ?? image);
    }
  }
  return [...images.values()];
}

/** Measurements of one codec in all parts; of two for the same picture and setting one is taken, whatever their order. */
function mergeMeasurements(codecs: readonly MeasuredCodec[]): Measurement[] {
  const results = new Map<string, Measurement>();
  for (const measurement of codecs.flatMap(({ perImage }) => perImage)) {
    const key = `${measurement.image} | ${measurement.setting}`;
    const known = results.get(key);
    if (!known || writeJson(measurement) < writeJson(known)) results.set(key, measurement);
  }
  return [...results.values()];
}

function mergeCodecs(parts: readonly NamedEvaluation[]): CodecMeasurements[] {
  const byName = new Map<string, MeasuredCodec[]>();
  for (const { name, evaluation } of parts) {
    for (const codec of measuredOf(evaluation)) {
      const known = byName.get(codec.name) ?? [];
      byName.set(codec.name, [...known, codec]);
      if (known.length === 0) continue;
      const { version, settings } = known[0];
      if (version !== codec.version) refuse(name, `${codec.name} of the version`, version, codec.version);
      if (writeJson(settings) !== writeJson(codec.settings)) {
        refuse(name, `${codec.name} at the settings`, settings, codec.settings);
      }
    }
  }
  return [...byName.values()].map(([first, ...rest]) => ({
    ...first,
    ...(first.environments
      ? {
          environments: uniqueEnvironments([first, ...rest].flatMap(({ environments = [] }) => environments)),
        }
      : {}),
    perImage: mergeMeasurements([first, ...rest]),
  }));
}

/** Failures that no other part made good: a picture that could be read elsewhere, a sweep that is whole elsewhere. */
function openFailures(
  parts: readonly NamedEvaluation[],
  images: readonly EvaluatedImage[],
  codecs: readonly CodecMeasurements[],
): Failure[] {
  const readable = new Set(images.map(({ name }) => name));
  const isWhole = (image: string, name: string): boolean => {
    const codec = codecs.find((one) => one.name === name);
    const own = codec?.perImage.filter((measurement) => measurement.image === image) ?? [];
    return codec !== undefined && own.length === codec.settings.length;
  };
  return parts.flatMap(({ evaluation }) => {
    const own = new Set(evaluation.images.map(({ name }) => name));
    return evaluation.failures.filter(({ image, codec }) => {
      if (image === undefined) return true;
      return codec === undefined ? own.has(image) || !readable.has(image) : !isWhole(image, codec);
    });
  });
}

/**
 * Merges parts of one evaluation.
 *
 * @throws UsageError naming the part that is of another data set, other pictures or another version of a codec
 * @example
 * const whole = mergeEvaluations([{ name: '1.json', evaluation: first }, { name: '2.json', evaluation: second }]);
 */
export function mergeEvaluations(parts: readonly NamedEvaluation[]): Evaluation {
  if (parts.length === 0) throw new UsageError('Expected at least one evaluation to merge, got none');
  const [{ evaluation: first }] = parts;
  for (const { name, evaluation } of parts) {
    if (evaluation.dataset !== first.dataset) refuse(name, 'the data set', first.dataset, evaluation.dataset);
    if (writeJson(evaluation.scope) !== writeJson(first.scope)) {
      const { scope } = evaluation;
      refuse(name, 'as many pictures in all', first.scope.images.length, scope.images.length);
    }
  }
  const images = mergeImages(parts);
  const codecs = mergeCodecs(parts);
  return assemble({
    dataset: first.dataset,
    scope: first.scope,
    images,
    environments: uniqueEnvironments(parts.flatMap(({ evaluation }) => evaluation.environments)),
    codecs,
    failures: openFailures(parts, images, codecs),
  });
}
