/**
 * A model file: a safetensors file with the networks' weights, the tables of the entropy coder and, as metadata, the
 * configuration and the model card. Weights are float16 (tables that depend on the rate are float32) or, those of the
 * transforms, streams of trellis-coded levels (coded-parameters.ts): what the file says is what both sides compute with, so
 * there is no rounding left to disagree about.
 *
 * The model id is the first 8 bytes of the SHA-256 over what a decoder uses: names, shapes and bytes, sorted by name.
 * Encoder-side tensors are left out, so that an encoder can improve without making old files foreign.
 */
import { FormatError } from '../../src/errors.js';
import { sizeOf } from '../../src/graph/index.js';
import { float32ToFloat16 } from '../../src/io/half.js';
import {
  parseSafetensors,
  type SafeTensor,
  serializeSafetensors,
  toFloat32,
} from '../../src/io/safetensors.js';
import { contextCount, type HyperContexts, TableSet, type TableTensors } from '../entropy/index.js';
import { isTrellisCoded, type QuantizerName, quantizerIds } from '../format/index.js';
import type { NetworkConfig } from '../networks/config.js';
import type { ParameterSpec, ParameterValues } from '../networks/parameters.js';
import { offsetColumns } from '../quantizers/dequantize.js';
import {
  type CodedParameters,
  codedParameters,
  isStreamName,
  PartlyCodedParameters,
  streamName,
} from './coded-parameters.js';

/** Everything a model consists of, in memory. */
export interface ModelParts {
  readonly config: NetworkConfig;
  /** Who made it, from what, how long: free text by key, shown by `codec models`. */
  readonly card: Readonly<Record<string, string>>;
  readonly parameters: ParameterValues;
  /**
   * Streams of parameters that a file has as such. One counts as long as `parameters` has the very array that it decodes to;
   * a parameter that was replaced is written as half floats.
   */
  readonly coded?: CodedParameters;
  readonly tables: EntropyTables;
  /**
   * Mean of |latent| - |value| that the synthesis takes for granted, `[scales, habitColumns]`, in latents; column k is for
   * values of (k + 1) * habitSpacing. None where it was trained on rounded latents. For the fitting of offsets only.
   */
  readonly habits?: Float32Array;
}

export const habitColumns = 32;
export const habitSpacing = 0.25;

/** What a model has for one quantizer. */
export interface QuantizerParts {
  /** One table per scale index or, for trellis-coded quantizers, two: `2 * scale index + quantizer of the state`. */
  readonly tables: TableSet;
  /** Distance of neighbouring values that some index can stand for, in latents; a float32 above 0. */
  readonly step: number;
  /** What values are moved away from zero by, `[tables, offsetColumns]`, in latents (quantizers/dequantize.ts). */
  readonly offsets: Float32Array;
  /** Price of a bit in squared latents. Only encoders look at it. */
  readonly lagrangian: number;
}

export interface EntropyTables {
  /** Number of scale indices, 1 to 256. */
  readonly scales: number;
  readonly quantizers: ReadonlyMap<QuantizerName, QuantizerParts>;
  /** Table (ratePoint * hyperLatents + channel) * contexts + context, with one context where there are none. */
  readonly hyperLatents: TableSet;
  /** What hyper-latents are predicted from; one table for each channel and rate point where it is missing. */
  readonly hyperContexts?: HyperContexts;
  /** Scale index = clamp(floor((logScale - offset) * factor)), all in float32. */
  readonly scaleOffset: number;
  readonly scaleFactor: number;
  /** Latents with a scale index below this are not coded and are zero. */
  readonly firstCoded: number;
}

/** Kinds of files: without and with streams. */
const kinds = { plain: 'trellis-codec model 2', coded: 'trellis-codec model 4' } as const;
const encoderOnly = /^(analysis|hyperAnalysis|prior|rate\.analysis|habits$|quantizers\..*\.lagrangian$)/;
const keptInFull = /^(rate|prior)\./;

/** Whether only encoders use a tensor of that name. */
export const isEncoderOnly = (name: string): boolean => encoderOnly.test(name);

/** A parameter as files have it. */
function parameterTensor(
  { parameters, coded }: ModelParts,
  name: string,
  shape: ParameterSpec['shape'],
): [string, SafeTensor] {
  const data = parameters.get(name)!;
  const stream = coded?.streams.get(name);
  if (stream && stream.values === data) {
    const bytes = stream.bytes as Uint8Array<ArrayBuffer>;
    return [streamName(name), { dtype: 'U8', shape: [bytes.length], data: bytes }];
  }
  return [
    name,
    keptInFull.test(name)
      ? { dtype: 'F32', shape, data: data as Float32Array<ArrayBuffer> }
      : { dtype: 'F16', shape, data: float32ToFloat16(data) as Uint16Array<ArrayBuffer> },
  ];
}

