/**
 * Decoding of levels in WebAssembly: loads the kernel (levels.wasm.ts, generated from assembly/ by `npm run build:wasm`)
 * and lays out its memory. Levels equal those of `decodeLevels`, which also says what is wrong with a damaged stream, and
 * decodes where there is no WebAssembly; the kernel is some ten times as fast, because models are loaded with it.
 */
import { machines } from '../machines.js';
import { initialSets, movement, rareWidths } from './contexts.js';
import { contextCount, decodeLevels } from './levels.js';
import { levelsBase64 } from './levels.wasm.js';

/** The export of assembly/levels.ts, documented there. */
interface Kernel {
  readonly decode: (
    stream: number,
    size: number,
    levels: number,
    count: number,
    dependent: number,
    tables: number,
    contexts: number,
  ) => number;
}

// Places in memory, in bytes; nothing of ours lies below.
const tablesAddress = 1024;
const [movementOffset, setsOffset, nextOffset, tableBytes] = [256, 384, 544, 560];
const contextsAddress = tablesAddress + tableBytes;
const streamAddress = contextsAddress + 16 * contextCount;
const pageBytes = 65536;
/** Longer ones go through the twin: addresses have 32 bits. */
const mostBytes = 2 ** 31;

let module: WebAssembly.Module | undefined | null;

/** The bytes of the WebAssembly binary. */
export function levelsBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(levelsBase64), (character) => character.charCodeAt(0));
}

function compiled(): WebAssembly.Module | undefined {
  if (module === null) return undefined;
  try {
    module ??= new WebAssembly.Module(levelsBytes());
    return module;
  } catch {
    module = null;
    return undefined;
  }
}

function writeTables(buffer: ArrayBuffer): void {
  new Uint8Array(buffer, tablesAddress).set(rareWidths);
  new Int32Array(buffer, tablesAddress + movementOffset).set(movement);
  new Int32Array(buffer, tablesAddress + setsOffset).set(initialSets.flat());
  new Uint8Array(buffer, tablesAddress + nextOffset).set(machines.nnc8.next);
}

/**
 * The levels of a stream, as `decodeLevels` gives them, fast.
 *
 * @throws what `decodeLevels` throws
 * @example
 * const bytes = encodeLevels(Int32Array.of(3, 0, -1, 20), { dependent: true });
 * Array.from(decodeLevelsFast(bytes, 4, { dependent: true })); // => [3, 0, -1, 20]
 */
export function decodeLevelsFast(
  bytes: Uint8Array,
  count: number,
  options: { dependent: boolean },
): Int32Array {
  const levelsAddress = (streamAddress + bytes.length + 15) & ~15;
  const kernel = levelsAddress + 4 * count < mostBytes ? compiled() : undefined;
  if (!kernel || bytes.length === 0) return decodeLevels(bytes, count, options);
  const memory = new WebAssembly.Memory({ initial: Math.ceil((levelsAddress + 4 * count) / pageBytes) });
  const { decode } = new WebAssembly.Instance(kernel, { env: { memory } }).exports as unknown as Kernel;
  writeTables(memory.buffer);
  new Uint8Array(memory.buffer, streamAddress).set(bytes);
  const isWhole = decode(
    streamAddress,
    bytes.length,
    levelsAddress,
    count,
    options.dependent ? 1 : 0,
    tablesAddress,
    contextsAddress,
  );
  // The twin knows what is wrong.
  if (!isWhole) return decodeLevels(bytes, count, options);
  return new Int32Array(memory.buffer, levelsAddress, count).slice();
}
