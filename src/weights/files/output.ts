/**
 * The formats that a quantized checkpoint is written in, as what they do with one tensor and with a whole file.
 *
 * A format turns a tensor into a part (name, type, shape, bytes); the parts' bytes are gathered one after the other, and
 * when all are there the format says what stands before and behind them. Nothing of a format depends on when a part was
 * made, so that a resumed run gives the same bytes.
 */

import { UsageError } from '../../errors.js';
import { crc32c } from '../../io/crc32c.js';
import { float32ToBfloat16, float32ToFloat16 } from '../../io/half.js';
import { safetensorsHeader } from '../../io/safetensors.js';
import { schemeOfBlockType } from '../blocks/block-scheme.js';
import { type SchemeChoice, schemeNames } from '../registry.js';
import type { QuantizedTensor } from '../scheme.js';
import { type Checkpoint, floatBytes, type StoredTensor } from './checkpoint.js';
import { int32Bits, toInt32Layout } from './int32-layout.js';
import type { StoredPart, TensorRecord } from './journal.js';
import {
  int32Layout,
  packedSuffix,
  type QuantizationEntry,
  quantizationKey,
} from './safetensors-checkpoint.js';
import {
  chunkEnd,
  chunkHead,
  chunkStart,
  chunkTail,
  tlwEnd,
  tlwHeadBytes,
  tlwStart,
  typeChecksum,
} from './tlw.js';

type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A part and its bytes. */
export interface Part {
  readonly part: StoredPart;
  /** Where the part is several tensors of the file: these, in the order of its bytes. */
  readonly tensors?: readonly StoredPart[];
  readonly pieces: Pieces;
  readonly quantization?: QuantizationEntry;
}

/** A tensor after its scheme. */
export interface Coded {
  readonly tensor: StoredTensor;
  readonly choice: SchemeChoice;
  readonly quantized: QuantizedTensor;
  /** What `dequantize` gives. */
  readonly restored: Float32Array;
}

export interface OutputFormat {
  /** Says which options the bytes depend on. */
  readonly name: string;
  /** Whether there may be several files in a folder. */
  readonly isFolder: boolean;
  /** Every part begins at a multiple of it. */
  readonly alignment: number;
  /**
   * The choice that the format can hold in place of the one that was asked for.
   * @throws UsageError where it can hold none
   */
  fit(tensor: StoredTensor, choice: SchemeChoice): SchemeChoice;
  /** Bits of a quantized tensor, where the format has a layout of its own; else they are the scheme's. */
  readonly bitsOf?: (quantized: QuantizedTensor) => number;
  keep(source: Checkpoint, tensor: StoredTensor): Promise<Part>;
  code(coded: Coded): Part;
  /** Bytes before the first part. */
  begin(records: readonly TensorRecord[]): Uint8Array;
  /** Bytes behind the last part, which ends at byte `offset`. */
  end(records: readonly TensorRecord[], offset: number): Uint8Array;
}

/** Scheme and options as `parseScheme` takes them. */
export function labelOf({ scheme, options }: SchemeChoice): string {
  const { bits, granularity } = options;
  const group = typeof granularity === 'object' ? granularity.group : granularity;
  return [scheme.name, bits ?? '', group ?? ''].join(':').replace(/:+$/, '');
}

/** Float32 as the bytes of an element type. */
export function floatsTo(type: string, values: Float32Array, name: string): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = type === 'F16' ? float32ToFloat16(values) : float32ToBfloat16(values);
  const infinite = type === 'F16' ? 0x7c00 : 0x7f80;
  if (halves.some((bits) => (bits & 0x7fff) >= infinite)) {
    throw new UsageError(`tensor ${name}: expected magnitudes that fit ${type}, got larger ones`);
  }
  return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
}

function packedBits(quantized: QuantizedTensor): number {
  const known = toInt32Layout(quantized);
  return known ? int32Bits(known) : quantized.bits;
}

/** Whether a type is one of single numbers, not of blocks or of a scheme. */
const isElementType = (type: string): boolean => /^(F\d+(_E\w+)?|BF16|[IU]\d+|BOOL)$/.test(type);

/** Options of `safetensorsOutput`. */
export interface SafetensorsOptions {
  /** Several files in a folder, as the source has them. */
  readonly isFolder: boolean;
  /** Codes as schemes pack them in place of dequantized values. */
  readonly packed: boolean;
  /** Element type of dequantized values; that of the source where it is a float, else F16. */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
  readonly metadata: Readonly<Record<string, string>>;
}

