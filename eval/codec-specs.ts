/**
 * What codecs an evaluation is to measure, as plain data, so that it can be sent to a worker that opens them itself.
 */

import { createImage } from '../src/io/index.js';
import { type ImageCodec, type LearnedCodecOptions, learnedCodec, settingName } from './codecs.js';
import { competitorCodecs } from './competitors.js';
import { type ExternalCodec, externalCodec } from './external.js';

/** One codec to measure. */
export type CodecSpec =
  | { readonly kind: 'ours'; readonly options: LearnedCodecOptions & { readonly model?: string } }
  | { readonly kind: 'competitor'; readonly name: string }
  | { readonly kind: 'external'; readonly template: ExternalCodec };

/** What to call the codec before it is open. */
export function specName(spec: CodecSpec): string {
  if (spec.kind === 'ours') {
    const { name, model = 'base', quantizer = '', refinements = 0 } = spec.options;
    return name ?? `${model} ${settingName({ quantizer, refinements })}`.trim();
  }
  return spec.kind === 'competitor' ? spec.name : spec.template.name;
}

/**
 * Opens a codec with that many threads (0: its own choice), and codes a small picture with it, so that seconds are those
 * of coding; external programs start anew for every picture anyway.
 *
 * @throws CodecError for a model, quantizer, engine or program that is not there
 * @example
 * const webp = await openCodec({ kind: 'competitor', name: 'webp' }, 1);
 */
export async function openCodec(spec: CodecSpec, threads: number): Promise<ImageCodec> {
  if (spec.kind === 'ours') return learnedCodec({ ...spec.options, threads });
  if (spec.kind === 'external') return externalCodec(spec.template, threads);
  const [codec] = await competitorCodecs([spec.name], threads);
  // Libraries load on their first picture; that is not coding.
  const { bytes } = await codec.encode(createImage(64, 64, 3), codec.settings[0]);
  await codec.decode(bytes);
  return codec;
}
