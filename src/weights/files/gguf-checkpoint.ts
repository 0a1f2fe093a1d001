/** A GGUF file as a checkpoint. Blocks that this package does not decode are listed and copied, not read. */

import { basename } from 'node:path';
import { FormatError, UnsupportedError } from '../../errors.js';
import { ByteFile } from '../../io/byte-file.js';
import { decodeBlocks } from '../blocks/block-scheme.js';
import {
  bytesOfRows,
  type Checkpoint,
  floatBytes,
  floatsFrom,
  type StoredTensor,
  shapeOfRows,
} from './checkpoint.js';
import { type GgufData, type GgufEntry, type GgufHeader, ggufTypes, parseGgufHeader } from './gguf.js';

/** A checkpoint that also has the file's own metadata, types and all. */
export interface GgufCheckpoint extends Checkpoint {
  readonly format: 'gguf';
  readonly entries: readonly GgufEntry[];
}

/** Bytes that are tried first for the header; then twice as many, and so on. */
const firstRead = 1 << 20;

async function readHeader(file: ByteFile): Promise<GgufHeader> {
  for (let length = firstRead; ; length *= 2) {
    const header = parseGgufHeader(await file.read(0, Math.min(length, file.size)), file.size);
    if (header) return header;
  }
}

/** A value as one line of text; long lists by their length. */
function textOf(value: GgufData): string {
  if (typeof value !== 'object') return String(value);
  const { type, values } = value;
  return values.length > 8 ? `${values.length} x ${type}` : `[${values.map(textOf).join(', ')}]`;
}

/**
 * Opens a GGUF file.
 *
 * @throws FormatError in one line for headers that do not fit their file
 */
export async function openGguf(path: string): Promise<GgufCheckpoint> {
  const file = await ByteFile.open(path);
  try {
    const { metadata, tensors: infos, dataOffset } = await readHeader(file);
    const offsets = new Map<StoredTensor, number>();
    const sorted = [...infos].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
    const tensors = sorted.map(({ name, shape, type, bytes, offset }) => {
      const tensor: StoredTensor = { name, shape, type: type.name, bytes, file: 0 };
      offsets.set(tensor, dataOffset + offset);
      return tensor;
    });
    const typeOf = ({ type }: StoredTensor) => ggufTypes.find(({ name }) => name === type)!;
    return {
      format: 'gguf',
      path,
      files: [basename(path)],
      fileBytes: file.size,
      tensors,
      entries: metadata,
      metadata: Object.fromEntries(metadata.map(({ key, value }) => [key, textOf(value)])),
      async *pieces(tensor) {
        const begin = offsets.get(tensor)!;
        yield* file.pieces(begin, begin + tensor.bytes);
      },
      isReadable: (tensor) => Object.hasOwn(floatBytes, tensor.type) || typeOf(tensor).block !== undefined,
      async readFloat32(tensor, rows) {
        const begin = offsets.get(tensor)!;
        const bytes = await file.read(begin, begin + bytesOfRows(tensor, rows));
        const { block } = typeOf(tensor);
        if (block) return decodeBlocks(block, bytes, shapeOfRows(tensor.shape, rows));
        if (Object.hasOwn(floatBytes, tensor.type)) return floatsFrom(tensor.type, bytes);
        throw new UnsupportedError(
          `tensor ${tensor.name}: expected a type that can be read, got ${tensor.type}`,
        );
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    if (!(error instanceof FormatError) || error.message.startsWith(path)) throw error;
    throw new FormatError(`${path}: ${error.message}`, { cause: error });
  }
}
