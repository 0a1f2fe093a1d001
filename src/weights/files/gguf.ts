/**
 * The GGUF container, version 3: everything before the tensors' data, read and written.
 *
 * Little-endian. "GGUF", version (32 bit), number of tensors and of metadata entries (64 bit each), the entries, the
 * tensor infos, then the data from the next multiple of `general.alignment` (32 unless stated) on; tensors lie back to
 * back, each padded to the alignment. Sides are stored innermost first; here they are outermost first.
 * Source: github.com/ggml-org/ggml, docs/gguf.md.
 */

import { FormatError, printable, UnsupportedError, UsageError } from '../../errors.js';
import { type BlockType, blockTypes } from '../blocks/index.js';
import { elementCount } from '../layout.js';

/** Types of metadata values by their numbers. */
const valueTypes = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
] as const;

export type GgufValueType = (typeof valueTypes)[number];

/** A list of one type; lists of lists are lists of these. */
export interface GgufArray {
  readonly type: GgufValueType;
  readonly values: readonly GgufData[];
}

export type GgufData = number | bigint | boolean | string | GgufArray;

/** A metadata entry. */
export interface GgufEntry {
  readonly key: string;
  readonly type: GgufValueType;
  readonly value: GgufData;
}

/** How tensors of a type lie in a file; blocks of one weight are plain elements. */
export interface GgufType {
  readonly name: string;
  readonly id: number;
  readonly length: number;
  readonly bytes: number;
  /** Where this package encodes and decodes the blocks. */
  readonly block?: BlockType;
}

export interface GgufTensor {
  readonly name: string;
  /** Outermost side first. */
  readonly shape: readonly number[];
  readonly type: GgufType;
  /** Bytes from the start of the data. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly metadata: readonly GgufEntry[];
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  /** First byte of the data in the file. */
  readonly dataOffset: number;
}

const plain = (name: string, id: number, bytes: number, length = 1): GgufType => ({
  name,
  id,
  length,
  bytes,
});

/** All types; those without a `block` are plain elements, or blocks that are only copied. */
export const ggufTypes: readonly GgufType[] = [
  plain('F32', 0, 4),
  plain('F16', 1, 2),
  plain('BF16', 30, 2),
  plain('F64', 28, 8),
  plain('I8', 24, 1),
  plain('I16', 25, 2),
  plain('I32', 26, 4),
  plain('I64', 27, 8),
  plain('Q8_1', 9, 36, 32),
  plain('Q8_K', 15, 292, 256),
  plain('IQ2_XXS', 16, 66, 256),
  plain('IQ2_XS', 17, 74, 256),
  plain('IQ3_XXS', 18, 98, 256),
  plain('IQ1_S', 19, 50, 256),
  plain('IQ3_S', 21, 110, 256),
  plain('IQ2_S', 22, 82, 256),
  plain('IQ1_M', 29, 56, 256),
  ...blockTypes.map((block) => ({ ...plain(block.name, block.id, block.bytes, block.length), block })),
];

const magic = 0x46554747;
const most = { tensors: 1 << 20, entries: 1 << 20, sides: 4, nesting: 4 } as const;

const aligned = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

/** Thrown inside only: the bytes at hand end too early. */
class Short extends Error {}

