/**
 * Safetensors, read and written: 8 bytes little-endian header length, a JSON header, then the tensors' bytes.
 *
 * Units: offsets and lengths in bytes, counted from the end of the header; tensors are row-major, little-endian.
 * Invariants: tensors lie back to back without gaps or overlap and cover the data exactly; what we write has an
 * order of its own (larger elements first, then by name), so equal tensors give equal bytes, and is aligned.
 * F16 and BF16 are bit patterns (half.ts). Little-endian machines only, as typed arrays are.
 * Runs in browsers. Source: github.com/huggingface/safetensors, README "Format".
 */

import { FormatError, UnsupportedError, UsageError } from '../errors.js';
import { bfloat16ToFloat32, float16ToFloat32 } from './half.js';

/** The typed array that holds each element type; F16, BF16 and F8 as bit patterns, BOOL as 0 and 1. */
const arrays = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
  F8_E8M0: Uint8Array,
} as const;

/** Element types this reader and writer know. */
export type Dtype = keyof typeof arrays;

/** The array behind a tensor of the given element type. */
export type DtypeArray<D extends Dtype = Dtype> = InstanceType<(typeof arrays)[D]>;

/** A tensor: `data.length` is the product of `shape` (1 for the empty shape). */
export type SafeTensor = {
  readonly [D in Dtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: DtypeArray<D>;
  };
}[Dtype];

/** Where a tensor lies: bytes `begin` to `end` of the data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A parsed header: the tensors in the order of their bytes. */
export interface SafetensorsHeader {
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** First byte of the data in the file. */
  readonly dataOffset: number;
}

/** Longest header accepted, as in the reference implementation. */
const MAX_HEADER = 100_000_000;

/** Bytes of one element. */
export function dtypeSize(dtype: Dtype): number {
  return arrays[dtype].BYTES_PER_ELEMENT;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
}

