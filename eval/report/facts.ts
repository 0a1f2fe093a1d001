/** What pages and documents say in the same words: the machine of a run, and what a codec is. */
import type { Environment, EvaluatedCodec, Evaluation, MeasuredCodec } from '../evaluation.js';

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

/** Facts of a run, as pairs of name and value. */
export function environmentFacts(environment: Environment): [string, string][] {
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

/** What there is to know of a codec: version and options, or where it was published, and what it costs. */
export function codecDetails(codec: EvaluatedCodec): string {
  if (!isMeasured(codec)) return codec.source;
  const { version, source, kmacPerPixel } = codec;
  const cost =
    kmacPerPixel &&
    `${kmacPerPixel.encode.toFixed(1)} kMAC per pixel to encode, ${kmacPerPixel.decode.toFixed(1)} to decode`;
  return [version, source, cost].filter((part) => part).join('; ');
}
