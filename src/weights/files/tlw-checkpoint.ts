/**
 * A .tlw file as a checkpoint: the index is read from the end, tensors when they are asked for. A tensor whose CRC32C does
 * not fit is an error, the others can still be read.
 */

import { basename } from 'node:path';
import { FormatError, IntegrityError } from '../../errors.js';
import { ByteFile } from '../../io/byte-file.js';
import { elementCount } from '../layout.js';
import { schemeNames, schemeOf } from '../registry.js';
import { type Checkpoint, floatBytes, floatsFrom, rowsOf, type StoredTensor } from './checkpoint.js';
import {
  chunkHead,
  chunkPayload,
  chunkTail,
  endBytes,
  readTlwEnd,
  readTlwHead,
  readTlwIndex,
  readTlwTensor,
  type TlwEntry,
  tlwHeadBytes,
  tlwSignature,
} from './tlw.js';

async function wholeChunk(file: ByteFile, type: string, offset: number, length: number): Promise<Uint8Array> {
  return chunkPayload(await file.read(offset, offset + chunkHead + length + chunkTail), type);
}

/** Metadata from META, which fills what lies between HEAD and the first tensor. */
async function readMetadata(file: ByteFile, at: number, next: number): Promise<Record<string, string>> {
  if (at === next) return {};
  const length = next - at - chunkHead - chunkTail;
  if (length < 0) throw new FormatError(`tlw: expected chunk META at byte ${at}, got too few bytes`);
  const text = new TextDecoder().decode(await wholeChunk(file, 'META', at, length));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError('tlw: expected JSON in chunk META', { cause: error });
  }
  const isText = (one: unknown): boolean => typeof one === 'string';
  if (typeof value !== 'object' || value === null || !Object.values(value).every(isText)) {
    throw new FormatError('tlw: expected an object of strings in chunk META');
  }
  return value as Record<string, string>;
}

async function readIndex(file: ByteFile): Promise<{ entries: TlwEntry[]; metadata: Record<string, string> }> {
  const headBytes = 6;
  const start = tlwSignature.length + chunkHead + headBytes + chunkTail;
  const signature = await file.read(0, Math.min(tlwSignature.length, file.size));
  if (!tlwSignature.every((byte, i) => signature[i] === byte)) {
    throw new FormatError('tlw: expected the signature of a .tlw file');
  }
  const count = readTlwHead(await wholeChunk(file, 'HEAD', tlwSignature.length, headBytes));
  const end = file.size - endBytes;
  const offset = readTlwEnd(await wholeChunk(file, 'TEND', Math.max(start, end), 8));
  if (offset < start || offset > end - chunkHead - chunkTail) {
    throw new FormatError(`tlw: expected chunk INDX at byte ${start} to ${end}, got ${offset}`);
  }
  const entries = readTlwIndex(await wholeChunk(file, 'INDX', offset, end - offset - chunkHead - chunkTail));
  if (entries.length !== count) {
    throw new FormatError(`tlw: expected ${count} tensors in chunk INDX, got ${entries.length}`);
  }
  checkPlaces(entries, start, offset);
  return { entries, metadata: await readMetadata(file, start, entries[0]?.offset ?? offset) };
}

/**
 * Weights that a byte can stand for at most: a level of an adaptive stream costs 0.0057 bits or more, everything else far more.
 * A few thousand may come on top, as streams begin with nothing learnt.
 */
const weightsPerByte = 1500;
const weightsForNothing = 4096;

/** Tensors lie one behind the other up to INDX, each under a name of its own and with as many bytes as its shape can need. */
function checkPlaces(entries: readonly TlwEntry[], start: number, end: number): void {
  const names = new Set<string>();
  let next = entries[0]?.offset ?? end;
  for (const entry of entries) {
    const { name, offset, length, shape, scheme, dtype } = entry;
    if (offset < start || offset !== next) {
      throw new FormatError(`tlw: expected tensor ${name} at byte ${Math.max(start, next)}, got ${offset}`);
    }
    next = offset + chunkHead + length + chunkTail;
    if (names.has(name)) throw new FormatError(`tlw: expected one tensor ${name}, got two`);
    names.add(name);
    const bytes = length - tlwHeadBytes(entry).length;
    const count = elementCount(shape);
    const wanted = scheme === '' && Object.hasOwn(floatBytes, dtype) ? count * floatBytes[dtype] : undefined;
    if (bytes < 0 || (wanted !== undefined && bytes !== wanted)) {
      throw new FormatError(
        `tlw: expected ${wanted ?? 'some'} bytes for tensor ${name} [${shape}], got ${bytes}`,
      );
    }
    if (count > weightsPerByte * bytes + weightsForNothing) {
      throw new FormatError(
        `tlw: expected at least ${Math.ceil(count / weightsPerByte)} bytes for tensor ${name} [${shape}], got ${bytes}`,
      );
    }
  }
  if (next !== end) throw new FormatError(`tlw: expected chunk INDX at byte ${next}, got ${end}`);
}

/**
 * Opens a .tlw file.
 *
 * @throws FormatError and IntegrityError in one line for files that are none, or damaged
 */
export async function openTlw(path: string): Promise<Checkpoint> {
  const file = await ByteFile.open(path);
  try {
    const { entries, metadata } = await readIndex(file);
    const places = new Map<StoredTensor, TlwEntry>();
    const tensors = entries.map((entry) => {
      const { name, shape, scheme, dtype, length } = entry;
      const bytes = length - tlwHeadBytes(entry).length;
      const quantization = scheme ? { quantization: { scheme, bits: 8 * bytes } } : {};
      const tensor: StoredTensor = { name, shape, type: scheme || dtype, bytes, file: 0, ...quantization };
      places.set(tensor, entry);
      return tensor;
    });
    const read = async (tensor: StoredTensor): Promise<Uint8Array> => {
      const { name, offset, length } = places.get(tensor)!;
      try {
        const { head, data } = readTlwTensor(await wholeChunk(file, 'TENS', offset, length));
        const [listed, found] = [places.get(tensor)!, head].map((one) => Buffer.from(tlwHeadBytes(one)));
        if (!listed.equals(found)) {
          const { dtype, shape, scheme } = head;
          throw new FormatError(
            `tlw: expected it as in INDX at byte ${offset}, got ${head.name} ${dtype} [${shape}] ${scheme}`,
          );
        }
        return data;
      } catch (error) {
        if (error instanceof IntegrityError) throw new IntegrityError(`tensor ${name}: ${error.message}`);
        throw error instanceof FormatError ? new FormatError(`tensor ${name}: ${error.message}`) : error;
      }
    };
    return {
      format: 'tlw',
      path,
      files: [basename(path)],
      fileBytes: file.size,
      tensors,
      metadata,
      async *pieces(tensor) {
        yield await read(tensor);
      },
      isReadable: ({ type }) => schemeNames.includes(type) || Object.hasOwn(floatBytes, type),
      async readFloat32(tensor, rows) {
        const { name, type, shape } = tensor;
        const data = await read(tensor);
        const scheme = places.get(tensor)!.scheme;
        const values = scheme
          ? schemeOf(scheme).dequantize(schemeOf(scheme).unpack(data, name, shape))
          : floatsFrom(type, data.slice());
        const all = rowsOf(shape);
        return rows === undefined || rows >= all
          ? values
          : values.subarray(0, (elementCount(shape) / all) * rows);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    if (error instanceof FormatError && !error.message.startsWith(path)) {
      throw new FormatError(`${path}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
