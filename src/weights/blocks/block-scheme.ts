/**
 * GGUF's block types as schemes. A code is one byte of a block, as a GGUF file has it: scales and levels are not pulled
 * apart, so what `pack` writes is the tensor's data of a GGUF file.
 *
 * Rows that are no whole number of blocks are padded with zeros, which `dequantize` leaves out. (A GGUF file cannot hold
 * such rows: its writer takes another type for the tensor.) Magnitudes above 65504, the largest half float, are
 * refused, so that no scale overflows; MXFP4 has scales of its own and takes all.
 */

import { FormatError, UsageError } from '../../errors.js';
import { layoutOf } from '../layout.js';
import { checkOptions, checkTensor } from '../recipe.js';
import { largestMagnitude } from '../rounding.js';
import type { QuantizedTensor, Scheme, SchemeOptions, WeightTensor } from '../scheme.js';
import type { BlockType } from './block-type.js';
import { blockTypes } from './index.js';

const largestHalf = 65504;

/** Bytes that tensors of a shape take as blocks, padding included. */
export function blockBytes(type: BlockType, shape: readonly number[]): number {
  const { rows, columns } = layoutOf(shape, 'row');
  return rows * Math.ceil(columns / type.length) * type.bytes;
}

function checkValues(type: BlockType, tensor: WeightTensor, importance: Float32Array | undefined): void {
  checkTensor(tensor);
  const { name, values } = tensor;
  if (importance && importance.length !== values.length) {
    throw new UsageError(
      `tensor ${name}: expected the importance of ${values.length} weights, got ${importance.length}`,
    );
  }
  if (type.name === 'MXFP4') return;
  const most = largestMagnitude(values, 0, values.length);
  if (most <= largestHalf) return;
  throw new UsageError(
    `tensor ${name}: expected magnitudes up to ${largestHalf} for ${type.name}, got ${most}`,
  );
}

/**
 * Encodes a tensor as blocks, row by row.
 *
 * @returns `blockBytes(type, shape)` bytes
 * @throws UsageError with the tensor's name for values that are not finite or too large for half-float scales
 * @example
 * encodeBlocks(blockTypes[0], { name: 'w', shape: [1, 32], values: new Float32Array(32) }).length; // => 34
 */
export function encodeBlocks(type: BlockType, tensor: WeightTensor, options: SchemeOptions = {}): Uint8Array {
  checkValues(type, tensor, options.importance);
  const { rows, columns } = layoutOf(tensor.shape, 'row');
  const { values } = tensor;
  const bytes = new Uint8Array(blockBytes(type, tensor.shape));
  if (bytes.length === 0) return bytes;
  const rowBytes = bytes.length / rows;
  const padded = (rowBytes / type.bytes) * type.length;
  const row = new Float32Array(padded);
  const weights = options.importance ? new Float32Array(padded) : undefined;
  for (let r = 0; r < rows; r++) {
    row.set(values.subarray(r * columns, (r + 1) * columns));
    weights?.set(options.importance!.subarray(r * columns, (r + 1) * columns));
    type.encode(row, weights, bytes.subarray(r * rowBytes, (r + 1) * rowBytes));
  }
  return bytes;
}

/**
 * Decodes the blocks of a tensor.
 *
 * @param bytes `blockBytes(type, shape)` bytes
 * @example
 * decodeBlocks(blockTypes[0], new Uint8Array(34), [1, 32])[31]; // => 0
 */
export function decodeBlocks(type: BlockType, bytes: Uint8Array, shape: readonly number[]): Float32Array {
  const { rows, columns } = layoutOf(shape, 'row');
  const values = new Float32Array(rows * columns);
  if (values.length === 0) return values;
  const rowBytes = bytes.length / rows;
  const row = new Float32Array((rowBytes / type.bytes) * type.length);
  for (let r = 0; r < rows; r++) {
    type.decode(bytes.subarray(r * rowBytes, (r + 1) * rowBytes), row);
    values.set(row.subarray(0, columns), r * columns);
  }
  return values;
}

/** Largest exponent that MXFP4 has for a float32. */
const largestExponent = 252;

/** Refuses blocks whose scales `encode` cannot have made, as their weights would not be finite. */
function checkScales(type: BlockType, bytes: Uint8Array, name: string): void {
  for (let block = 0; block < bytes.length; block += type.bytes) {
    const fits = type.halves.every((at) => (bytes[block + at + 1] & 0x7c) !== 0x7c);
    if (fits && !(type.name === 'MXFP4' && bytes[block] > largestExponent)) continue;
    throw new FormatError(
      `Expected finite scales of ${type.name} for tensor ${name}, got others at byte ${block}`,
    );
  }
}

/** MXFP4 and NVFP4 have schemes of their own, which choose other scales. */
function schemeName({ name }: BlockType): string {
  return name.endsWith('FP4') ? `${name.toLowerCase()}_gguf` : name.toLowerCase();
}

function blockScheme(type: BlockType): Scheme {
  const name = schemeName(type);
  const bits = (type.bytes * 8) / type.length;
  const quantized = (tensorName: string, shape: readonly number[], codes: Uint8Array): QuantizedTensor => ({
    scheme: name,
    name: tensorName,
    shape,
    codes,
    parameters: new Map(),
    bits: 8 * codes.length,
  });
  return {
    name,
    summary: `GGUF's ${type.name}: blocks of ${type.length} weights in ${type.bytes} bytes.`,
    bitWidths: [bits],
    defaultGranularity: { group: type.length },
    quantize(tensor, options = {}) {
      checkOptions(name, options, ['bits', 'granularity', 'importance']);
      if (options.bits !== undefined && options.bits !== bits) {
        throw new UsageError(`${name}: expected ${bits} bits, got ${options.bits}`);
      }
      const { granularity } = options;
      const group = typeof granularity === 'object' ? granularity.group : granularity;
      if (group !== undefined && group !== type.length) {
        throw new UsageError(`${name}: expected groups of ${type.length}, got ${group}`);
      }
      return quantized(tensor.name, tensor.shape, encodeBlocks(type, tensor, options));
    },
    dequantize: ({ codes, shape }) => decodeBlocks(type, codes as Uint8Array, shape),
    pack: ({ codes }) => Uint8Array.from(codes as Uint8Array),
    unpack(bytes, tensorName, shape) {
      const expected = blockBytes(type, shape);
      if (bytes.length !== expected) {
        throw new FormatError(
          `Expected ${expected} bytes of ${type.name} for tensor '${tensorName}' [${shape}] but got ${bytes.length}`,
        );
      }
      checkScales(type, bytes, tensorName);
      return quantized(tensorName, shape, bytes.slice());
    },
  };
}

/** A scheme for each of GGUF's block types: q8_0, q4_k, iq4_nl, mxfp4_gguf ... */
export const blockSchemes: readonly Scheme[] = Object.freeze(blockTypes.map(blockScheme));

/** The block type behind one of `blockSchemes`. */
export function blockTypeOfScheme(name: string): BlockType | undefined {
  return blockTypes.find((type) => schemeName(type) === name);
}

/** The scheme whose packed form the blocks of a GGUF type are. */
export function schemeOfBlockType(typeName: string): string | undefined {
  const type = blockTypes.find(({ name }) => name === typeName);
  return type && schemeName(type);
}
