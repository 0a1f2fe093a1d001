/**
 * The parameters of a model in the memory of the kernels, and the memory itself.
 *
 * Layout of the memory: [reserved | weights, only ever growing | one arena for intermediate tensors]. All programs
 * that are compiled against the same weights share both: parameters are uploaded and packed once for all picture
 * sizes, and since a run is synchronous and keeps nothing, one arena as large as the largest program serves all.
 */
import { UnsupportedError, UsageError } from '../../src/errors.js';
import { alignLine } from './arena.js';
import { instantiateKernels, type Kernels } from './wasm.js';

const PAGE = 65536;
/** Address of the first weight; below lies the module's own static data, of which the kernels have none. */
const FIRST = 4096;

/** The most memory that WebAssembly can address, less one page so that no pointer passes 2^32. */
export const maxMemoryBytes = 2 ** 32 - PAGE;

export interface ExactOptions {
  /** Upper limit of the whole memory, in bytes; a program that needs more is an UnsupportedError. */
  readonly maxBytes?: number;
}

/** Default limit: what WebAssembly can address. */
export const defaultExactOptions: Required<ExactOptions> = Object.freeze({ maxBytes: maxMemoryBytes });

/** Another order of a parameter's values, as gradients of layers need them. */
export interface Arrangement {
  /** Equal for equal arrangements. */
  readonly key: string;
  readonly apply: (values: Float32Array) => Float32Array;
}

/** A matrix [rows,columns] as [columns,rows]. */
export const transposed = (rows: number, columns: number): Arrangement => ({
  key: `transposed ${rows}x${columns}`,
  apply: (values) => values.map((_, k) => values[(k % rows) * columns + Math.floor(k / rows)]),
});

/** Kernels of `taps` values each, turned by 180 degrees. */
export const turned = (taps: number): Arrangement => ({
  key: `turned ${taps}`,
  apply: (values) => values.map((_, k) => values[k - (k % taps) + taps - 1 - (k % taps)]),
});

/** A parameter, as it is or rearranged. */
export interface ParameterView {
  readonly name: string;
  readonly arrangement?: Arrangement;
}

/**
 * Parameters by name; each is copied into the memory when a program first needs it and not read again.
 *
 * @example
 * const weights = new ExactWeights(new Map([['w', new Float32Array([1, 2])]]));
 * const small = compileExact({ y: network(64) }, weights);
 * const large = compileExact({ y: network(256) }, weights); // same packed weights
 */
export class ExactWeights {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly kernels: Kernels;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly maxBytes: number;
  readonly #addresses = new Map<string, number>();
  #end = FIRST;

  /** @throws UnsupportedError where WebAssembly SIMD is missing; UsageError for a limit that is not positive. */
  constructor(parameters: ReadonlyMap<string, Float32Array>, options: ExactOptions = {}) {
    const { maxBytes } = { ...defaultExactOptions, ...options };
    if (!(maxBytes > 0)) throw new UsageError(`exact engine: expected maxBytes > 0, got ${maxBytes}`);
    this.parameters = parameters;
    this.maxBytes = Math.min(maxBytes, maxMemoryBytes);
    this.kernels = instantiateKernels(this.memory);
  }

  /** Bytes that hold weights so far; the arena starts here. A multiple of 64. */
  get bytes(): number {
    return this.#end;
  }

  /**
   * Address of a parameter's values in their order.
   *
   * @throws UsageError for an unknown name or another number of values than `size`.
   */
  plain(view: ParameterView, size: number): number {
    return this.#placed(`plain ${keyOf(view)}`, size, (address) => {
      this.floats(address, size).set(this.#values(view, size));
    });
  }

  /**
   * Address of a matrix [outputs,inputs] and its bias [outputs] in the packing of the matrix kernels.
   *
   * @throws UsageError for an unknown name or a wrong number of values.
   */
  matrix(view: ParameterView, bias: ParameterView | undefined, outputs: number, inputs: number): number {
    return this.#placed(
      `matrix ${outputs}x${inputs} ${keyOf(view)} ${bias ? keyOf(bias) : ''}`,
      packedSize(outputs, inputs),
      (address) => {
        const size = outputs * inputs;
        const from = this.#end;
        this.reserve(from + (size + outputs) * 4);
        this.floats(from, size).set(this.#values(view, size));
        const biasAddress = bias === undefined ? 0 : from + size * 4;
        if (bias !== undefined) this.floats(biasAddress, outputs).set(this.#values(bias, outputs));
        this.kernels.packMatrix(from, biasAddress, address, outputs, inputs);
      },
    );
  }

  /** A view of the memory; becomes stale when the memory grows. */
  floats(address: number, size: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, size);
  }

  /**
   * Makes addresses below `end` usable.
   *
   * @throws UnsupportedError where that passes the limit or the machine's memory.
   */
  reserve(end: number): void {
    if (end > this.maxBytes) throw this.#tooLarge(end);
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return;
    try {
      this.memory.grow(missing);
    } catch {
      throw this.#tooLarge(end);
    }
  }

  #values({ name, arrangement }: ParameterView, size: number): Float32Array {
    const values = this.parameters.get(name);
    if (values?.length === size) return arrangement ? arrangement.apply(values) : values;
    throw new UsageError(
      `parameter ${name}: expected ${size} values, got ${values ? values.length : 'no such parameter'}`,
    );
  }

  #placed(key: string, size: number, fill: (address: number) => void): number {
    const known = this.#addresses.get(key);
    if (known !== undefined) return known;
    const address = this.#end;
    const end = alignLine(address + size * 4);
    this.reserve(end);
    this.#end = end;
    try {
      fill(address);
    } catch (error) {
      this.#end = address;
      throw error;
    }
    this.#addresses.set(key, address);
    return address;
  }

  #tooLarge(end: number): UnsupportedError {
    return new UnsupportedError(
      `exact engine: expected at most ${this.maxBytes} bytes of memory, needed ${end}; use smaller tiles`,
    );
  }
}

const keyOf = ({ name, arrangement }: ParameterView): string => JSON.stringify([name, arrangement?.key]);

/** Floats of a packed matrix: bias and weights of whole groups of four outputs. */
export function packedSize(outputs: number, inputs: number): number {
  return Math.ceil(outputs / 4) * 4 * (inputs + 1);
}