/** Safetensors: dequantized values, which every program reads, or packed codes. */
export function safetensorsOutput({ isFolder, packed, dtype, metadata }: SafetensorsOptions): OutputFormat {
  const typeFor = ({ type }: StoredTensor): string =>
    dtype ?? (Object.hasOwn(floatBytes, type) ? type : 'F16');
  return {
    name: `safetensors${packed ? ' packed' : ''} ${dtype ?? 'as stored'}`,
    isFolder,
    alignment: 1,
    fit: (_, choice) => choice,
    ...(packed ? { bitsOf: packedBits } : {}),
    async keep(source, tensor) {
      const { name, shape, type, bytes } = tensor;
      if (isElementType(type)) return { part: { name, type, shape, bytes }, pieces: source.pieces(tensor) };
      const data = floatsTo(typeFor(tensor), await source.readFloat32(tensor), name);
      return { part: { name, type: typeFor(tensor), shape, bytes: data.length }, pieces: [data] };
    },
    code({ tensor, choice, quantized, restored }) {
      const { name, shape } = tensor;
      const quantization = { scheme: labelOf(choice), bits: quantized.bits };
      if (packed) {
        const known = toInt32Layout(quantized);
        if (known) {
          const bits = int32Bits(known);
          const part = { name: name + packedSuffix, type: 'I32', shape, bytes: bits / 8 };
          const entry = { ...quantization, bits, shape, layout: int32Layout } as const;
          return { part, tensors: known.parts, pieces: known.data, quantization: entry };
        }
        const data = choice.scheme.pack(quantized);
        const part = { name: name + packedSuffix, type: 'U8', shape: [data.length], bytes: data.length };
        return { part, pieces: [data], quantization: { ...quantization, shape } };
      }
      const data = floatsTo(typeFor(tensor), restored, name);
      const part = { name, type: typeFor(tensor), shape, bytes: data.length };
      return { part, pieces: [data], quantization };
    },
    begin(records) {
      const entries = records.flatMap(({ part, quantization }) => {
        if (!quantization) return [];
        const own = quantization.shape ? part.name.slice(0, -packedSuffix.length) : part.name;
        return [[own, quantization] as const];
      });
      const text = JSON.stringify(Object.fromEntries(entries));
      return safetensorsHeader(
        records.flatMap(({ part, tensors = [part] }) =>
          tensors.map(({ name, type, shape, bytes }) => ({ name, dtype: type, shape, bytes })),
        ),
        { ...metadata, ...(entries.length > 0 ? { [quantizationKey]: text } : {}) },
      );
    },
    end: () => new Uint8Array(0),
  };
}

/** One chunk of a .tlw file, with the CRC of what passes through. */
async function* tlwChunk(head: Uint8Array, length: number, pieces: Pieces): AsyncGenerator<Uint8Array> {
  yield chunkStart('TENS', head.length + length);
  yield head;
  let crc = crc32c(head, typeChecksum('TENS'));
  for await (const piece of pieces) {
    crc = crc32c(piece, crc);
    yield piece;
  }
  yield chunkEnd(crc);
}

/** The product's own stream: what schemes pack, checked, with an index. */
export function tlwOutput(metadata: Readonly<Record<string, string>>): OutputFormat {
  const overhead = chunkHead + chunkTail;
  const partOf = (tensor: StoredTensor, scheme: string, length: number, pieces: Pieces): Part => {
    const { name, type, shape } = tensor;
    const head = tlwHeadBytes({ name, dtype: type, shape, scheme });
    const bytes = overhead + head.length + length;
    // The element type before quantization comes back from the head.
    const part = { name, type: `${type} ${scheme}`, shape, bytes };
    return { part, pieces: tlwChunk(head, length, pieces) };
  };
  return {
    name: 'tlw',
    isFolder: false,
    alignment: 1,
    fit: (_, choice) => choice,
    async keep(source, tensor) {
      // What a scheme has packed stays with the scheme; blocks of a GGUF file are such a form.
      const packed = schemeNames.includes(tensor.type) ? tensor.type : '';
      const scheme = source.format === 'gguf' ? (schemeOfBlockType(tensor.type) ?? '') : packed;
      if (scheme === '' && !isElementType(tensor.type)) {
        const data = floatsTo('F32', await source.readFloat32(tensor), tensor.name);
        return partOf({ ...tensor, type: 'F32' }, '', data.length, [data]);
      }
      return partOf(tensor, scheme, tensor.bytes, source.pieces(tensor));
    },
    code({ tensor, choice, quantized }) {
      const data = choice.scheme.pack(quantized);
      const quantization = { scheme: labelOf(choice), bits: quantized.bits };
      return { ...partOf(tensor, choice.scheme.name, data.length, [data]), quantization };
    },
    begin: (records) => tlwStart(records.length, metadata),
    end(records, offset) {
      let at = tlwStart(records.length, metadata).length;
      const entries = records.map(({ part: { name, type, shape, bytes } }) => {
        // Types of sources may have spaces, schemes have none.
        const space = type.lastIndexOf(' ');
        const [dtype, scheme] = [type.slice(0, space), type.slice(space + 1)];
        const entry = { name, dtype, shape, scheme, offset: at, length: bytes - overhead };
        at += bytes;
        return entry;
      });
      return tlwEnd(entries, offset);
    },
  };
}