function tableTensors(prefix: string, tables: TableTensors): [string, SafeTensor][] {
  const { frequenciesMinusOne, firstSymbols, sizes } = tables;
  const vector = <T extends { length: number }>(data: T): { shape: number[]; data: T } => ({
    shape: [data.length],
    data,
  });
  return [
    [`${prefix}.frequencies`, { dtype: 'U16', ...vector(frequenciesMinusOne as Uint16Array<ArrayBuffer>) }],
    [`${prefix}.first`, { dtype: 'I32', ...vector(firstSymbols as Int32Array<ArrayBuffer>) }],
    [`${prefix}.sizes`, { dtype: 'I32', ...vector(sizes as Int32Array<ArrayBuffer>) }],
  ];
}

/** Serialises a model; equal parts give equal bytes. */
export function serializeModel(parts: ModelParts, specs: ReadonlyMap<string, ParameterSpec>): Uint8Array {
  const tensors = new Map<string, SafeTensor>();
  for (const [parameter, { shape }] of specs) {
    const [name, tensor] = parameterTensor(parts, parameter, shape);
    tensors.set(name, tensor);
  }
  const { quantizers, hyperLatents, hyperContexts, scales, scaleOffset, scaleFactor, firstCoded } =
    parts.tables;
  for (const [quantizer, { tables, step, offsets, lagrangian }] of quantizers) {
    const prefix = `quantizers.${quantizer}`;
    for (const [name, tensor] of tableTensors(prefix, tables.toTensors())) tensors.set(name, tensor);
    tensors.set(`${prefix}.step`, { dtype: 'F32', shape: [1], data: Float32Array.of(step) });
    tensors.set(`${prefix}.offsets`, {
      dtype: 'F32',
      shape: [tables.count, offsetColumns],
      data: offsets as Float32Array<ArrayBuffer>,
    });
    tensors.set(`${prefix}.lagrangian`, { dtype: 'F32', shape: [1], data: Float32Array.of(lagrangian) });
  }
  for (const [name, tensor] of tableTensors('tables.hyperLatents', hyperLatents.toTensors())) {
    tensors.set(name, tensor);
  }
  if (hyperContexts) {
    const channels = parts.config.hyperLatents;
    const { weights, thresholds } = hyperContexts;
    tensors.set('hyperContexts.weights', {
      dtype: 'I16',
      shape: [channels, 3 * channels],
      data: weights as Int16Array<ArrayBuffer>,
    });
    tensors.set('hyperContexts.thresholds', {
      dtype: 'I32',
      shape: [channels, thresholds.length / channels],
      data: thresholds as Int32Array<ArrayBuffer>,
    });
  }
  tensors.set('tables.scaleIndex', {
    dtype: 'F32',
    shape: [2],
    data: Float32Array.of(scaleOffset, scaleFactor),
  });
  tensors.set('tables.scales', { dtype: 'I32', shape: [1], data: Int32Array.of(scales) });
  tensors.set('tables.firstCoded', { dtype: 'I32', shape: [1], data: Int32Array.of(firstCoded) });
  if (parts.habits) {
    const data = parts.habits as Float32Array<ArrayBuffer>;
    tensors.set('habits', { dtype: 'F32', shape: [scales, habitColumns], data });
  }
  const hasStreams = [...tensors.keys()].some(isStreamName);
  if (hasStreams) {
    for (const [name, tensor] of tableTensors('tables.weights', parts.coded!.tables.toTensors())) {
      tensors.set(name, tensor);
    }
  }
  const kind = hasStreams ? kinds.coded : kinds.plain;
  const metadata = { kind, config: JSON.stringify(parts.config), card: JSON.stringify(parts.card) };
  return serializeSafetensors(tensors, metadata);
}

/** A model as read, with its id (16 hex digits). */
export interface ParsedModel extends ModelParts {
  readonly id: string;
}

function required(
  tensors: ReadonlyMap<string, SafeTensor>,
  name: string,
  dtype: SafeTensor['dtype'],
): SafeTensor {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== dtype) {
    throw new FormatError(`model: expected tensor ${name} of type ${dtype}, got ${tensor?.dtype ?? 'none'}`);
  }
  return tensor;
}

function parseTables(tensors: ReadonlyMap<string, SafeTensor>, prefix: string): TableSet {
  return TableSet.fromTensors({
    frequenciesMinusOne: required(tensors, `${prefix}.frequencies`, 'U16').data as Uint16Array,
    firstSymbols: required(tensors, `${prefix}.first`, 'I32').data as Int32Array,
    sizes: required(tensors, `${prefix}.sizes`, 'I32').data as Int32Array,
  });
}

