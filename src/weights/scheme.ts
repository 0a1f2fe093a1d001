/**
 * What every quantizer of network weights is: a scheme. A scheme turns a tensor of float32 weights into integer codes and the
 * few numbers that give them back their size (scales, zero points ...), packs both into bytes, and reverses each step.
 *
 * Tensors are row-major; schemes see them as [rows, columns], rows being the first axis (outputs) and columns all others.
 * A tensor of rank 0 or 1 is one row. Groups run along columns; the last group of a row may be shorter.
 * Invariants, tested for every scheme: `dequantize(unpack(pack(q)))` equals `dequantize(q)` bit for bit, and
 * `pack(q).length * 8` exceeds `q.bits` by less than one byte a part.
 */

/** Float32 weights under the name that errors and filters use. */
export interface WeightTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** What shares one scale: the whole tensor, a row, or a run of so many columns of a row. */
export type Granularity = 'tensor' | 'row' | { readonly group: number };

export interface QuantizedTensor {
  /** Name of the scheme in the registry. */
  readonly scheme: string;
  readonly name: string;
  readonly shape: readonly number[];
  /** One code per weight, or one per vector of weights where the scheme says so. */
  readonly codes: Int32Array | Int8Array | Uint8Array | Uint16Array;
  /** Scales, zero points and the like, by name; their layout is the scheme's. */
  readonly parameters: ReadonlyMap<string, Float32Array | Uint8Array | Int32Array>;
  /** Exact size of everything that `pack` writes, in bits, without padding between parts. */
  readonly bits: number;
}

export interface SchemeOptions {
  /** Bits of a code, where the scheme has a choice. */
  readonly bits?: number;
  readonly granularity?: Granularity;
  /** Columns' second moments [columns, columns] (calibrated schemes): mean of x x^T over inputs of the layer. */
  readonly hessian?: Float32Array;
  /** Importance of every weight's squared error, of the tensor's shape; asks for a search. */
  readonly importance?: Float32Array;
  /** Decides every random choice. */
  readonly seed?: number;
  /** How scales are kept; default float16, relative to a power of two of the tensor so that no size is too small. */
  readonly scales?: 'float16' | 'float32';
  /** Search the scales for the least squared error instead of covering the largest weight. */
  readonly search?: boolean;
  /** Added to the Hessian's diagonal, relative to its mean: calibrated schemes. */
  readonly damping?: number;
  /** Quantize columns in the order of falling second moments: calibrated schemes. */
  readonly actOrder?: boolean;
  /** How the power of two of a block is chosen: microscaling schemes. */
  readonly exponent?: 'floor' | 'ceil' | 'rceil' | 'even';
  /** Quantization step relative to the tensor's standard deviation, and price of a bit: entropy-coded schemes. */
  readonly step?: number;
  readonly lagrangian?: number;
  /** States of the search's trellis: fixed-rate trellis codes. */
  readonly states?: number;
}

export interface Scheme {
  readonly name: string;
  /** One sentence for tables and help. */
  readonly summary: string;
  /** Bits of a code that it offers, least first; fractions where it is entropy-coded or ternary. */
  readonly bitWidths: readonly number[];
  readonly defaultGranularity: Granularity;
  /** Options that `quantize` takes, where the scheme says. */
  readonly options?: readonly (keyof SchemeOptions)[];
  /** Whether `quantize` needs the option `hessian`. */
  readonly calibrated?: boolean;
  /** @throws UsageError for values that are not finite, with the tensor's name, and for options it does not have. */
  quantize(tensor: WeightTensor, options?: SchemeOptions): QuantizedTensor;
  dequantize(quantized: QuantizedTensor): Float32Array;
  pack(quantized: QuantizedTensor): Uint8Array;
  /** @throws FormatError for bytes of another length or form than `pack` gives a tensor of that shape. */
  unpack(bytes: Uint8Array, name: string, shape: readonly number[]): QuantizedTensor;
}
