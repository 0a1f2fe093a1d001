/** Helpers of the exact engine's tests: seeded values, comparison of all bits, a checksum of bits. */
import { expect } from 'vitest';
import { compileExact, runReference } from '../../../codec/exact/index.js';
import { type Graph, sizeOf, type Tensor } from '../../../src/graph/index.js';

/** Seeded generator of numbers in [0,1) (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values of both signs over several magnitudes, with zeros of both signs among them. */
export function randomValues(size: number, random: () => number): Float32Array {
  return Float32Array.from({ length: size }, () => {
    const kind = random();
    if (kind < 0.05) return kind < 0.025 ? 0 : -0;
    return (random() - 0.5) * 10 ** (random() * 4 - 2);
  });
}

/** Seeded values for all inputs of a graph. */
export function randomInputs(graph: Graph, seed: number): Record<string, Float32Array> {
  const random = generator(seed);
  return Object.fromEntries(
    [...graph.inputs].map(([name, { shape }]) => [name, randomValues(sizeOf(shape), random)]),
  );
}

export const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Position of the first value whose bits differ, -1 where all are equal. */
export function firstDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  const bitsOfB = bitsOf(b);
  return bitsOf(a).findIndex((bits, position) => bits !== bitsOfB[position]);
}

/** Runs a graph on the engine and on its twin and expects the same bits; inputs named w* and b* are parameters. */
export function expectTwins(outputs: Record<string, Tensor>, seed = 1): void {
  const [{ graph }] = Object.values(outputs);
  const values = randomInputs(graph, seed);
  const parameters = new Map(Object.entries(values).filter(([name]) => /^[wb]/.test(name)));
  const expected = runReference(outputs, values);
  const program = compileExact(outputs, parameters);
  for (let repetition = 0; repetition < 2; repetition++) {
    const actual = program.run(values);
    for (const name of Object.keys(outputs)) {
      const position = firstDifference(actual[name], expected[name]);
      const found = `${name}[${position}]: ${actual[name][position]}, twin ${expected[name][position]}`;
      expect(position, found).toBe(-1);
    }
  }
}

/** FNV-1a over the little-endian bytes of the values, as eight hexadecimal digits. */
export function checksum(values: Float32Array): string {
  let hash = 0x811c9dc5;
  for (const bits of bitsOf(values)) {
    for (let shift = 0; shift < 32; shift += 8) {
      hash = Math.imul(hash ^ ((bits >>> shift) & 0xff), 0x01000193) >>> 0;
    }
  }
  return hash.toString(16).padStart(8, '0');
}
