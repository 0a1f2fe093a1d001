/**
 * Whole numbers as other programs pack them: the layout `pack-quantized` of compressed-tensors.
 *
 * A tensor NAME [rows, columns] is three: NAME_packed, I32 [rows, ceil(columns / n)], n = 32 / bits codes to a word, the first
 * one in the lowest bits; NAME_scale, F32 [rows, groups of a row]; NAME_shape, I64 [2]. A code is the whole number
 * plus 2^(bits - 1). Offered for symmetric schemes of 4 and 8 bits whose groups are rows or equal parts of rows, as that
 * layout has no others.
 */

import { FormatError } from '../../errors.js';
import { layoutOf } from '../layout.js';
import { formOf, parameterOf } from '../recipe.js';
import { parseScheme } from '../registry.js';
import type { QuantizedTensor } from '../scheme.js';
import type { StoredPart } from './journal.js';

/** Endings of the three names, in the order of their bytes. */
export const int32Suffixes = ['_packed', '_scale', '_shape'] as const;

const bitsOf: Readonly<Record<string, number>> = { int4: 4, int8: 8 };

/** A quantized tensor in the layout: the three tensors and their bytes. */
export interface Int32Tensors {
  readonly parts: readonly StoredPart[];
  readonly data: readonly Uint8Array[];
}

/** Bits of the three tensors. */
export const int32Bits = ({ parts }: Int32Tensors): number =>
  8 * parts.reduce((sum, { bytes }) => sum + bytes, 0);

/** The three tensors of a quantized one; undefined where the layout cannot hold it. */
export function toInt32Layout(quantized: QuantizedTensor): Int32Tensors | undefined {
  const { name, shape, scheme } = quantized;
  const bits = bitsOf[scheme];
  if (bits === undefined || shape.length !== 2) return undefined;
  const { granularity } = formOf(quantized);
  const { rows, columns, starts } = layoutOf(shape, granularity);
  if (granularity === 'tensor' || rows * columns === 0) return undefined;
  const groups = (starts.length - 1) / rows;
  // Whole groups only: the layout has readers divide a row into equal parts.
  if (columns % groups !== 0 || starts[1] !== columns / groups) return undefined;
  const scales = parameterOf<Float32Array>(quantized, 'scales');
  const perWord = 32 / bits;
  const width = Math.ceil(columns / perWord);
  const words = new Int32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const word = row * width + Math.floor(column / perWord);
      words[word] |= quantized.codes[row * columns + column] << (bits * (column % perWord));
    }
  }
  const sides = BigInt64Array.from(shape, BigInt);
  const arrays = [words, scales, sides];
  const shapes = [[rows, width], [rows, groups], [2]];
  const types = ['I32', 'F32', 'I64'];
  return {
    parts: arrays.map(({ byteLength }, i) => ({
      name: name + int32Suffixes[i],
      type: types[i],
      shape: shapes[i],
      bytes: byteLength,
    })),
    data: arrays.map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)),
  };
}

/**
 * Values from the words and the scales.
 *
 * @throws FormatError where there are more or fewer of them than the shape has
 */
export function fromInt32Layout(
  name: string,
  bits: number,
  shape: readonly number[],
  words: Int32Array,
  scales: Float32Array,
): Float32Array {
  const [rows, columns] = shape;
  const perWord = 32 / bits;
  const width = Math.ceil(columns / perWord);
  const groups = scales.length / rows;
  if (words.length !== rows * width || !(groups >= 1) || columns % groups !== 0) {
    throw new FormatError(
      `tensor ${name}: expected ${rows * width} words and whole rows of scales, got ${words.length} and ${scales.length}`,
    );
  }
  const group = columns / groups;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const word = words[row * width + Math.floor(column / perWord)];
      const code = (word >>> (bits * (column % perWord))) & (2 ** bits - 1);
      const scale = scales[row * groups + Math.floor(column / group)];
      values[row * columns + column] = (code - 2 ** (bits - 1)) * scale;
    }
  }
  return values;
}

/**
 * What config.json says to programs that read the layout: `quantization_config` of compressed-tensors. Undefined unless all
 * quantized tensors are in the layout, with one scheme and one group.
 *
 * @param labels scheme of every tensor as `parseScheme` takes it, and whether it is in the layout
 * @param kept names of the tensors that were kept
 */
export function int32Config(
  labels: readonly { readonly scheme: string; readonly inLayout: boolean }[],
  kept: readonly string[],
): Record<string, unknown> | undefined {
  const [first] = labels;
  if (!first || !labels.every(({ scheme, inLayout }) => inLayout && scheme === first.scheme))
    return undefined;
  const { scheme, options } = parseScheme(first.scheme);
  const granularity = options.granularity ?? scheme.defaultGranularity;
  const strategy =
    typeof granularity === 'object'
      ? { strategy: 'group', group_size: granularity.group }
      : { strategy: 'channel' };
  const weights = { num_bits: bitsOf[scheme.name], type: 'int', symmetric: true, ...strategy };
  return {
    quant_method: 'compressed-tensors',
    format: 'pack-quantized',
    quantization_status: 'compressed',
    config_groups: { group_0: { targets: ['Linear'], weights } },
    ignore: kept.filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -'.weight'.length)),
  };
}