/** Elements of a shape; NaN when the product is no safe integer. */
function elements(shape: readonly number[]): number {
  let product = 1;
  for (const side of shape) product *= side;
  return Number.isSafeInteger(product) ? product : Number.NaN;
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw new FormatError('Expected an object for __metadata__ of a safetensors header');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new FormatError(`Expected a string for ${quote(key)} of __metadata__ but got ${typeof text}`);
    }
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown): TensorEntry {
  const where = `tensor ${quote(name)}`;
  if (!isRecord(value)) throw new FormatError(`Expected an object for ${where} in a safetensors header`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw new FormatError(`Expected a string for dtype of ${where}`);
  if (!Object.hasOwn(arrays, dtype)) {
    throw new UnsupportedError(
      `Expected one of ${Object.keys(arrays).join(', ')} for dtype of ${where}, got ${quote(dtype)}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new FormatError(`Expected an array of non-negative integers for shape of ${where}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw new FormatError(`Expected two ascending byte positions for data_offsets of ${where}`);
  }
  const [begin, end] = offsets as [number, number];
  const length = elements(shape) * dtypeSize(dtype as Dtype);
  if (length !== end - begin) {
    throw new FormatError(
      `Expected ${length} bytes for ${where} (${dtype} [${shape}]) but its offsets hold ${end - begin}`,
    );
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

/**
 * Reads the header alone, for files too large to hold: give it at least the first `8 + header length` bytes.
 *
 * @param bytes the start of the file
 * @param fileLength bytes of the whole file; that of `bytes` by default
 * @returns the tensors in the order of their bytes, checked to cover the file exactly
 * @throws FormatError naming the tensor when header and file disagree; UnsupportedError for an unknown dtype
 * @example
 * const { entries } = parseSafetensorsHeader(bytes);
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileLength = bytes.length): SafetensorsHeader {
  if (bytes.length < 8)
    throw new FormatError(`Expected at least 8 bytes for a safetensors file but got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const room = Math.min(bytes.length - 8, MAX_HEADER);
  if (length < 2 || length > room) {
    throw new FormatError(
      `Expected 2 to ${room} bytes for the safetensors header but the file declares ${length}`,
    );
  }
  if (bytes[8] !== 0x7b) throw new FormatError("Expected '{' as the first byte of a safetensors header");
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (error) {
    throw new FormatError('Expected JSON in UTF-8 for the safetensors header', { cause: error });
  }
  if (!isRecord(header)) throw new FormatError('Expected an object for the safetensors header');
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') entries.push(parseEntry(name, value));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      throw new FormatError(
        `Expected tensor ${quote(name)} to begin at byte ${position} but it begins at ${begin}`,
      );
    }
    position = end;
  }
  const dataLength = fileLength - 8 - length;
  if (position !== dataLength) {
    throw new FormatError(`Expected ${position} bytes of safetensors data but the file holds ${dataLength}`);
  }
  return { entries, metadata: parseMetadata(header.__metadata__), dataOffset: 8 + length };
}

/**
 * Makes a tensor from its bytes: a view where they are aligned, a copy where they are not.
 *
 * @param entry from `parseSafetensorsHeader`
 * @param bytes exactly the `end - begin` bytes of the tensor
 * @throws UsageError when there are more or fewer
 * @example
 * tensorFromBytes(entry, file.subarray(header.dataOffset + entry.begin, header.dataOffset + entry.end));
 */
export function tensorFromBytes(entry: TensorEntry, bytes: Uint8Array): SafeTensor {
  const { name, dtype, shape, begin, end } = entry;
  if (bytes.length !== end - begin) {
    throw new UsageError(
      `Expected ${end - begin} bytes for tensor ${quote(name)} but received ${bytes.length}`,
    );
  }
  const size = dtypeSize(dtype);
  // Copied by the constructor: `slice` of a Buffer is a view, and stays where it was.
  const source = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const data = new arrays[dtype](source.buffer as ArrayBuffer, source.byteOffset, source.length / size);
  return { dtype, shape, data } as SafeTensor;
}

/**
 * Reads a whole safetensors file. Tensors are views into `bytes` where alignment allows.
 *
 * @returns tensors by name, in the order of their bytes, and the string metadata
 * @throws FormatError naming the tensor when header and bytes disagree; UnsupportedError for an unknown dtype
 * @example
 * const { tensors } = parseSafetensors(await readFileOrStdin('model.safetensors'));
 * const weights = toFloat32(tensors.get('conv.weight')!);
 */
export function parseSafetensors(bytes: Uint8Array): {
  tensors: Map<string, SafeTensor>;
  metadata: Readonly<Record<string, string>>;
} {
  const { entries, metadata, dataOffset } = parseSafetensorsHeader(bytes);
  const tensors = new Map<string, SafeTensor>();
  for (const entry of entries) {
    tensors.set(
      entry.name,
      tensorFromBytes(entry, bytes.subarray(dataOffset + entry.begin, dataOffset + entry.end)),
    );
  }
  return { tensors, metadata };
}

/**
 * Writes a header alone, for files too large to hold: the file is this and then the tensors' bytes, back to back.
 *
 * @param tensors in the order of their bytes, each with the bytes that it takes
 * @param metadata strings by name
 * @throws UsageError for names that come twice or stand for the metadata
 * @example
 * safetensorsHeader([{ name: 'a', dtype: 'U8', shape: [2], bytes: 2 }], {}).length; // => 64
 */
export function safetensorsHeader(
  tensors: readonly { name: string; dtype: string; shape: readonly number[]; bytes: number }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Text by hand: an object would move names that look like integers to the front.
  const members: string[] = [];
  const keys = Object.keys(metadata).sort(byText);
  if (keys.length > 0) {
    const texts = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(String(metadata[key]))}`);
    members.push(`"__metadata__":{${texts.join(',')}}`);
  }
  const names = new Set(['__metadata__']);
  let position = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    if (names.has(name)) throw new UsageError(`Expected a name of its own for tensor ${quote(name)}`);
    names.add(name);
    const end = position + bytes;
    members.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [position, end] })}`,
    );
    position = end;
  }
  const text = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.fill(0x20, 8);
  bytes.set(text, 8);
  return bytes;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function checkTensor(name: string, { dtype, shape, data }: SafeTensor): void {
  const where = `tensor ${quote(name)}`;
  if (name === '__metadata__') throw new UsageError('Expected a name other than __metadata__ for a tensor');
  if (!Object.hasOwn(arrays, dtype))
    throw new UsageError(`Expected a known dtype for ${where} but received ${dtype}`);
  if (!(data instanceof arrays[dtype])) {
    throw new UsageError(
      `Expected a ${arrays[dtype].name} for ${where} of ${dtype} but received another array`,
    );
  }
  if (!shape.every(isCount) || elements(shape) !== data.length) {
    throw new UsageError(
      `Expected ${elements(shape)} elements for ${where} [${shape}] but received ${data.length}`,
    );
  }
}

/**
 * Writes a safetensors file. Equal tensors and metadata give equal bytes, whatever their order in the maps.
 *
 * @param tensors by name; data as the array type of the dtype, F16 and BF16 as bit patterns
 * @param metadata strings by name
 * @throws UsageError when a shape and its data disagree or the array is of another type
 * @example
 * serializeSafetensors(new Map([['bias', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]]));
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => dtypeSize(y.dtype) - dtypeSize(x.dtype) || byText(a, b),
  );
  for (const [name, tensor] of sorted) checkTensor(name, tensor);
  const header = safetensorsHeader(
    sorted.map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, bytes: data.byteLength })),
    metadata,
  );
  const length = sorted.reduce((sum, [, { data }]) => sum + data.byteLength, header.length);
  const bytes = new Uint8Array(length);
  bytes.set(header);
  let offset = header.length;
  for (const [, { data }] of sorted) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/**
 * The values of a tensor as float32: F16, BF16 and F32 exactly, wider types rounded. F32 data is not copied.
 *
 * @throws UnsupportedError for floats of 8 bits
 * @example
 * toFloat32({ dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) }); // Float32Array [1]
 */
export function toFloat32(tensor: SafeTensor): Float32Array {
  switch (tensor.dtype) {
    case 'F32':
      return tensor.data;
    case 'F16':
      return float16ToFloat32(tensor.data);
    case 'BF16':
      return bfloat16ToFloat32(tensor.data);
    case 'F8_E4M3':
    case 'F8_E5M2':
    case 'F8_E8M0':
      throw new UnsupportedError(`Expected a dtype that can be made float32, got ${tensor.dtype}`);
    case 'I64':
    case 'U64':
      return Float32Array.from(tensor.data as Iterable<bigint>, Number);
    default:
      return new Float32Array(tensor.data);
  }
}
