/**
 * Streams of levels: the WebAssembly decoder against its readable twin on levels of every kind and on damaged bytes, and
 * numbers with their step.
 */
import { describe, expect, it } from 'vitest';
import { CodecError, FormatError } from '../../src/errors.js';
import {
  decodeLevels,
  decodeLevelsFast,
  encodeLevels,
  joinStep,
  readSteppedLevels,
  valuesOfLevels,
} from '../../trellis/stream/index.js';
import { Random } from './support.js';

/** Levels of some size, a stretch of zeros, and single ones as large as they may be. */
function levelsOf(random: Random, count: number, spread: number): Int32Array {
  return Int32Array.from({ length: count }, (_, n) => {
    if (n % 97 === 5) return (random.below(2) ? 1 : -1) * 2 ** random.below(30);
    return n % 300 < 40 ? 0 : Math.round(spread * random.normal());
  });
}

const outcome = (decode: () => Int32Array): unknown => {
  try {
    return Array.from(decode());
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return (error as Error).message;
  }
};

describe('decodeLevelsFast', () => {
  it.each([true, false])('gives the levels of its twin, dependent: %s', (dependent) => {
    const random = new Random(31);
    for (const [count, spread] of [
      [0, 1],
      [1, 0.1],
      [2, 3],
      [1000, 0.3],
      [1000, 2],
      [3000, 40],
    ] as const) {
      const levels = levelsOf(random, count, spread);
      const sets = Uint8Array.from({ length: 81 }, () => random.below(9));
      const bytes = encodeLevels(levels, { dependent, sets });
      expect(decodeLevels(bytes, count, { dependent })).toEqual(levels);
      expect(decodeLevelsFast(bytes, count, { dependent })).toEqual(levels);
    }
  });

  it('says of damaged streams what its twin says', () => {
    const random = new Random(32);
    const options = { dependent: true };
    const bytes = encodeLevels(levelsOf(random, 400, 3), options);
    const reasons = new Set<unknown>();
    for (let round = 0; round < 200; round++) {
      const damaged = bytes.slice(0, round % 3 === 0 ? 1 + random.below(bytes.length) : bytes.length);
      damaged[random.below(damaged.length)] ^= 1 << random.below(8);
      const expected = outcome(() => decodeLevels(damaged, 400, options));
      expect(outcome(() => decodeLevelsFast(damaged, 400, options))).toEqual(expected);
      reasons.add(String(expected).slice(0, 20));
    }
    expect(reasons.size).toBeGreaterThan(1);
    expect(() => decodeLevelsFast(new Uint8Array(0), 1, options)).toThrow(FormatError);
    expect(() => decodeLevelsFast(bytes, 399, options)).toThrow(FormatError);
    expect(() => decodeLevelsFast(bytes, 401, options)).toThrow(CodecError);
  });
});

describe('numbers with their step', () => {
  it('come back as grid integers times the step', () => {
    const levels = Int32Array.of(3, 0, -1, 20);
    const bytes = joinStep(0.25, encodeLevels(levels, { dependent: true }));
    const read = readSteppedLevels(bytes, 4, 'a test');
    expect(read).toEqual({ step: 0.25, levels });
    expect(Array.from(valuesOfLevels(read), (value) => value / 0.25).every(Number.isInteger)).toBe(true);
    expect(Array.from(valuesOfLevels(read, false))).toEqual([0.75, 0, -0.25, 5]);
  });

  it('are refused without a step or a stream', () => {
    const stream = encodeLevels(Int32Array.of(1), { dependent: true });
    for (const step of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => readSteppedLevels(joinStep(step, stream), 1, 'a test')).toThrow(
        /finite step above 0 for a test/,
      );
    }
    expect(() => readSteppedLevels(new Uint8Array(4), 1, 'a test')).toThrow(/a step and a stream.*got 4/);
  });
});
