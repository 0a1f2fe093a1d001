/**
 * What a run is to do: which tensor takes which scheme, in which file it goes, and what samples say of it.
 *
 * A sample is so many of a tensor's first rows, at most 65536 weights or one row: enough to tell bits and errors of a
 * scheme within a percent or so, and cheap to read from any file.
 */

import { UsageError } from '../../errors.js';
import { crc32c } from '../../io/crc32c.js';
import { choose, type FilterRule } from '../filter.js';
import { elementCount } from '../layout.js';
import { parseScheme, type SchemeChoice } from '../registry.js';
import { distortionOf } from '../report.js';
import type { Scheme, SchemeOptions, WeightTensor } from '../scheme.js';
import type { Calibration } from './calibration.js';
import { type Checkpoint, floatBytes, rowsOf, type StoredTensor, shapeOfRows } from './checkpoint.js';
import type { OutputFormat } from './output.js';

export interface PlannedTensor {
  /** Its number in the source. */
  readonly index: number;
  readonly tensor: StoredTensor;
  /** Absent where the tensor is kept. */
  readonly choice?: SchemeChoice;
  /** The scheme that was asked for, where the format took another. */
  readonly instead?: string;
}

export interface PlanOptions {
  readonly rules: readonly FilterRule[];
  /** For tensors that no rule fits and that are not kept by default. */
  readonly fallback?: SchemeChoice;
  /** Given to schemes that make random choices, with a number of the tensor's own. */
  readonly seed?: number;
  /** Inputs of layers, for calibrated schemes. */
  readonly calibration?: Calibration;
}

/** Whether a scheme has an option: schemes refuse those that they do not have. */
export function takesOption(scheme: Scheme, options: SchemeOptions): boolean {
  try {
    scheme.quantize({ name: 'probe', shape: [1], values: Float32Array.of(0) }, options);
    return true;
  } catch {
    return false;
  }
}

function withSeed(choice: SchemeChoice, seed: number | undefined, name: string): SchemeChoice {
  if (seed === undefined || !takesOption(choice.scheme, { seed })) return choice;
  const own = crc32c(new TextEncoder().encode(name), seed >>> 0);
  return { scheme: choice.scheme, options: { ...choice.options, seed: own } };
}

/**
 * Decides for every tensor of a source.
 *
 * Rules take any tensor whose values can be read; the fallback takes floats only, so that what is quantized already stays.
 * @throws UsageError where the format cannot hold what was asked for, and for calibrated schemes without what they
 *   are calibrated with
 */
export function planTensors(source: Checkpoint, format: OutputFormat, options: PlanOptions): PlannedTensor[] {
  return source.tensors.map((tensor, index) => {
    const isFloat = Object.hasOwn(floatBytes, tensor.type);
    const fallback = isFloat ? options.fallback : undefined;
    const wanted = source.isReadable(tensor)
      ? choose(tensor.name, tensor.shape, options.rules, fallback)
      : undefined;
    if (!wanted) return { index, tensor };
    if (wanted.scheme.calibrated && !wanted.options.hessian) {
      if (!options.calibration) {
        throw new UsageError(
          `tensor ${tensor.name}: expected inputs of the layer (calibration) for ${wanted.scheme.name}, got none`,
        );
      }
      options.calibration.check(tensor);
    }
    const fitted = format.fit(tensor, wanted);
    const choice = withSeed(fitted, options.seed, tensor.name);
    return fitted === wanted
      ? { index, tensor, choice }
      : { index, tensor, choice, instead: wanted.scheme.name };
  });
}

/** What a scheme does to a sample of a tensor. */
export interface SampleResult {
  readonly bitsPerWeight: number;
  readonly relativeError: number;
  readonly sqnr: number;
}

const sampleWeights = 65536;

/** The first rows of a tensor as a tensor of its own. */
export async function sampleOf(
  source: Checkpoint,
  tensor: StoredTensor,
  most = sampleWeights,
): Promise<WeightTensor> {
  const { name, shape } = tensor;
  const columns = elementCount(shape) / Math.max(1, rowsOf(shape));
  const rows = Math.max(1, Math.floor(most / Math.max(1, columns)));
  const sample = shapeOfRows(shape, rows);
  return { name, shape: sample, values: await source.readFloat32(tensor, rows) };
}

/** Quantizes a sample; its bits are those of a format, where that has a layout of its own. */
export function measureSample(
  sample: WeightTensor,
  { scheme, options }: SchemeChoice,
  { bitsOf = ({ bits }) => bits }: Pick<OutputFormat, 'bitsOf'> = {},
): SampleResult {
  const quantized = scheme.quantize(sample, options);
  const { relativeError, sqnr, weights } = distortionOf(sample.values, scheme.dequantize(quantized));
  return { bitsPerWeight: weights === 0 ? 0 : bitsOf(quantized) / weights, relativeError, sqnr };
}

/** A choice with another name's scheme but the same granularity; for families such as int2 .. int8. */
export function schemeInFamily(name: string, { granularity }: SchemeOptions): SchemeChoice {
  const { scheme } = parseScheme(name);
  const options = granularity === undefined ? {} : { granularity };
  return { scheme, options: takesOption(scheme, options) ? options : {} };
}
