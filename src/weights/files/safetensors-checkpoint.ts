/**
 * Safetensors as a checkpoint: one file, or a folder of shards with `model.safetensors.index.json`, whose `weight_map`
 * says which file has which tensor.
 *
 * The metadata entry `trellis_codec.quantization` (JSON: tensor name to scheme, bits and, for packed tensors, shape) says
 * what this package did. A packed tensor NAME is stored as bytes under NAME_packed and appears here under its own name.
 */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FormatError, UsageError } from '../../errors.js';
import { ByteFile } from '../../io/byte-file.js';
import { fileError } from '../../io/files.js';
import { parseSafetensorsHeader, type SafetensorsHeader, type TensorEntry } from '../../io/safetensors.js';
import { elementCount } from '../layout.js';
import { schemeNames, schemeOf } from '../registry.js';
import {
  bytesOfRows,
  type Checkpoint,
  floatBytes,
  floatsFrom,
  type Quantization,
  rowsOf,
  type StoredTensor,
} from './checkpoint.js';
import { fromInt32Layout, int32Suffixes } from './int32-layout.js';

/** Name of the file that says which shard has which tensor. */
export const indexName = 'model.safetensors.index.json';

/** Metadata entry that says how tensors were quantized. */
export const quantizationKey = 'trellis_codec.quantization';

/** Ending of the name under which a packed tensor's bytes are stored. */
export const packedSuffix = '_packed';

/** Value of an entry's `layout` where the tensor is words, scales and shape (int32-layout.ts). */
export const int32Layout = 'int32' as const;

/** An entry of the metadata; with a shape where the tensor is packed. */
export interface QuantizationEntry extends Quantization {
  readonly shape?: readonly number[];
  readonly layout?: typeof int32Layout;
}

/** Longest header that is read. */
const longestHeader = 100_000_000;

interface Shard {
  readonly file: ByteFile;
  readonly header: SafetensorsHeader;
}

async function openShard(path: string): Promise<Shard> {
  const file = await ByteFile.open(path);
  try {
    if (file.size < 8) throw new FormatError(`expected at least 8 bytes, got ${file.size}`);
    const view = new DataView((await file.read(0, 8)).buffer);
    const length = Number(view.getBigUint64(0, true));
    if (length > Math.min(longestHeader, file.size - 8)) {
      throw new FormatError(
        `expected a header of at most ${Math.min(longestHeader, file.size - 8)} bytes, the file declares ${length}`,
      );
    }
    return { file, header: parseSafetensorsHeader(await file.read(0, 8 + length), file.size) };
  } catch (error) {
    await file.close();
    throw named(path, error);
  }
}

/** The same error with the file's name before it. */
function named(path: string, error: unknown): unknown {
  if (error instanceof FormatError && !error.message.startsWith(path)) {
    return new FormatError(`${path}: ${error.message}`, { cause: error });
  }
  return error;
}

