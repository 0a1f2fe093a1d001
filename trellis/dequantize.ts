/**
 * From coded indices back to values: what a decoder does.
 *
 * Index k in a state with quantizer q is grid integer `2 k - sgn(k) q` (k = 0 gives 0); the value is that times the
 * step. The parity of k moves the state. Skipped positions are 0 and leave the state as it is.
 * Integers and one float64 product rounded to float32, so every machine gets the same bits. Indices within
 * ±(2^30 - 1) keep the grid integer within int32; others wrap, which only a damaged stream can cause.
 */
import { UsageError } from '../src/errors.js';
import { defaultMachine, type MachineName, machineOf, type StateMachine } from './machines.js';

export interface DequantizeOptions {
  /** Default `av2-8`. */
  readonly machine?: MachineName | StateMachine;
  /** Nonzero where a latent was not coded; its index is not looked at. */
  readonly skip?: Uint8Array;
}

/**
 * The decoder's state, for decoders that need it while they decode: the quantizer says which table is next.
 *
 * @example
 * const state = new TrellisState('av2-8');
 * state.quantizer; // => 0
 * state.step(3); // => 6
 * state.step(-1); // => -2
 * state.quantizer; // => 1
 */
export class TrellisState {
  readonly machine: StateMachine;
  #state = 0;

  /** @throws UsageError as `machineOf` */
  constructor(machine: MachineName | StateMachine = defaultMachine) {
    this.machine = machineOf(machine);
  }

  /** State number, 0 at the start. */
  get state(): number {
    return this.#state;
  }

  /** Quantizer (0 or 1) that the next index belongs to. */
  get quantizer(): number {
    return this.machine.quantizerOf[this.#state];
  }

  /** Takes the next index, an int32; returns its grid integer, in steps. */
  step(k: number): number {
    const { quantizerOf, next } = this.machine;
    const grid = 2 * k - Math.sign(k) * quantizerOf[this.#state];
    this.#state = next[2 * this.#state + (k & 1)];
    return grid;
  }

  /** Back to the start. */
  reset(): void {
    this.#state = 0;
  }
}

function checkSkip(skip: Uint8Array | undefined, length: number): void {
  if (skip && skip.length !== length) {
    throw new UsageError(`skip: expected ${length} entries, one per index, got ${skip.length}`);
  }
}

/**
 * Grid integers of indices: values in units of the step.
 *
 * @throws UsageError where `skip` has another length, and as `machineOf`
 * @example
 * Array.from(gridIntegers(Int32Array.of(1, 1, 1, 0, -2), { machine: 'vvc4' })); // => [2, 1, 1, 0, -3]
 */
export function gridIntegers(indices: Int32Array, options: DequantizeOptions = {}): Int32Array {
  const { quantizerOf, next } = machineOf(options.machine ?? defaultMachine);
  const { skip } = options;
  checkSkip(skip, indices.length);
  const grid = new Int32Array(indices.length);
  let state = 0;
  for (let n = 0; n < indices.length; n++) {
    if (skip?.[n]) continue;
    const k = indices[n];
    if (k !== 0) grid[n] = 2 * k - (k > 0 ? quantizerOf[state] : -quantizerOf[state]);
    state = next[2 * state + (k & 1)];
  }
  return grid;
}

/**
 * Values of indices: grid integers times the step, rounded to float32.
 *
 * @throws UsageError where the step is not above 0 and finite, and as `gridIntegers`
 * @example
 * Array.from(dequantizeTrellis(Int32Array.of(1, 1, 0), { step: 0.5, machine: 'vvc4' })); // => [1, 0.5, 0]
 */
export function dequantizeTrellis(
  indices: Int32Array,
  options: DequantizeOptions & { readonly step: number },
): Float32Array {
  const { step } = options;
  if (!(step > 0 && step < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`step: expected a finite number above 0, got ${step}`);
  }
  const grid = gridIntegers(indices, options);
  const values = new Float32Array(grid.length);
  for (let n = 0; n < grid.length; n++) values[n] = grid[n] * step;
  return values;
}

/**
 * Quantizer (0 or 1) of each index, for counting tables; skipped positions get 0.
 *
 * @throws UsageError as `gridIntegers`
 * @example
 * Array.from(quantizersOf(Int32Array.of(1, 1, 0), { machine: 'vvc4' })); // => [0, 1, 1]
 */
export function quantizersOf(indices: Int32Array, options: DequantizeOptions = {}): Uint8Array {
  const { quantizerOf, next } = machineOf(options.machine ?? defaultMachine);
  const { skip } = options;
  checkSkip(skip, indices.length);
  const quantizers = new Uint8Array(indices.length);
  let state = 0;
  for (let n = 0; n < indices.length; n++) {
    if (skip?.[n]) continue;
    quantizers[n] = quantizerOf[state];
    state = next[2 * state + (indices[n] & 1)];
  }
  return quantizers;
}
