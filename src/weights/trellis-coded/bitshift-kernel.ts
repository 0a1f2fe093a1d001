/**
 * The forward pass in WebAssembly: loads the kernel (bitshift.wasm.ts, generated from assembly/ by `npm run
 * build:wasm`) and lays out its memory. One instance per pass; its memory goes with it. Results equal those of the
 * typed pass, bit for bit.
 */

import { bitshiftBase64 } from './bitshift.wasm.js';
import type { ForwardPass, PassShape } from './bitshift-search.js';

/** The export of assembly/bitshift.ts, documented there. */
interface Kernel {
  readonly search: (
    values: number,
    sequence: number,
    count: number,
    stateBits: number,
    valueBits: number,
    costs: number,
    before: number,
    after: number,
    ways: number,
  ) => void;
}

const pageBytes = 65536;
/** Nothing of ours lies below; a module without data needs none of it. */
const firstAddress = 1024;

let module: WebAssembly.Module | undefined | null;

/** The bytes of the WebAssembly binary. */
export function bitshiftBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(bitshiftBase64), (character) => character.charCodeAt(0));
}

/** A forward pass that runs in WebAssembly. */
export class KernelPass implements ForwardPass {
  readonly costs: Float32Array;
  readonly ways: Uint8Array;
  readonly #shape: PassShape;
  readonly #kernel: Kernel;
  readonly #sequence: Float32Array;
  readonly #before: Float32Array;
  readonly #after: Float32Array;
  readonly #values: Float32Array;

  private constructor(shape: PassShape, module: WebAssembly.Module) {
    const { values, stateBits, valueBits, longest } = shape;
    const groups = 1 << (stateBits - valueBits);
    const lengths = [values.length, values.length, groups, groups, (longest + 3) & ~3];
    const ways = firstAddress + lengths.reduce((bytes, length) => bytes + 4 * length, 0);
    const memory = new WebAssembly.Memory({ initial: Math.ceil((ways + longest * groups) / pageBytes) });
    let address = firstAddress;
    const [table, costs, before, after, sequence] = lengths.map((length) => {
      const array = new Float32Array(memory.buffer, address, length);
      address += 4 * length;
      return array;
    });
    table.set(values);
    this.#shape = shape;
    this.#kernel = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernel;
    this.#values = table;
    this.#before = before;
    this.#after = after;
    this.#sequence = sequence;
    this.costs = costs;
    this.ways = new Uint8Array(memory.buffer, ways, longest * groups);
  }

  /** A pass; undefined where there is no WebAssembly with SIMD or it may not be compiled here. */
  static create(shape: PassShape): KernelPass | undefined {
    if (module === null) return undefined;
    try {
      module ??= new WebAssembly.Module(bitshiftBytes());
    } catch {
      module = null;
      return undefined;
    }
    return new KernelPass(shape, module);
  }

  run(sequence: Float32Array, overlap: number | undefined): void {
    const { stateBits, valueBits } = this.#shape;
    this.#sequence.set(sequence);
    if (overlap === undefined) this.#before.fill(0);
    else this.#before.fill(Infinity)[overlap] = 0;
    this.#kernel.search(
      this.#values.byteOffset,
      this.#sequence.byteOffset,
      sequence.length,
      stateBits,
      valueBits,
      this.costs.byteOffset,
      this.#before.byteOffset,
      this.#after.byteOffset,
      this.ways.byteOffset,
    );
  }
}
