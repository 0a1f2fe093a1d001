/** What pages and documents say in the same words: the machine of a run, and what a codec is. */
import {
  type Environment,
  type EvaluatedCodec,
  type Evaluation,
  type MeasuredCodec,
  writeJson,
} from '../evaluation.js';

/** True for codecs that ran, which have times and single pictures. */
export function isMeasured(codec: EvaluatedCodec): codec is MeasuredCodec {
  return codec.kind !== 'published';
}

/**
 * A count with its noun.
 *
 * @example
 * countOf(2, 'picture'); // => "2 pictures"
 */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** How many pictures were measured, and of how many where some are missing. */
export function pictureCount({ images, scope }: Evaluation): string {
  const all = scope.images.length;
  return images.length < all ? `${images.length} of ${countOf(all, 'picture')}` : countOf(all, 'picture');
}

/** The pictures that numbers are over, and why there are no published curves beside them where there are none. */
export function scopeText(evaluation: Evaluation): string {
  const published = evaluation.codecs.some(({ kind }) => kind === 'published');
  const none = published
    ? ''
    : ' Published curves are means over a whole set, so there are none beside these.';
  return `${pictureCount(evaluation)}.${none}`;
}

/** Facts of a run, as pairs of name and value. */
function environmentFacts(environment: Environment): [string, string][] {
  const { commit, node, platform, cpu, cores, memoryBytes, jobs, threads, versions } = environment;
  const facts: [string, string | undefined][] = [
    ['package', environment.package],
    ['commit', commit],
    ['machine', `${cpu}, ${countOf(cores, 'core')}, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB, ${platform}`],
    ['Node.js', node],
    [
      'workers',
      `${jobs}, ${threads === 0 ? 'threads as engines choose' : `${countOf(threads, 'thread')} each`}`,
    ],
    ...Object.entries(versions),
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

/** One of the runs that an evaluation is made of. */
export interface RunFacts {
  /** What was measured in it; undefined where there is one run only. */
  readonly title?: string;
  /** Names and values; of later runs only what is different from the first one. */
  readonly facts: readonly (readonly [string, string])[];
}

/** The runs, with what was measured in each. */
export function runFacts({ environments, codecs }: Evaluation): RunFacts[] {
  if (environments.length < 2) return environments.map((one) => ({ facts: environmentFacts(one) }));
  const first = new Map(environmentFacts(environments[0]));
  return environments.map((environment, i) => {
    const key = writeJson(environment);
    const own = codecs.filter(
      (codec) => isMeasured(codec) && codec.environments?.some((one) => writeJson(one) === key),
    );
    const names = own.length > 0 ? `: ${own.map(({ name }) => name).join(', ')}` : '';
    return {
      title: `Run ${i + 1} of ${environments.length}${names}`,
      facts: environmentFacts(environment).filter(
        ([name, value]) => i === 0 || name === 'commit' || first.get(name) !== value,
      ),
    };
  });
}

/** What there is to know of a codec: version and options, or where it was published, and what it costs. */
export function codecDetails(codec: EvaluatedCodec): string {
  if (!isMeasured(codec)) return codec.source;
  const { version, source, kmacPerPixel } = codec;
  const cost =
    kmacPerPixel &&
    `${kmacPerPixel.encode.toFixed(1)} kMAC per pixel to encode, ${kmacPerPixel.decode.toFixed(1)} to decode`;
  return [version, source, cost].filter((part) => part).join('; ');
}
