/**
 * The search in WebAssembly: loads the kernel (viterbi.wasm.ts, generated from assembly/ by `npm run build:wasm`), lays
 * out its memory and turns its answer into the caller's terms. Decisions equal those of viterbi-integer.ts.
 *
 * One instance per process: calls are synchronous, so none can meet another. Memory grows with the longest call and is
 * given back after calls that needed more than `keptBytes`. Price tables stay where they are between calls.
 */
import { UnsupportedError, UsageError } from '../src/errors.js';
import { type TrellisForm, trellisForm } from './butterflies.js';
import {
  type CostTables,
  costLimit,
  costTables,
  latentBits,
  powerOfTwo,
  weightBits,
  weightScale,
} from './fixed-point.js';
import { type CheckedTask, latentError } from './task.js';
import { viterbiBase64 } from './viterbi.wasm.js';
import type { SearchResult } from './viterbi-integer.js';

/** The export of assembly/viterbi.ts, documented there. */
interface Kernel {
  readonly search: (
    count: number,
    latents: number,
    tableIndices: number,
    skip: number,
    weights: number,
    indices: number,
    alternatives: number,
    survivors: number,
    scratch: number,
    machine: number,
    states: number,
    start: number,
    tables: number,
    tableCount: number,
    costBits: number,
    perBit: number,
    most: number,
    perStep: number,
    perWeight: number,
    zeroUnit: number,
    result: number,
  ) => number;
}

interface Instance {
  readonly memory: WebAssembly.Memory;
  readonly kernel: Kernel;
  /** Tables that lie in memory, from `tablesAddress`; they end at `tablesEnd`. */
  tables?: CostTables;
  tablesEnd: number;
}

// Fixed places, in bytes; nothing lies at 0, which means "none".
const resultAddress = 16;
const machineAddress = 32;
/** States of the largest machine that fits the places below. */
const mostStates = 1024;
/** Rotations, masks of both ways in, subsets. */
const machineBytes = 64 + 2 * 16 * (mostStates / 8) + 2 * mostStates;
const scratchAddress = machineAddress + machineBytes;
const scratchBytes = 256 * 16 + 2 * mostStates * 4;
const tablesAddress = scratchAddress + scratchBytes;
const tableBytes = 128;

const pageBytes = 65536;
const keptBytes = 1 << 25;
/** Latents whose survivors, a bit per state, fit 32-bit addresses beside everything else. */
const largestCount = (states: number): number => 2 ** 34 / Math.max(256, states);
/** Price of what a table of alternatives does not offer; more than any branch. */
const never = 2 * costLimit;

let module: WebAssembly.Module | undefined | null;
let current: Instance | undefined;

/** The bytes of the WebAssembly binary. */
export function viterbiBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(viterbiBase64), (character) => character.charCodeAt(0));
}

/** The instance; undefined where there is no WebAssembly with SIMD or it may not be compiled here. */
function instance(): Instance | undefined {
  if (current) return current;
  if (module === null) return undefined;
  try {
    module ??= new WebAssembly.Module(viterbiBytes());
    const memory = new WebAssembly.Memory({ initial: 2 });
    const kernel = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernel;
    current = { memory, kernel, tablesEnd: tablesAddress };
  } catch {
    module = null;
  }
  return current;
}

/** Whether `searchWasm` takes this machine here. */
export function hasKernel(form: TrellisForm): boolean {
  return form.butterflies && form.states <= mostStates && instance() !== undefined;
}

/** Not by bit masks: what survives of the longest search takes 2^31 bytes. */
const align = (address: number): number => 16 * Math.ceil(address / 16);

/** Hands out memory from an address on. */
class Layout {
  end: number;

  constructor(start: number) {
    this.end = start;
  }

  take(bytes: number): number {
    const address = this.end;
    this.end += align(bytes);
    return address;
  }
}

/** @throws UnsupportedError where the machine does not give as much. */
function reserve(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing <= 0) return;
  try {
    memory.grow(Math.ceil(missing / pageBytes));
  } catch {
    throw new UnsupportedError(
      `trellis: expected ${bytes} bytes of memory for the search, could not get them`,
    );
  }
}

/** Byte masks for i8x16.swizzle that pick 32-bit lanes. */
function laneMask(lanes: readonly number[]): number[] {
  return lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]);
}

const machineBlocks = new WeakMap<TrellisForm, Uint8Array>();

