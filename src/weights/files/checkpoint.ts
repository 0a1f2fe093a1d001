/**
 * What a file or folder of weights is to everything that reads one: a list of tensors, read one at a time.
 *
 * Shapes are row-major, outermost side first, whatever the file's own order. Memory is bounded by the tensor that is
 * asked for; tensors that nobody asks for are never read. Node only.
 */

import { UnsupportedError } from '../../errors.js';
import { bfloat16ToFloat32, float16ToFloat32 } from '../../io/half.js';

/** What is known of how a tensor became what it is. */
export interface Quantization {
  /** Scheme and its options as `parseScheme` takes them. */
  readonly scheme: string;
  /** Bits of all that the scheme's `pack` writes. */
  readonly bits: number;
}

/** A tensor in a file. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** How its values are stored: an element type (BF16), a GGUF type (Q4_K) or the name of a scheme. */
  readonly type: string;
  /** Bytes that it takes in the file, without header and padding. */
  readonly bytes: number;
  /** Which of the checkpoint's files it is in. */
  readonly file: number;
  readonly quantization?: Quantization;
}

/** An open file or folder of weights. */
export interface Checkpoint {
  readonly format: 'safetensors' | 'gguf' | 'tlw';
  /** As the user named it. */
  readonly path: string;
  /** Names of its files, without folders. */
  readonly files: readonly string[];
  /** Bytes of all its files. */
  readonly fileBytes: number;
  /** In the order of their bytes, file by file. */
  readonly tensors: readonly StoredTensor[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The stored bytes of a tensor, in pieces that are valid until the next one. */
  pieces(tensor: StoredTensor): AsyncIterable<Uint8Array>;
  /**
   * The values of a tensor for which `isReadable` holds.
   * @param rows so many of its first rows; all by default
   */
  readFloat32(tensor: StoredTensor, rows?: number): Promise<Float32Array>;
  /** Whether the values of a tensor can be had as float32. */
  isReadable(tensor: StoredTensor): boolean;
  close(): Promise<void>;
}

/** Element types whose values are weights, and their bytes. */
export const floatBytes: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Rows of a shape as schemes see it. */
export const rowsOf = (shape: readonly number[]): number => (shape.length < 2 ? 1 : shape[0]);

/** Bytes of the first rows of a tensor whose rows take equally many. */
export function bytesOfRows({ shape, bytes }: StoredTensor, rows: number | undefined): number {
  const all = rowsOf(shape);
  return rows === undefined || rows >= all || all === 0 ? bytes : (bytes / all) * rows;
}

/** A shape with fewer rows. */
export function shapeOfRows(shape: readonly number[], rows: number | undefined): readonly number[] {
  if (rows === undefined || shape.length < 2 || rows >= shape[0]) return shape;
  return [rows, ...shape.slice(1)];
}

/** Values of F32, F16 and BF16; the bytes have to start at a multiple of 4 in their buffer. */
export function floatsFrom(type: string, bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, length } = bytes;
  switch (type) {
    case 'F32':
      return new Float32Array(buffer as ArrayBuffer, byteOffset, length / 4);
    case 'F16':
      return float16ToFloat32(new Uint16Array(buffer as ArrayBuffer, byteOffset, length / 2));
    case 'BF16':
      return bfloat16ToFloat32(new Uint16Array(buffer as ArrayBuffer, byteOffset, length / 2));
    default:
      throw new UnsupportedError(`Expected F32, F16 or BF16 for weights, got ${type}`);
  }
}
