/**
 * From a recipe to a scheme: what most schemes share. A recipe says which parts its packed form has and how values become
 * codes and parameters and back; this file checks options, tensors and bytes, and packs and unpacks the parts.
 *
 * Packed form: a header of 5 bytes where the recipe leaves a choice (width and scale format; granularity), then the parts
 * in their order, each filled to whole bytes. Codes are unsigned, one per weight. The form stays with a quantized tensor
 * as its parameter `form`: [bits, granularity code, 1 for float16 scales], bits in hundredths.
 */
import { FormatError, UsageError } from '../errors.js';
import { elementCount, groupCount, type Layout, layoutOf } from './layout.js';
import {
  packBits,
  packedLength,
  packedTritsLength,
  packTrits,
  swapNibbles,
  unpackBits,
  unpackTrits,
} from './packing.js';
import { packScales, type ScaleFormat, scaleBits, unpackScales } from './scales.js';
import type { Granularity, QuantizedTensor, Scheme, SchemeOptions, WeightTensor } from './scheme.js';

/** The choices that a packed form depends on. */
export interface Form {
  /** Bits of a code; 1.58 for three values. */
  readonly bits: number;
  readonly granularity: Granularity;
  readonly scales: ScaleFormat;
}

/** A stretch of the packed form: the codes (under the name `codes`) or a parameter. */
export type Part =
  | { readonly name: string; readonly kind: 'bits'; readonly width: number; readonly count: number }
  | {
      readonly name: string;
      /** Nibbles are codes of 4 bits, the first one in the high half of a byte; e8m0 and e4m3 are bit patterns. */
      readonly kind: 'nibbles' | 'trits' | 'scales' | 'float32' | 'e8m0' | 'e4m3';
      readonly count: number;
    };

/** What a recipe gets to quantize. */
export interface QuantizationTask {
  readonly tensor: WeightTensor;
  readonly values: Float32Array;
  readonly layout: Layout;
  readonly form: Form;
  readonly options: SchemeOptions;
}

export interface QuantizedParts {
  readonly codes: Uint8Array;
  readonly parameters: Readonly<Record<string, Float32Array | Uint8Array | Int32Array>>;
}

export interface Recipe {
  readonly name: string;
  readonly summary: string;
  readonly bitWidths: readonly number[];
  /** Taken where the options name no width. */
  readonly defaultBits: number;
  readonly defaultGranularity: Granularity;
  readonly calibrated?: boolean;
  /** Whether granularity and scale format are the scheme's own, not the user's. */
  readonly fixedForm?: boolean;
  /** Options besides bits, granularity and scales. */
  readonly options?: readonly (keyof SchemeOptions)[];
  parts(form: Form, layout: Layout): readonly Part[];
  quantize(task: QuantizationTask): QuantizedParts;
  /** Writes the values of all codes to `out`. */
  dequantize(quantized: QuantizedTensor, layout: Layout, form: Form, out: Float32Array): void;
}

const headerLength = 5;
const wholeTensor = 0;
const wholeRow = 0xffffffff;

const granularityCode = (granularity: Granularity): number =>
  granularity === 'tensor' ? wholeTensor : granularity === 'row' ? wholeRow : granularity.group;

const granularityOf = (code: number): Granularity =>
  code === wholeTensor ? 'tensor' : code === wholeRow ? 'row' : { group: code };

const formParameter = ({ bits, granularity, scales }: Form): Int32Array =>
  Int32Array.of(Math.round(bits * 100), granularityCode(granularity), scales === 'float16' ? 1 : 0);

/** Parts of schemes with a scale for each group and a code for each weight; codes of 1.58 bits have three values. */
export function scalesAndCodes({ bits }: Form, layout: Layout): Part[] {
  const count = layout.rows * layout.columns;
  return [
    { name: 'scales', kind: 'scales', count: groupCount(layout) },
    bits === 1.58
      ? { name: 'codes', kind: 'trits', count }
      : { name: 'codes', kind: 'bits', width: bits, count },
  ];
}

/** The form that a tensor was quantized with. */
export function formOf({ parameters, name }: QuantizedTensor): Form {
  const form = parameters.get('form');
  if (!form) throw new UsageError(`tensor ${name}: expected a parameter form, got none`);
  return {
    bits: form[0] / 100,
    granularity: granularityOf(form[1] >>> 0),
    scales: form[2] === 1 ? 'float16' : 'float32',
  };
}

/** A parameter of a quantized tensor; UsageError where it is not there. */
export function parameterOf<T extends Float32Array | Uint8Array | Int32Array>(
  { name, scheme, parameters }: QuantizedTensor,
  parameter: string,
): T {
  const found = parameters.get(parameter);
  if (!found) throw new UsageError(`tensor ${name}: expected parameter ${parameter} of ${scheme}, got none`);
  return found as T;
}

/**
 * Checks that a tensor has as many values as its shape says and that all are finite.
 *
 * @throws UsageError with the tensor's name
 */
