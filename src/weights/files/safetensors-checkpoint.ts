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
import { parseSafetensorsHeader, type SafetensorsHeader } from '../../io/safetensors.js';
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

/** Name of the file that says which shard has which tensor. */
export const indexName = 'model.safetensors.index.json';

/** Metadata entry that says how tensors were quantized. */
export const quantizationKey = 'trellis_codec.quantization';

/** Ending of the name under which a packed tensor's bytes are stored. */
export const packedSuffix = '_packed';

/** An entry of the metadata; with a shape where the tensor is packed. */
export interface QuantizationEntry extends Quantization {
  readonly shape?: readonly number[];
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
    const { scheme, bits, shape } = (value ?? {}) as Record<string, unknown>;
    const sides = shape === undefined || (Array.isArray(shape) && shape.every(Number.isSafeInteger));
    return typeof scheme === 'string' && typeof bits === 'number' && sides;
  };
  if (typeof entries !== 'object' || entries === null || !Object.values(entries).every(isEntry)) {
    throw new FormatError(`${file.path}: expected scheme and bits for every entry of ${quantizationKey}`);
  }
  return entries as Record<string, QuantizationEntry>;
}

function tensorsOf(shard: Shard, file: number): StoredTensor[] {
  const quantizations = quantizationsOf(shard);
  return shard.header.entries.map(({ name, dtype, shape, begin, end }): StoredTensor => {
    const bytes = end - begin;
    const own = name.endsWith(packedSuffix) ? name.slice(0, -packedSuffix.length) : name;
    const entry = Object.hasOwn(quantizations, own) ? quantizations[own] : undefined;
    if (entry === undefined) return { name, shape, type: dtype, bytes, file };
    const quantization = { scheme: entry.scheme, bits: entry.bits };
    if (entry.shape === undefined) return { name, shape, type: dtype, bytes, file, quantization };
    return { name: own, shape: entry.shape, type: entry.scheme.split(':')[0], bytes, file, quantization };
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
    const tensors = shards.flatMap(tensorsOf);
    const stretches = new Map<StoredTensor, readonly [ByteFile, number]>();
    let k = 0;
    for (const { file, header } of shards) {
      for (const { begin } of header.entries) stretches.set(tensors[k++], [file, header.dataOffset + begin]);
    }
    const read = async (tensor: StoredTensor, length: number): Promise<Uint8Array> => {
      const [file, begin] = stretches.get(tensor)!;
      return file.read(begin, begin + length);
    };
    return {
      format: 'safetensors',
      path,
      files: paths.map((one) => basename(one)),
      fileBytes: shards.reduce((sum, { file }) => sum + file.size, 0),
      tensors,
      metadata: Object.assign({}, ...shards.map(({ header }) => header.metadata)),
      async *pieces(tensor) {
        const [file, begin] = stretches.get(tensor)!;
        yield* file.pieces(begin, begin + tensor.bytes);
      },
      isReadable: ({ type }) => Object.hasOwn(floatBytes, type) || schemeNames.includes(type),
      async readFloat32(tensor, rows) {
        const { name, type, shape, bytes } = tensor;
        if (Object.hasOwn(floatBytes, type))
          return floatsFrom(type, await read(tensor, bytesOfRows(tensor, rows)));
        const scheme = schemeOf(type);
        const values = scheme.dequantize(scheme.unpack(await read(tensor, bytes), name, shape));
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