/** The quantizers of a file, in the order of their ids. Names that this version does not know are left alone. */
function parseQuantizers(tensors: ReadonlyMap<string, SafeTensor>): Map<QuantizerName, QuantizerParts> {
  const quantizers = new Map<QuantizerName, QuantizerParts>();
  for (const name of Object.keys(quantizerIds) as QuantizerName[]) {
    const prefix = `quantizers.${name}`;
    if (!tensors.has(`${prefix}.frequencies`)) continue;
    const [step] = required(tensors, `${prefix}.step`, 'F32').data as Float32Array;
    const [lagrangian] = required(tensors, `${prefix}.lagrangian`, 'F32').data as Float32Array;
    const offsets = required(tensors, `${prefix}.offsets`, 'F32').data as Float32Array;
    quantizers.set(name, { tables: parseTables(tensors, prefix), step, offsets, lagrangian });
  }
  return quantizers;
}

/** The contexts of hyper-latents, where a file has any. */
function parseHyperContexts(
  tensors: ReadonlyMap<string, SafeTensor>,
  { hyperLatents: channels }: NetworkConfig,
): HyperContexts | undefined {
  if (!tensors.has('hyperContexts.weights')) return undefined;
  const weights = required(tensors, 'hyperContexts.weights', 'I16').data as Int16Array;
  const thresholds = required(tensors, 'hyperContexts.thresholds', 'I32').data as Int32Array;
  const expected = 3 * channels * channels;
  if (weights.length !== expected) {
    throw new FormatError(
      `model: expected ${expected} values for hyperContexts.weights, got ${weights.length}`,
    );
  }
  const cuts = thresholds.length / channels;
  const ascending = thresholds.every((value, n) => n % cuts === 0 || thresholds[n - 1] <= value);
  if (!Number.isInteger(cuts) || cuts > mostCuts || !ascending) {
    throw new FormatError(
      `model: expected ${channels} ascending rows of at most ${mostCuts} for hyperContexts.thresholds, got ${thresholds.length} numbers`,
    );
  }
  return { weights, thresholds };
}

async function modelId(tensors: ReadonlyMap<string, SafeTensor>): Promise<string> {
  const text = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const name of [...tensors.keys()].sort()) {
    if (encoderOnly.test(name)) continue;
    const { dtype, shape, data } = tensors.get(name)!;
    parts.push(text.encode(`${name} ${dtype} ${shape.join('x')}\n`));
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', joined));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A piece of a file's metadata that is JSON of an object. */
export function parseJson(text: string | undefined, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Said below.
  }
  throw new FormatError(`${what}: expected JSON of an object, got ${JSON.stringify(text) ?? 'none'}`);
}

const smallestSizes: Readonly<Record<keyof Omit<NetworkConfig, 'name'>, number>> = {
  channels: 1,
  deepChannels: 1,
  latents: 4,
  hyperLatents: 1,
  context: 1,
  blocks: 0,
  deepBlocks: 0,
  contextBlocks: 0,
  ratePoints: 2,
};
/** Far above any network that a CPU could run; keeps nonsense from being built. */
const largestSize = 4096;

/** The configuration, checked, because graphs are built from it before any tensor is looked at. */
export function parseConfig(text: string | undefined): NetworkConfig {
  const config = parseJson(text, 'configuration');
  if (typeof config.name !== 'string') throw new FormatError('configuration: expected a name');
  for (const [key, smallest] of Object.entries(smallestSizes)) {
    const size = config[key];
    if (size === undefined && key === 'contextBlocks') continue;
    const whole = Number.isInteger(size) && (size as number) >= smallest && (size as number) <= largestSize;
    if (!whole || (key === 'latents' && (size as number) % 4 !== 0)) {
      throw new FormatError(
        `configuration: expected ${smallest} to ${largestSize}${key === 'latents' ? ', a multiple of 4,' : ''} for ${key}, got ${JSON.stringify(size)}`,
      );
    }
  }
  return config as unknown as NetworkConfig;
}

/** The values, all of them finite: networks take that for granted, and a NaN among means or scales would code nothing at all. */
function finite(name: string, values: Float32Array): Float32Array {
  // A loop: `findIndex` calls a function nine million times.
  for (let n = 0; n < values.length; n++) {
    if (Number.isFinite(values[n])) continue;
    throw new FormatError(`model: expected finite values for ${name}, got ${values[n]} at ${n}`);
  }
  return values;
}

/** Contexts of a hyper-latent, less one: far more than pictures could fill. */
const mostCuts = 255;
/** Tables of hyper-latents: their indices have 16 bits. */
export const mostHyperTables = 2 ** 16;

/** Scale indices are bytes; more tables than that could never be used. */
const mostScales = 256;

type Expectation = readonly [what: string, holds: boolean, got: unknown];