/** Rotations of candidates into subsets, masks of even and odd ways in, subsets of all ways in. */
function machineBlock(form: TrellisForm): Uint8Array {
  let block = machineBlocks.get(form);
  if (!block) {
    const { states, subset } = form;
    const groups = Math.max(1, states / 8);
    // Subset 2 q + parity is grid integer 0, 2, 3, 1 modulo 4; candidate j is first + j.
    const rotations = [0, 1, 2, 3].flatMap((first) => laneMask([0, 2, 3, 1].map((i) => (i - first) & 3)));
    const masks = [0, 1].flatMap((way) =>
      Array.from({ length: groups }, (_, g) =>
        laneMask([0, 1, 2, 3].map((lane) => subset[2 * (4 * g + lane) + way])),
      ).flat(),
    );
    block = Uint8Array.from([...rotations, ...masks, ...subset]);
    machineBlocks.set(form, block);
  }
  return block;
}

/** Writes the tables behind the fixed places, unless they lie there already. */
function placeTables(target: Instance, tables: CostTables): void {
  if (target.tables === tables) return;
  const { count, grid, gridStart, gridSize, zeros, escapes, last } = tables;
  const gridAddress = tablesAddress + count * tableBytes;
  target.tablesEnd = align(gridAddress + 4 * grid.length);
  reserve(target.memory, target.tablesEnd);
  const words = new Int32Array(target.memory.buffer, tablesAddress, (count * tableBytes) / 4);
  for (let t = 0; t < count; t++) {
    const word = (t * tableBytes) / 4;
    const start = (s: number): number => gridStart[2 * t + s];
    const price = (s: number, i: number): number => grid[start(s) + i];
    words.set([gridAddress + 4 * start(0), gridAddress + 4 * start(1), gridSize[t], 0], word);
    for (let s = 0; s < 2; s++) {
      const [zero0, zero1] = [zeros[2 * t], zeros[2 * t + 1]];
      words.set([zero0, price(1 - s, 2), zero1, price(1 - s, 1)], word + 4 + 8 * s);
      words.set([zero0, never, zero1, never], word + 8 + 8 * s);
    }
    words.set(escapes.subarray(4 * t, 4 * t + 4), word + 20);
    words.set(last.subarray(4 * t, 4 * t + 4), word + 24);
  }
  new Int32Array(target.memory.buffer, gridAddress, grid.length).set(grid);
  target.tables = tables;
}

/**
 * The cheapest indices of a checked task whose machine `hasKernel`.
 *
 * @throws UsageError as `searchIntegers`, and for more latents than fit memory: 2^26, or 2^34 / states beyond 256 states
 */
export function searchWasm(task: CheckedTask): SearchResult {
  const { latents, step, lagrangian, tables: rates, tableIndices, weights, skip, machine } = task;
  const count = latents.length;
  const form = trellisForm(machine);
  const most = largestCount(form.states);
  if (count > most) throw new UsageError(`latents: expected at most ${most} in one call, got ${count}`);
  const scale = weightScale(weights);
  const tables = costTables(rates, lagrangian && lagrangian / (step * step * scale));
  const target = instance() as Instance;
  const { memory, kernel } = target;

  placeTables(target, tables);
  const layout = new Layout(target.tablesEnd);
  const addresses = {
    latents: layout.take(4 * count),
    tableIndices: tableIndices ? layout.take(count) : 0,
    skip: skip ? layout.take(count) : 0,
    weights: weights ? layout.take(4 * count) : 0,
    indices: layout.take(4 * count),
    alternatives: layout.take(count),
    survivors: layout.take(Math.max(1, form.states / 8) * count),
  };
  reserve(memory, layout.end);
  const { buffer } = memory;
  new Float32Array(buffer, addresses.latents, count).set(latents);
  if (tableIndices) new Uint8Array(buffer, addresses.tableIndices, count).set(tableIndices);
  if (skip) new Uint8Array(buffer, addresses.skip, count).set(skip);
  if (weights) new Float32Array(buffer, addresses.weights, count).set(weights);
  new Uint8Array(buffer, machineAddress, machineBytes).set(machineBlock(form));

  const wrong = kernel.search(
    count,
    addresses.latents,
    addresses.tableIndices,
    addresses.skip,
    addresses.weights,
    addresses.indices,
    addresses.alternatives,
    addresses.survivors,
    scratchAddress,
    machineAddress,
    form.states,
    form.start,
    tablesAddress,
    tables.count,
    tables.costBits,
    tables.perBit,
    tables.most,
    powerOfTwo(latentBits) / step,
    powerOfTwo(weightBits) / scale,
    powerOfTwo(tables.costBits - 2 * latentBits - weightBits),
    resultAddress,
  );
  if (layout.end > keptBytes) current = undefined;
  if (wrong >= 0) throw latentError(task, wrong);
  const units = new Float64Array(buffer, resultAddress, 1)[0];
  return {
    indices: new Int32Array(buffer, addresses.indices, count).slice(),
    cost: units * powerOfTwo(-tables.costBits) * step * step * scale,
  };
}
