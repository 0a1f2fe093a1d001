/**
 * The result of an evaluation as one plain document: what was measured on which pictures, by which machine, and how the
 * curves compare. Runs write it, shards are merged into one, tables and reports are made from it and from nothing else.
 *
 * Units: rates in bits per pixel of the picture (real bytes of complete files), PSNR in decibels, times in seconds of
 * wall clock, BD-rates in per cent (negative: the tested codec needs fewer bits), fractions 0..1.
 * Invariant: everything but `environments` and seconds depends on pictures, codecs and settings only, so that shards give
 * the numbers of a whole run. As a file an infinite PSNR (equal pictures) is the text "Infinity", as JSON has no infinity.
 */
import { FormatError } from '../src/errors.js';
import type { BdPsnr, BdRate, CurvePoint } from './bd-rate.js';
import type { Interpolation } from './interpolation.js';
import type { MeanValues, Measurement } from './measure.js';
import type { MetricName } from './metrics/metrics.js';

/** A picture that was measured. */
export interface EvaluatedImage {
  /** File name within the data set. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Of the pixels (datasets/pixel-hash.ts), hexadecimal: repacked copies are the same picture. */
  readonly sha256: string;
}

/** Where and how a run was made; a merged evaluation has one for each run. */
export interface Environment {
  /** e.g. 'trellis-codec 0.1.0'. */
  readonly package: string;
  /** Commit of the sources where they lie in a git checkout, with '-dirty' behind it where files were changed. */
  readonly commit?: string;
  /** e.g. 'v20.20.2'. */
  readonly node: string;
  /** e.g. 'linux x64'. */
  readonly platform: string;
  readonly cpu: string;
  /** Cores that the process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Workers that measured side by side; seconds of runs with more than one are not those of a quiet machine. */
  readonly jobs: number;
  /** Threads of the engine and of sharp in each worker; 0: their own choice. */
  readonly threads: number;
  /** Versions of the packages and tools in use, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Size of a part of a model: of what decoders need, or of everything. */
export interface WeightsSize {
  /** How many weights are quantized, and their bits with all overhead. */
  readonly weights: number;
  readonly bitsPerWeight: number;
  /** All parameters of the networks, with those that stay as they are. */
  readonly parameters: number;
  readonly bitsPerParameter: number;
  /** Of a model file, with its tables. */
  readonly bytes: number;
}

/** Weights of our networks that were quantized. */
export interface WeightsFacts {
  /** Scheme with its options, as in `gptq:4`. */
  readonly scheme: string;
  /** Name of the codec that has the weights as they were. */
  readonly reference: string;
  /** Signal to quantization noise ratio of the decoder's weights, in decibels. */
  readonly sqnr: number;
  readonly decoder: WeightsSize;
  readonly whole: WeightsSize;
  /** The same with weights as they were, in half precision. */
  readonly full: { readonly decoder: WeightsSize; readonly whole: WeightsSize };
}

/** Curves that were measured here: ours, ours with quantized weights, and competitors that run live. */
export interface MeasuredCodec {
  /** Unique in an evaluation. */
  readonly name: string;
  readonly kind: 'ours' | 'quantized' | 'competitor';
  /** Of codecs of the kind `quantized`. */
  readonly weights?: WeightsFacts;
  /** Everything besides name and setting that results depend on: model id, library versions, options. */
  readonly version: string;
  readonly source?: string;
  /** Thousands of multiply-accumulates per pixel of the picture, of our networks. */
  readonly kmacPerPixel?: { readonly encode: number; readonly decode: number };
  /** Settings of the sweep, from small files to large ones. */
  readonly settings: readonly number[];
  /** Runs that its results are of, which those of other codecs need not be: results are kept. */
  readonly environments?: readonly Environment[];
  /** One point per setting, in their order: means over the pictures that have all settings. */
  readonly curve: readonly MeanValues[];
  /** Every picture at every setting, pictures in the order of `images`. */
  readonly perImage: readonly Measurement[];
}

/** A curve taken from a publication: means over the whole set. */
export interface PublishedCodec {
  readonly name: string;
  readonly kind: 'published';
  readonly version: string;
  /** Where the numbers were published. */
  readonly source: string;
  readonly curve: readonly CurvePoint[];
  readonly perImage: readonly [];
}

export type EvaluatedCodec = MeasuredCodec | PublishedCodec;

/** BD-rates of the single pictures. They are skewed, so mean and median differ from each other and from the BD-rate of the mean curves. */
export interface PerImageRates {
  /** Per cent, over `values`. */
  readonly mean: number;
  readonly median: number;
  /** Ends of the bootstrap 95 % interval of the mean. */
  readonly low: number;
  readonly high: number;
  readonly values: readonly { readonly image: string; readonly percent: number }[];
  /** Pictures whose curves cannot be compared (they do not overlap, or do not rise). */
  readonly leftOut: readonly { readonly image: string; readonly reason: string }[];
}

/** Two codecs at equal quality, over the pictures that both have; one of two that are published has no pictures. */
export interface EvaluatedComparison {
  /** Name of the codec that is judged. */
  readonly tested: string;
  /** Name of the codec that it is judged by. */
  readonly reference: string;
  readonly metric: MetricName;
  /** Pictures that the mean curves are over. */
  readonly images: number;
  /** BD-rate of the mean curves, with the interval (in the metric's decibels or points) that it is over; PCHIP. */
  readonly rate?: BdRate;
  /** The same by every way of drawing curves, per cent. */
  readonly percentBy?: Readonly<Record<Interpolation, number>>;
  /** Difference of the metric at equal rate, in its decibels or points. */
  readonly psnr?: BdPsnr;
  /** True where less than `leastOverlap` (eval/comparison.ts) of the tested curve was compared: do not trust the number. */
  readonly smallOverlap?: boolean;
  /** Absent beside published curves. */
  readonly perImage?: PerImageRates;
  /** Why there are no numbers. */
  readonly reason?: string;
}

/** Something that could not be measured; the rest went on. */
export interface Failure {
  readonly image?: string;
  readonly codec?: string;
  /** One line. */
  readonly message: string;
}

/** A whole evaluation, or a shard of one. */
export interface Evaluation {
  readonly formatVersion: 1;
  /** Short name of the data set, e.g. 'kodak'. */
  readonly dataset: string;
  /** What all shards together are over. */
  readonly scope: {
    /** Names of all pictures, in order; `images` lacks those of other shards and those that failed. */
    readonly images: readonly string[];
    /** True if these are all pictures that published means are taken over. */
    readonly complete: boolean;
  };
  /** Pictures that were measured, in the order of their names. */
  readonly images: readonly EvaluatedImage[];
  readonly environments: readonly Environment[];
  /** Ours first, then ours with quantized weights, then competitors, then published curves (only where `images` is the complete set). */
  readonly codecs: readonly EvaluatedCodec[];
  readonly comparisons: readonly EvaluatedComparison[];
  readonly failures: readonly Failure[];
}

export const evaluationFormatVersion = 1;

const infinity = 'Infinity';

/** A value as one JSON text in which infinities survive; `readJson` is the way back. */
export function writeJson(value: unknown, indent?: number): string {
  const encode = (_: string, entry: unknown): unknown =>
    entry === Number.POSITIVE_INFINITY ? infinity : entry;
  return JSON.stringify(value, encode, indent);
}

/** The value of a text that `writeJson` made; a SyntaxError where it is no JSON. */
export function readJson(text: string): unknown {
  return JSON.parse(text, (_, entry) => (entry === infinity ? Number.POSITIVE_INFINITY : entry));
}

/** An evaluation as the text of a file. */
export function evaluationText(evaluation: Evaluation): string {
  return `${writeJson(evaluation, 1)}\n`;
}

/**
 * The evaluation in a file's text.
 *
 * @param name what to call the file in messages
 * @throws FormatError where the text is none, or of another version
 * @example
 * const text = evaluationText(evaluation);
 * parseEvaluation(text, 'kodak.json').dataset;
 */
export function parseEvaluation(text: string, name: string): Evaluation {
  let value: unknown;
  try {
    value = readJson(text);
  } catch (error) {
    throw new FormatError(`${name}: expected the JSON file of an evaluation, got other text`, {
      cause: error,
    });
  }
  const found = (typeof value === 'object' && value !== null ? value : {}) as Partial<Evaluation>;
  const version: unknown = found.formatVersion;
  const lists = [found.images, found.environments, found.codecs, found.comparisons, found.failures];
  if (typeof version === 'number' && version !== evaluationFormatVersion) {
    throw new FormatError(
      `${name}: expected an evaluation of format version ${evaluationFormatVersion}, got ${version}`,
    );
  }
  if (version === undefined || !lists.every(Array.isArray) || !Array.isArray(found.scope?.images)) {
    throw new FormatError(`${name}: expected an evaluation, got JSON of another kind`);
  }
  return value as Evaluation;
}