function checkTables(tables: EntropyTables, { ratePoints, hyperLatents }: NetworkConfig): void {
  const { quantizers: known, scales, scaleOffset, scaleFactor, firstCoded } = tables;
  const contexts = contextCount(tables.hyperContexts, hyperLatents);
  const hyperTables = ratePoints * hyperLatents * contexts;
  const expectations: readonly Expectation[] = [
    [`1 to ${mostScales} scales`, scales >= 1 && scales <= mostScales, scales],
    ...[...known].flatMap(([name, { tables: own, step, offsets, lagrangian }]): Expectation[] => {
      const count = isTrellisCoded(name) ? 2 * scales : scales;
      return [
        [`${count} tables of ${name}`, own.count === count, own.count],
        [
          `${offsetColumns} finite offsets for every table of ${name}`,
          offsets.length === offsetColumns * count && offsets.every(Number.isFinite),
          offsets.length,
        ],
        [`a finite step of ${name} above 0`, step > 0 && step < Number.POSITIVE_INFINITY, step],
        [
          `a finite Lagrangian of ${name} of at least 0`,
          lagrangian >= 0 && lagrangian < Number.POSITIVE_INFINITY,
          lagrangian,
        ],
      ];
    }),
    [
      `${ratePoints} times ${hyperLatents} times ${contexts} tables of hyper-latents, at most ${mostHyperTables}`,
      tables.hyperLatents.count === hyperTables && hyperTables <= mostHyperTables,
      tables.hyperLatents.count,
    ],
    [
      'two finite numbers for tables.scaleIndex',
      Number.isFinite(scaleOffset) && Number.isFinite(scaleFactor),
      `${scaleOffset}, ${scaleFactor}`,
    ],
    [`0 to ${scales} for tables.firstCoded`, firstCoded >= 0 && firstCoded <= scales, firstCoded],
  ];
  for (const [what, holds, got] of expectations) {
    if (!holds) throw new FormatError(`model: expected ${what}, got ${got}`);
  }
}

/**
 * Reads a model file.
 * @param specsOf the parameters that the configuration's networks need.
 * @throws FormatError naming what is missing or malformed.
 */
export async function parseModel(
  bytes: Uint8Array,
  specsOf: (config: NetworkConfig) => ReadonlyMap<string, ParameterSpec>,
): Promise<ParsedModel> {
  const { tensors, metadata } = parseSafetensors(bytes);
  if (metadata.kind !== kinds.plain && metadata.kind !== kinds.coded) {
    throw new FormatError(
      `model: expected a file of kind "${Object.values(kinds).join('" or "')}", got ${metadata.kind ?? 'none'}`,
    );
  }
  const config = parseConfig(metadata.config);
  const parameters = new PartlyCodedParameters();
  const specs = specsOf(config);
  const coded =
    metadata.kind === kinds.coded
      ? codedParameters(tensors, specs, parseTables(tensors, 'tables.weights'))
      : undefined;
  for (const [name, { shape }] of specs) {
    const stream = coded?.streams.get(name);
    if (stream) {
      parameters.setCoded(name, stream);
      continue;
    }
    const tensor = tensors.get(name);
    if (!tensor || tensor.data.length !== sizeOf(shape)) {
      throw new FormatError(
        `model: expected ${sizeOf(shape)} values for ${name} [${shape}], got ${tensor?.data.length ?? 'none'}`,
      );
    }
    parameters.set(name, finite(name, toFloat32(tensor)));
  }
  const [scaleOffset, scaleFactor] = required(tensors, 'tables.scaleIndex', 'F32').data as Float32Array;
  const [scales] = required(tensors, 'tables.scales', 'I32').data as Int32Array;
  const [firstCoded] = required(tensors, 'tables.firstCoded', 'I32').data as Int32Array;
  const hyperContexts = parseHyperContexts(tensors, config);
  const tables: EntropyTables = {
    scales,
    quantizers: parseQuantizers(tensors),
    hyperLatents: parseTables(tensors, 'tables.hyperLatents'),
    ...(hyperContexts && { hyperContexts }),
    scaleOffset,
    scaleFactor,
    firstCoded,
  };
  checkTables(tables, config);
  const habits = tensors.has('habits')
    ? (required(tensors, 'habits', 'F32').data as Float32Array)
    : undefined;
  if (habits && !(habits.length === scales * habitColumns && habits.every(Number.isFinite))) {
    throw new FormatError(
      `model: expected ${scales * habitColumns} finite habits of the synthesis, got ${habits.length} numbers`,
    );
  }
  const card = parseJson(metadata.card ?? '{}', 'model card') as Record<string, string>;
  return {
    config,
    card,
    parameters,
    ...(coded && { coded }),
    tables,
    ...(habits && { habits }),
    id: await modelId(tensors),
  };
}
