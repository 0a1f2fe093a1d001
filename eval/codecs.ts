/**
 * Codecs behind one interface, so that ours and the competitors (competitors.ts, external.ts) are measured by the same
 * code: real bytes of complete files, pixels as a user gets them back, wall-clock seconds.
 */
import { createHash } from 'node:crypto';
import { coderOf } from '../codec/coder.js';
import { decodeWithReport } from '../codec/decode.js';
import { defaultEncodeOptions, type EncodeOptions, encodeWithReport } from '../codec/encode.js';
import { loadModel } from '../codec/model/load.js';
import type { ModelParts, ParsedModel } from '../codec/model/model-file.js';
import { networkComplexity } from '../codec/networks/complexity.js';
import { quantizerOf } from '../codec/quantizers/registry.js';
import { checkRefinements } from '../codec/refinement.js';
import { readFileOrStdin } from '../src/io/files.js';
import { createImage, type Image } from '../src/io/index.js';
import { estimateBits } from './estimate.js';
import type { WeightsFacts } from './evaluation.js';
import { dequantizedWeights, weightsFacts, withWeights } from './weights/quantized-weights.js';
import { parseWeights } from './weights/weights-file.js';

/** A file with the time it took. */
export interface EncodedFile {
  readonly bytes: Uint8Array;
  readonly seconds: number;
  /** What a continuous entropy model expects, where the codec can tell (estimate.ts). */
  readonly estimatedBits?: number;
}

/** A picture with the time it took. */
export interface DecodedFile {
  readonly image: Image;
  readonly seconds: number;
}

/** Something that turns pictures into files and back at a setting. */
export interface ImageCodec {
  /** Name for tables; two codecs of one evaluation have different names. */
  readonly name: string;
  /** Everything besides name and setting that files and pixels depend on: versions, options. Results are kept by it. */
  readonly version: string;
  /** Of ours, where its weights are quantized. */
  readonly weights?: WeightsFacts;
  /** Thousands of multiply-accumulates per pixel of the picture, where the codec can tell. */
  readonly kmacPerPixel?: { readonly encode: number; readonly decode: number };
  /** Settings of a sweep, from small files to large ones. */
  readonly settings: readonly number[];
  encode(image: Image, setting: number): Promise<EncodedFile>;
  decode(bytes: Uint8Array): Promise<DecodedFile>;
}

/**
 * Qualities of a sweep: with a well trained model about 0.15, 0.25, 0.45, 0.7, 1.05 and 1.5 bits per pixel on Kodak
 * (rates of mbt2018-mean at the same Lagrangians).
 */
export const defaultQualities: readonly number[] = [15, 30, 45, 60, 75, 90];

export interface LearnedCodecOptions
  extends Pick<
    EncodeOptions,
    'model' | 'quantizer' | 'refinements' | 'effort' | 'engine' | 'threads' | 'lagrangian'
  > {
  readonly name?: string;
  /** Path of quantized weights (weights/weights-file.ts) to take instead of the model's. */
  readonly weights?: string;
  readonly qualities?: readonly number[];
  /** Estimate bits beside the real ones (default true); costs some time that is not counted. */
  readonly estimate?: boolean;
}

/** How latents are quantized, in one word: `tcq64`, or `tcq64+2` with two refinements. */
export interface QuantizerSetting {
  readonly quantizer: string;
  readonly refinements: number;
}

export const settingName = ({ quantizer, refinements }: QuantizerSetting): string =>
  refinements > 0 ? `${quantizer}+${refinements}` : quantizer;

/**
 * Reads the word.
 * @throws UsageError for an unknown quantizer or number of refinements
 * @example
 * parseSetting('tcq8+2'); // => { "quantizer": "tcq8", "refinements": 2 }
 */
export function parseSetting(text: string): QuantizerSetting {
  const [name, refinements = '0', ...rest] = text.split('+');
  const { name: quantizer } = quantizerOf(rest.length > 0 ? text : name);
  checkRefinements(refinements.trim() === '' ? Number.NaN : Number(refinements));
  return { quantizer, refinements: Number(refinements) };
}

/** Short hash of all weights; the model's id leaves those out that only encoders use. */
export function weightsHash({ parameters }: ModelParts): string {
  const hash = createHash('sha256');
  for (const name of [...parameters.keys()].sort()) {
    const { buffer, byteOffset, byteLength } = parameters.get(name)!;
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex').slice(0, 8);
}

/** A model with the quantized weights of a file. */
async function quantizedModel(model: ParsedModel, path: string) {
  const quantized = parseWeights(await readFileOrStdin(path), model, weightsHash(model));
  const values = dequantizedWeights(quantized);
  return { model: withWeights(model, values), quantized, values };
}

/**
 * This project's codec; settings are qualities, 0 to 100.
 *
 * The model is loaded and its engine started before, on a small picture, so that seconds are those of coding.
 *
 * @throws UsageError or UnsupportedError for a model, quantizer or engine that is not there
 * @example
 * const codec = await learnedCodec({ model: 'base', quantizer: 'rdoq' });
 * const { bytes, seconds } = await codec.encode(image, 50);
 */
export async function learnedCodec(options: LearnedCodecOptions = {}): Promise<ImageCodec> {
  const { name, weights, qualities = defaultQualities, estimate = true, ...wished } = options;
  const full = typeof wished.model === 'object' ? wished.model : await loadModel(wished.model);
  const own = weights === undefined ? undefined : await quantizedModel(full, weights);
  const model = own?.model ?? full;
  const engine = wished.engine ?? defaultEncodeOptions.engine;
  const threads = wished.threads ?? defaultEncodeOptions.threads;
  const settings = { ...wished, model, engine, threads, metadata: false };
  const small = createImage(64, 64, 3);
  const { bytes, quantizer, refinements, lagrangian } = await encodeWithReport(small, settings);
  await decodeWithReport(bytes, { model, engine, threads });
  const { transforms } = await coderOf(model, engine, threads);
  const complexity = networkComplexity(model.config);
  const plainName = `${model.config.name} ${settingName({ quantizer, refinements })}`;
  const facts = own && weightsFacts(full, own.quantized, own.values, plainName);
  return {
    name: name ?? (facts ? `${plainName} ${facts.scheme}` : plainName),
    ...(facts && { weights: facts }),
    version: [
      `model ${model.id}`,
      `weights ${weightsHash(model)}`,
      quantizer,
      `lagrangian ${lagrangian}`,
      ...(refinements > 0 ? [`refinements ${refinements}`] : []),
      transforms.name,
    ].join(', '),
    kmacPerPixel: { encode: complexity.encode.kmacPerPixel, decode: complexity.decode.kmacPerPixel },
    settings: qualities,
    async encode(image, quality) {
      const estimator = estimate ? estimateBits(model) : undefined;
      const start = performance.now();
      const { bytes } = await encodeWithReport(image, { ...settings, quality }, estimator?.observer);
      const seconds = (performance.now() - start) / 1000 - (estimator?.seconds ?? 0);
      if (!estimator) return { bytes, seconds };
      return { bytes, seconds, estimatedBits: estimator.latentBits + estimator.hyperLatentBits };
    },
    async decode(bytes) {
      const start = performance.now();
      const { image } = await decodeWithReport(bytes, { model, engine, threads });
      return { image, seconds: (performance.now() - start) / 1000 };
    },
  };
}