async function readIndex(path: string): Promise<Map<string, string>> {
  let index: unknown;
  try {
    index = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError('read', path, error);
    throw new FormatError(`${path}: expected JSON, got other text`, { cause: error });
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new FormatError(`${path}: expected an object for weight_map`);
  }
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string' || file !== basename(file) || file.startsWith('.') || file.includes('\\')) {
      throw new FormatError(`${path}: expected the name of a file for tensor ${name} of weight_map`);
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

/** Paths of the files of a checkpoint, and which tensor the index expects where. */
async function locate(path: string): Promise<{ paths: string[]; index?: Map<string, string> }> {
  const sharded = async (indexPath: string) => {
    const index = await readIndex(indexPath);
    const names = [...new Set(index.values())].sort();
    return { paths: names.map((name) => join(dirname(indexPath), name)), index };
  };
  const state = await stat(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  if (!state.isDirectory()) return path.endsWith('.index.json') ? sharded(path) : { paths: [path] };
  const files = await readdir(path);
  if (files.includes(indexName)) return sharded(join(path, indexName));
  const single = files.filter((file) => file.endsWith('.safetensors'));
  if (single.length === 1) return { paths: [join(path, single[0])] };
  throw new UsageError(
    `${path}: expected ${indexName} or one .safetensors file in the folder, got ${single.length} files`,
  );
}

/** Every tensor is where the index says, and the index knows every tensor. */
function checkIndex(path: string, shards: readonly Shard[], index: ReadonlyMap<string, string>): void {
  let found = 0;
  for (const { file, header } of shards) {
    const shard = basename(file.path);
    for (const { name } of header.entries) {
      found++;
      if (index.get(name) === shard) continue;
      throw new FormatError(
        `${path}: expected tensor ${name} in ${index.get(name) ?? 'the index'}, got it in ${shard}`,
      );
    }
  }
  if (found === index.size) return;
  const names = new Set(shards.flatMap(({ header }) => header.entries.map(({ name }) => name)));
  const [name, shard] = [...index].find(([key]) => !names.has(key))!;
  throw new FormatError(`${path}: expected tensor ${name} in ${shard}, which does not have it`);
}

function quantizationsOf({ file, header }: Shard): Record<string, QuantizationEntry> {
  const text = header.metadata[quantizationKey];
  if (text === undefined) return {};
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${file.path}: expected JSON for ${quantizationKey}`, { cause: error });
  }
  const isEntry = (value: unknown): boolean => {
    const { scheme, bits, shape, layout } = (value ?? {}) as Record<string, unknown>;
    if (layout !== undefined && !(layout === int32Layout && Array.isArray(shape) && shape.length === 2)) {
      return false;
    }
    const sides = shape === undefined || (Array.isArray(shape) && shape.every(Number.isSafeInteger));
    return typeof scheme === 'string' && typeof bits === 'number' && sides;
  };
  if (typeof entries !== 'object' || entries === null || !Object.values(entries).every(isEntry)) {
    throw new FormatError(`${file.path}: expected scheme and bits for every entry of ${quantizationKey}`);
  }
  return entries as Record<string, QuantizationEntry>;
}

/** A tensor of a shard as users see it, and the entries that it is stored as. */
interface Found {
  readonly tensor: StoredTensor;
  readonly entries: readonly TensorEntry[];
  /** Bits of its codes where it is in the layout of words. */
  readonly wordBits?: number;
}

function tensorsOf(shard: Shard, file: number): Found[] {
  const quantizations = quantizationsOf(shard);
  const byName = new Map(shard.header.entries.map((entry) => [entry.name, entry]));
  const hidden = new Set<string>();
  for (const [name, { layout }] of Object.entries(quantizations)) {
    if (layout === int32Layout) for (const suffix of int32Suffixes.slice(1)) hidden.add(name + suffix);
  }
  const visible = shard.header.entries.filter(({ name }) => !hidden.has(name));
  return visible.map((entry): Found => {
    const { name, dtype, shape, begin, end } = entry;
    const own = name.endsWith(packedSuffix) ? name.slice(0, -packedSuffix.length) : name;
    const found = Object.hasOwn(quantizations, own) ? quantizations[own] : undefined;
    const stored = { name, shape, type: dtype, bytes: end - begin, file };
    if (found === undefined) return { tensor: stored, entries: [entry] };
    const quantization = { scheme: found.scheme, bits: found.bits };
    if (found.shape === undefined) return { tensor: { ...stored, quantization }, entries: [entry] };
    const packed = { name: own, shape: found.shape, file, quantization };
    const type = found.scheme.split(':')[0];
    if (found.layout === undefined) {
      return { tensor: { ...packed, type, bytes: end - begin }, entries: [entry] };
    }
    const entries = int32Suffixes.map((suffix) => byName.get(own + suffix));
    if (!entries.every((one) => one !== undefined) || !/^int[48]$/.test(type)) {
      throw new FormatError(
        `${shard.file.path}: expected ${int32Suffixes.join(', ')} of int4 or int8 for ${own}`,
      );
    }
    const bytes = entries.reduce((sum, one) => sum + one.end - one.begin, 0);
    const tensor = { ...packed, type: `${type} ${int32Layout}`, bytes };
    return { tensor, entries, wordBits: Number(type.slice(3)) };
  });
}

/**
 * Opens a .safetensors file, an index, or a folder with either.
 *
 * @throws FormatError in one line for headers that do not fit their files and indices that do not fit their shards
 */
export async function openSafetensors(path: string): Promise<Checkpoint> {
  const { paths, index } = await locate(path);
  const shards: Shard[] = [];
  const close = async (): Promise<void> => {
    for (const { file } of shards) await file.close();
  };
  try {
    for (const one of paths) shards.push(await openShard(one));
    if (index) checkIndex(path, shards, index);
    const found = shards.flatMap(tensorsOf);
    const places = new Map(found.map((one) => [one.tensor, one]));
    const read = async (
      { file }: StoredTensor,
      { begin }: TensorEntry,
      length: number,
    ): Promise<Uint8Array> => {
      const shard = shards[file];
      const from = shard.header.dataOffset + begin;
      return shard.file.read(from, from + length);
    };
    const readWords = async (tensor: StoredTensor, entries: readonly TensorEntry[], bits: number) => {
      const [words, scales] = await Promise.all(
        entries.slice(0, 2).map((entry) => read(tensor, entry, entry.end - entry.begin)),
      );
      const codes = new Int32Array(words.buffer, 0, words.length / 4);
      return fromInt32Layout(tensor.name, bits, tensor.shape, codes, new Float32Array(scales.buffer));
    };
    return {
      format: 'safetensors',
      path,
      files: paths.map((one) => basename(one)),
      fileBytes: shards.reduce((sum, { file }) => sum + file.size, 0),
      tensors: found.map(({ tensor }) => tensor),
      metadata: Object.assign({}, ...shards.map(({ header }) => header.metadata)),
      async *pieces(tensor) {
        const { file, header } = shards[tensor.file];
        for (const { begin, end } of places.get(tensor)!.entries) {
          yield* file.pieces(header.dataOffset + begin, header.dataOffset + end);
        }
      },
      isReadable: (tensor) =>
        Object.hasOwn(floatBytes, tensor.type) ||
        schemeNames.includes(tensor.type) ||
        places.get(tensor)?.wordBits !== undefined,
      async readFloat32(tensor, rows) {
        const { name, type, shape, bytes } = tensor;
        const { entries, wordBits } = places.get(tensor)!;
        if (Object.hasOwn(floatBytes, type)) {
          return floatsFrom(type, await read(tensor, entries[0], bytesOfRows(tensor, rows)));
        }
        const decode = async (): Promise<Float32Array> => {
          if (wordBits !== undefined) return readWords(tensor, entries, wordBits);
          const scheme = schemeOf(type);
          return scheme.dequantize(scheme.unpack(await read(tensor, entries[0], bytes), name, shape));
        };
        const values = await decode();
        const wanted = (elementCount(shape) / rowsOf(shape)) * Math.min(rows ?? rowsOf(shape), rowsOf(shape));
        return values.subarray(0, wanted || values.length);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