class Cursor {
  readonly #view: DataView;
  position = 0;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #advance(length: number): number {
    const at = this.position;
    if (length > this.bytes.length - at) throw new Short();
    this.position = at + length;
    return at;
  }

  u32 = (): number => this.#view.getUint32(this.#advance(4), true);

  /** A count or offset. */
  whole(what: string, limit = Number.MAX_SAFE_INTEGER): number {
    const value = Number(this.#view.getBigUint64(this.#advance(8), true));
    if (value > limit) throw new FormatError(`gguf: expected at most ${limit} for ${what}, got ${value}`);
    return value;
  }

  string(what: string): string {
    const length = this.whole(`the length of ${what}`, 1 << 30);
    const at = this.#advance(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        this.bytes.subarray(at, at + length),
      );
    } catch (error) {
      throw new FormatError(`gguf: expected UTF-8 for ${what} at byte ${at}`, { cause: error });
    }
  }

  valueType(key: string): GgufValueType {
    const number = this.u32();
    if (number >= valueTypes.length) {
      throw new FormatError(`gguf: expected a value type 0 to 12 for ${printable(key)}, got ${number}`);
    }
    return valueTypes[number];
  }

  value(type: GgufValueType, key: string, depth = 0): GgufData {
    const view = this.#view;
    switch (type) {
      case 'uint8':
        return view.getUint8(this.#advance(1));
      case 'int8':
        return view.getInt8(this.#advance(1));
      case 'uint16':
        return view.getUint16(this.#advance(2), true);
      case 'int16':
        return view.getInt16(this.#advance(2), true);
      case 'uint32':
        return this.u32();
      case 'int32':
        return view.getInt32(this.#advance(4), true);
      case 'float32':
        return view.getFloat32(this.#advance(4), true);
      case 'bool':
        return view.getUint8(this.#advance(1)) !== 0;
      case 'string':
        return this.string(printable(key));
      case 'uint64':
        return view.getBigUint64(this.#advance(8), true);
      case 'int64':
        return view.getBigInt64(this.#advance(8), true);
      case 'float64':
        return view.getFloat64(this.#advance(8), true);
      case 'array': {
        if (depth === most.nesting)
          throw new FormatError(`gguf: expected no deeper lists for ${printable(key)}`);
        const of = this.valueType(key);
        const count = this.whole(`the length of list ${printable(key)}`, 1 << 28);
        // Every element takes a byte at least: a false count must not allocate.
        if (count > this.bytes.length - this.position) throw new Short();
        const values: GgufData[] = [];
        for (let i = 0; i < count; i++) values.push(this.value(of, key, depth + 1));
        return { type: of, values };
      }
    }
  }
}

function readTensor(cursor: Cursor): GgufTensor {
  const name = cursor.string('the name of a tensor');
  const label = printable(name);
  const sides = cursor.u32();
  if (sides > most.sides) {
    throw new FormatError(`gguf: expected at most ${most.sides} sides for tensor ${label}, got ${sides}`);
  }
  const shape = Array.from({ length: sides }, () => cursor.whole(`a side of tensor ${label}`)).reverse();
  const id = cursor.u32();
  const offset = cursor.whole(`the offset of tensor ${label}`);
  const type = ggufTypes.find((one) => one.id === id);
  if (!type) throw new UnsupportedError(`gguf: expected a known type for tensor ${label}, got number ${id}`);
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count)) throw new FormatError(`gguf: tensor ${label} [${shape}] is too large`);
  const columns = shape.at(-1) ?? 1;
  if (columns % type.length !== 0) {
    throw new FormatError(
      `gguf: expected rows of a multiple of ${type.length} for tensor ${label} in ${type.name}, got ${columns}`,
    );
  }
  return { name, shape, type, offset, bytes: (count / type.length) * type.bytes };
}

/** Tensors back to back, padded, inside the file, each name once. */
function checkTensors(tensors: readonly GgufTensor[], alignment: number, dataBytes: number): void {
  const names = new Set<string>();
  let position = 0;
  for (const { name, offset, bytes } of [...tensors].sort(
    (a, b) => a.offset - b.offset || a.bytes - b.bytes,
  )) {
    const label = printable(name);
    if (names.has(name)) throw new FormatError(`gguf: expected a name of its own for tensor ${label}`);
    names.add(name);
    if (offset !== position) {
      throw new FormatError(`gguf: expected tensor ${label} at byte ${position} of the data, got ${offset}`);
    }
    if (offset + bytes > dataBytes) {
      throw new FormatError(
        `gguf: expected ${offset + bytes} bytes of data for tensor ${label}, got ${Math.max(0, dataBytes)}`,
      );
    }
    position = aligned(offset + bytes, alignment);
  }
}

/**
 * Reads the header from the start of a file.
 *
 * @param bytes the first bytes of the file
 * @param fileLength bytes of the whole file
 * @returns undefined where more bytes are needed and there are more
 * @throws FormatError in one line for anything that is no GGUF file; UnsupportedError for other versions and types
 */
export function parseGgufHeader(bytes: Uint8Array, fileLength: number): GgufHeader | undefined {
  const cursor = new Cursor(bytes);
  try {
    const first = cursor.u32();
    if (first !== magic) throw new FormatError('gguf: expected "GGUF" as the first bytes of the file');
    const version = cursor.u32();
    if (version !== 3) throw new UnsupportedError(`gguf: expected version 3, got ${version}`);
    const tensorCount = cursor.whole('the number of tensors', most.tensors);
    const entryCount = cursor.whole('the number of metadata entries', most.entries);
    const metadata: GgufEntry[] = [];
    for (let i = 0; i < entryCount; i++) {
      const key = cursor.string('a metadata key');
      const type = cursor.valueType(key);
      metadata.push({ key, type, value: cursor.value(type, key) });
    }
    const tensors: GgufTensor[] = [];
    for (let i = 0; i < tensorCount; i++) tensors.push(readTensor(cursor));
    const alignment = Number(metadata.find(({ key }) => key === 'general.alignment')?.value ?? 32);
    if (!(Number.isInteger(alignment) && alignment >= 1 && alignment <= 1 << 20)) {
      throw new FormatError(`gguf: expected an alignment of 1 to ${1 << 20}, got ${alignment}`);
    }
    const dataOffset = aligned(cursor.position, alignment);
    checkTensors(tensors, alignment, fileLength - dataOffset);
    return { metadata, tensors, alignment, dataOffset };
  } catch (error) {
    if (!(error instanceof Short)) throw error;
    if (bytes.length < fileLength) return undefined;
    throw new FormatError(`gguf: expected more than the file's ${fileLength} bytes: it is truncated`);
  }
}

class Output {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.length += part.length;
  }

  number(length: number, put: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(length));
    put(view);
    this.add(new Uint8Array(view.buffer));
  }

  u32 = (value: number): void => this.number(4, (view) => view.setUint32(0, value, true));
  u64 = (value: number | bigint): void => this.number(8, (view) => view.setBigUint64(0, BigInt(value), true));

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.add(bytes);
  }

  value(type: GgufValueType, value: GgufData): void {
    switch (type) {
      case 'uint8':
      case 'int8':
      case 'bool':
        this.add(Uint8Array.of(Number(value)));
        break;
      case 'uint16':
      case 'int16':
        this.number(2, (view) => view.setUint16(0, Number(value), true));
        break;
      case 'uint32':
      case 'int32':
        this.u32(Number(value));
        break;
      case 'float32':
        this.number(4, (view) => view.setFloat32(0, Number(value), true));
        break;
      case 'float64':
        this.number(8, (view) => view.setFloat64(0, Number(value), true));
        break;
      case 'uint64':
        this.u64(value as bigint);
        break;
      case 'int64':
        this.number(8, (view) => view.setBigInt64(0, value as bigint, true));
        break;
      case 'string':
        this.string(value as string);
        break;
      case 'array': {
        const { type: of, values } = value as GgufArray;
        this.u32(valueTypes.indexOf(of));
        this.u64(values.length);
        for (const one of values) this.value(of, one);
      }
    }
  }

  bytes(length: number): Uint8Array {
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

/**
 * The header of a file whose tensors follow in order, each padded to the alignment.
 *
 * @returns the bytes up to the data
 * @throws UsageError for tensors of more than four sides
 */
export function ggufHeader(
  metadata: readonly GgufEntry[],
  tensors: readonly { name: string; shape: readonly number[]; type: GgufType; bytes: number }[],
  alignment: number,
): Uint8Array {
  const out = new Output();
  out.u32(magic);
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.length);
  for (const { key, type, value } of metadata) {
    out.string(key);
    out.u32(valueTypes.indexOf(type));
    out.value(type, value);
  }
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    if (shape.length > most.sides) {
      throw new UsageError(
        `gguf: expected at most ${most.sides} sides for tensor ${name}, got ${shape.length}`,
      );
    }
    out.string(name);
    // A single number is a row of one.
    const sides = shape.length === 0 ? [1] : [...shape].reverse();
    out.u32(sides.length);
    for (const side of sides) out.u64(side);
    out.u32(type.id);
    out.u64(offset);
    offset = aligned(offset + bytes, alignment);
  }
  return out.bytes(aligned(out.length, alignment));
}