export function checkTensor({ name, shape, values }: WeightTensor): void {
  if (values.length !== elementCount(shape)) {
    throw new UsageError(
      `tensor ${name}: expected ${elementCount(shape)} values for [${shape}], got ${values.length}`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new UsageError(`tensor ${name}: expected finite weights, got ${values[i]} at ${i}`);
    }
  }
}

function checkImportance({ name, values }: WeightTensor, importance: Float32Array | undefined): void {
  if (!importance) return;
  if (importance.length !== values.length) {
    throw new UsageError(
      `tensor ${name}: expected one importance for each of ${values.length} weights, got ${importance.length}`,
    );
  }
  const wrong = importance.find((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (wrong !== undefined) {
    throw new UsageError(`tensor ${name}: expected importances of at least 0, got ${wrong}`);
  }
}

/**
 * Checks options against what a scheme has.
 *
 * @param known names of the options that the scheme has
 * @throws UsageError that names the option
 */
export function checkOptions(scheme: string, options: SchemeOptions, known: readonly string[]): void {
  for (const [option, value] of Object.entries(options)) {
    if (value !== undefined && !known.includes(option)) {
      throw new UsageError(`${scheme}: expected options among ${known.join(', ') || 'none'}, got ${option}`);
    }
  }
}

function formFrom(recipe: Recipe, options: SchemeOptions): Form {
  const bits = options.bits ?? recipe.defaultBits;
  if (!recipe.bitWidths.includes(bits)) {
    throw new UsageError(`${recipe.name}: expected bits among ${recipe.bitWidths.join(', ')}, got ${bits}`);
  }
  return {
    bits,
    granularity: options.granularity ?? recipe.defaultGranularity,
    scales: options.scales ?? 'float16',
  };
}

const partLength = (part: Part, scales: ScaleFormat): number => {
  switch (part.kind) {
    case 'bits':
      return packedLength(part.count, part.width);
    case 'nibbles':
      return packedLength(part.count, 4);
    case 'trits':
      return packedTritsLength(part.count);
    case 'e8m0':
    case 'e4m3':
      return part.count;
    case 'scales':
      return scaleBits(part.count, scales) / 8;
    case 'float32':
      return 4 * part.count;
  }
};

function partBits(part: Part, scales: ScaleFormat): number {
  if (part.kind === 'nibbles') return 4 * part.count;
  return part.kind === 'bits' ? part.count * part.width : 8 * partLength(part, scales);
}

const isFree = (recipe: Recipe): boolean => !recipe.fixedForm || recipe.bitWidths.length > 1;

function packPart(part: Part, values: Float32Array | Uint8Array, scales: ScaleFormat): Uint8Array {
  switch (part.kind) {
    case 'bits':
      return packBits(values as Uint8Array, part.width);
    case 'nibbles':
      return swapNibbles(packBits(values as Uint8Array, 4));
    case 'trits':
      return packTrits(values as Uint8Array);
    case 'e8m0':
    case 'e4m3':
      return values as Uint8Array;
    case 'scales':
      return packScales(values as Float32Array, scales);
    case 'float32':
      return packScales(values as Float32Array, 'float32');
  }
}

function unpackPart(part: Part, bytes: Uint8Array, scales: ScaleFormat): Float32Array | Uint8Array {
  switch (part.kind) {
    case 'bits':
      return unpackBits(bytes, part.count, part.width);
    case 'nibbles':
      return unpackBits(swapNibbles(bytes), part.count, 4);
    case 'trits':
      return unpackTrits(bytes, part.count);
    case 'e8m0':
      return patternsExcept(bytes, 0xff, part.name);
    case 'e4m3':
      return patternsExcept(bytes, 0x7f, part.name);
    case 'scales':
      return finiteScales(unpackScales(bytes, scales), part.name);
    case 'float32':
      return finiteScales(unpackScales(bytes, 'float32'), part.name);
  }
}

/** A copy of scales of 8 bits, none of which may be negative or the pattern that is no number. */
function patternsExcept(bytes: Uint8Array, notANumber: number, name: string): Uint8Array {
  for (const byte of bytes) {
    if (byte >= notANumber)
      throw new FormatError(`Expected numbers of at least 0 for ${name}, got pattern ${byte}`);
  }
  return bytes.slice();
}

function finiteScales(values: Float32Array, name: string): Float32Array {
  if (!values.every(Number.isFinite)) throw new FormatError(`Expected finite numbers for ${name}`);
  return values;
}

/**
 * The scheme of a recipe.
 *
 * @example
 * const int8 = schemeOf('int8');
 * const quantized = int8.quantize({ name: 'w', shape: [2], values: Float32Array.of(-127, 5) });
 * Array.from(int8.dequantize(quantized)); // => [-127, 5]
 */
export function defineScheme(recipe: Recipe): Scheme {
  const own: (keyof SchemeOptions)[] = recipe.fixedForm ? [] : ['granularity', 'scales'];
  const known: readonly (keyof SchemeOptions)[] = ['bits', ...own, ...(recipe.options ?? [])];

  const assemble = (
    name: string,
    shape: readonly number[],
    form: Form,
    layout: Layout,
    { codes, parameters }: QuantizedParts,
  ): QuantizedTensor => {
    const parts = recipe.parts(form, layout);
    const header = isFree(recipe) ? 8 * headerLength : 0;
    return {
      scheme: recipe.name,
      name,
      shape,
      codes,
      parameters: new Map([...Object.entries(parameters), ['form', formParameter(form)]]),
      bits: parts.reduce((sum, part) => sum + partBits(part, form.scales), header),
    };
  };

  const check = (quantized: QuantizedTensor): Form => {
    if (quantized.scheme !== recipe.name) {
      throw new UsageError(
        `tensor ${quantized.name}: expected one of scheme ${recipe.name}, got ${quantized.scheme}`,
      );
    }
    return formOf(quantized);
  };

  return {
    name: recipe.name,
    summary: recipe.summary,
    bitWidths: recipe.bitWidths,
    defaultGranularity: recipe.defaultGranularity,
    options: known,
    ...(recipe.calibrated ? { calibrated: true } : {}),

    quantize(tensor, options = {}) {
      checkOptions(recipe.name, options, known);
      const form = formFrom(recipe, options);
      checkTensor(tensor);
      checkImportance(tensor, options.importance);
      const layout = layoutOf(tensor.shape, form.granularity);
      // Only a search looks at importance: giving it asks for one.
      const search = options.search ?? (options.importance ? true : undefined);
      const task = { tensor, values: tensor.values, layout, form, options: { ...options, search } };
      const parts = recipe.quantize(task);
      return assemble(tensor.name, tensor.shape, form, layout, parts);
    },

    dequantize(quantized) {
      const form = check(quantized);
      const out = new Float32Array(elementCount(quantized.shape));
      recipe.dequantize(quantized, layoutOf(quantized.shape, form.granularity), form, out);
      return out;
    },

    pack(quantized) {
      const form = check(quantized);
      const parts = recipe.parts(form, layoutOf(quantized.shape, form.granularity));
      const start = isFree(recipe) ? headerLength : 0;
      const bytes = new Uint8Array(
        parts.reduce((length, part) => length + partLength(part, form.scales), start),
      );
      if (start > 0) {
        bytes[0] = recipe.bitWidths.indexOf(form.bits) | (form.scales === 'float16' ? 0x80 : 0);
        new DataView(bytes.buffer).setUint32(1, granularityCode(form.granularity), true);
      }
      let position = start;
      for (const part of parts) {
        const values =
          part.name === 'codes' ? quantized.codes : parameterOf<Uint8Array>(quantized, part.name);
        bytes.set(packPart(part, values as Uint8Array, form.scales), position);
        position += partLength(part, form.scales);
      }
      return bytes;
    },

    unpack(bytes, name, shape) {
      const where = `tensor ${name} of scheme ${recipe.name}`;
      const start = isFree(recipe) ? headerLength : 0;
      if (bytes.length < start)
        throw new FormatError(`Expected a header for ${where}, got ${bytes.length} bytes`);
      const form = start > 0 ? readForm(recipe, bytes, where) : formFrom(recipe, {});
      const layout = layoutOf(shape, form.granularity);
      const parts = recipe.parts(form, layout);
      const length = parts.reduce((total, part) => total + partLength(part, form.scales), start);
      if (bytes.length !== length) {
        throw new FormatError(`Expected ${length} bytes for ${where}, got ${bytes.length}`);
      }
      let position = start;
      let codes: Uint8Array = new Uint8Array(0);
      const parameters: Record<string, Float32Array | Uint8Array> = {};
      for (const part of parts) {
        const end = position + partLength(part, form.scales);
        const values = unpackPart(part, bytes.subarray(position, end), form.scales);
        if (part.name === 'codes') codes = values as Uint8Array;
        else parameters[part.name] = values;
        position = end;
      }
      return assemble(name, shape, form, layout, { codes, parameters });
    },
  };
}

function readForm(recipe: Recipe, bytes: Uint8Array, where: string): Form {
  const width = bytes[0] & 0x7f;
  const code = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true);
  if (width >= recipe.bitWidths.length) {
    throw new FormatError(
      `Expected one of ${recipe.bitWidths.length} widths for ${where}, got number ${width}`,
    );
  }
  if (code >= 2 ** 31 && code !== wholeRow) {
    throw new FormatError(`Expected a group of less than 2^31 columns for ${where}, got ${code}`);
  }
  return {
    bits: recipe.bitWidths[width],
    granularity: granularityOf(code),
    scales: bytes[0] & 0x80 ? 'float16' : 'float32',
  };
}
