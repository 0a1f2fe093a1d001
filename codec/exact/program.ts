/**
 * The parts of a compiled program: places of tensors in memory and steps that call kernels.
 *
 * A place is either fixed (a parameter) or relative to the arena (everything else), because the arena starts behind
 * the weights and moves when another program uploads more of them.
 */
import type { Block, BlockUse } from './arena.js';
import type { Kernels } from './wasm.js';

/** Where a tensor lies: `address` bytes from the start of the memory, or of its block where it has one. */
export interface Place {
  readonly block?: Block;
  readonly address: number;
}

/** What steps work with during one run. */
export interface Run {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** Address of the arena. */
  readonly arena: number;
  readonly inputs: Readonly<Record<string, Float32Array>>;
  readonly results: Record<string, Float32Array>;
}

export interface Step extends BlockUse {
  readonly execute: (run: Run) => void;
}

/** Byte address of a place during a run. */
export function addressOf(place: Place, { arena }: Run): number {
  return place.block ? arena + place.block.offset + place.address : place.address;
}

/** The blocks of some places, for a step's `touches`. */
export function blocksOf(...places: readonly Place[]): Block[] {
  return places.flatMap(({ block }) => (block ? [block] : []));
}

/** A fresh place in the arena for this many floats. */
export function newPlace(size: number): Place {
  return { block: { bytes: size * 4, offset: 0 }, address: 0 };
}

/** The same bytes some floats further on. */
export function shifted(place: Place, floats: number): Place {
  return { ...place, address: place.address + floats * 4 };
}

/** A step that fills a place with values known when the program is compiled. */
export function loadStep(place: Place, values: Float32Array): Step {
  return {
    touches: blocksOf(place),
    execute: (run) => new Float32Array(run.memory.buffer, addressOf(place, run), values.length).set(values),
  };
}

/** A step that copies an input of the run into memory. */
export function inputStep(place: Place, name: string, size: number): Step {
  return {
    touches: blocksOf(place),
    execute: (run) => new Float32Array(run.memory.buffer, addressOf(place, run), size).set(run.inputs[name]),
  };
}

/** A step that copies a tensor out of memory. */
export function resultStep(place: Place, name: string, size: number): Step {
  return {
    touches: blocksOf(place),
    execute: (run) => {
      run.results[name] = new Float32Array(run.memory.buffer, addressOf(place, run), size).slice();
    },
  };
}
