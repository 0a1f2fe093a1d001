/**
 * What a GGUF block type is: a fixed number of weights of one row in a fixed number of bytes, scales included.
 *
 * Units: lengths in weights, sizes in bytes. All arithmetic is float32 in a stated order, so that the bytes are those
 * of ggml (reference encoders without importance, "impl" encoders with it); half floats round to nearest even.
 * Rows are whole blocks: who has others pads them or takes another type.
 * Source: ggml, src/ggml-quants.c and src/ggml-common.h.
 */

import { float16Bits, float16Value } from '../../io/half.js';

export interface BlockType {
  /** As ggml writes it, for instance Q4_K. */
  readonly name: string;
  /** Number of the type in the tensor infos of a GGUF file. */
  readonly id: number;
  /** Weights of a block. */
  readonly length: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Where half floats stand in a block: none of them is infinite or NaN in a block that `encode` made. */
  readonly halves: readonly number[];
  /** Value of `general.file_type` for files that are mostly of this type. */
  readonly fileType: number;
  /**
   * Encodes one row.
   * @param row whole blocks of finite values
   * @param importance of every weight's squared error, or nothing; types without a use for it ignore it
   * @param out exactly the row's blocks
   */
  encode(row: Float32Array, importance: Float32Array | undefined, out: Uint8Array): void;
  /** Decodes whole blocks; `out` has their weights. */
  decode(blocks: Uint8Array, out: Float32Array): void;
}

/** Stores a half float, least significant byte first, and gives back what it stands for. */
export function putHalf(out: Uint8Array, at: number, value: number): number {
  const bits = float16Bits(value);
  out[at] = bits & 0xff;
  out[at + 1] = bits >>> 8;
  return float16Value(bits);
}

/** The half float at a position. */
export function getHalf(bytes: Uint8Array, at: number): number {
  return float16Value(bytes[at] | (bytes[at + 1] << 8));
}
