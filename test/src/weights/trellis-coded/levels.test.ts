/** Streams of levels: those of the reference encoder byte for byte, any levels there and back, damage. */
import { describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../../src/errors.js';
import { chooseInitialSets } from '../../../../src/weights/trellis-coded/initial-sets.js';
import {
  decodeLevels,
  encodeLevels,
  largestLevel,
  settableContexts,
  stateAfter,
} from '../../../../src/weights/trellis-coded/levels.js';
import { stepOfParameter } from '../../../../src/weights/trellis-coded/step-size.js';
import { gridIntegers } from '../../../../trellis/dequantize.js';
import { golden } from '../support.js';
import { levelsOfGrid, type NncGolden, Random } from './support.js';

const { cases, qp_density: density } = golden<NncGolden>('nnc_deepcabac');
const named = cases.map(
  (item) =>
    [`qp ${item.qp}, dq ${item.dq}, lambda ${item.lambda_scale}, opt ${item.param_opt}`, item] as const,
);
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

describe('streams of the reference encoder', () => {
  it.each(named)('%s: give their levels', (_, { qp, step, dq, q, bytes }) => {
    const levels = decodeLevels(bytesOf(bytes), 32, { dependent: dq === 1 });
    const grid = dq ? gridIntegers(levels, { machine: 'nnc8' }) : levels;
    expect(Array.from(grid)).toEqual(q.flat());
    expect(stepOfParameter(qp, density)).toBe(step);
  });

  it.each(named.filter(([, item]) => item.param_opt === 0))(
    '%s: come out byte for byte',
    (_, { dq, q, bytes }) => {
      const levels = levelsOfGrid(q.flat(), dq === 1);
      expect(Buffer.from(encodeLevels(levels, { dependent: dq === 1 })).toString('hex')).toBe(bytes);
    },
  );

  it.each(named)('%s: are no shorter than ours', (_, { dq, q, bytes }) => {
    const dependent = dq === 1;
    const levels = levelsOfGrid(q.flat(), dependent);
    const ours = encodeLevels(levels, { dependent, sets: chooseInitialSets(levels, dependent) });
    expect(ours.length).toBeLessThanOrEqual(bytes.length / 2);
  });
});

/** Levels of one of several kinds. */
function someLevels(random: Random, kind: number): Int32Array {
  const length = [0, 1, 2, 17, 300, 3000][random.below(6)];
  const sizes = [0, 1, 3, 12, 40, 2 ** 21, largestLevel];
  return Int32Array.from({ length }, (_, n) => {
    if (kind === 0) return 0;
    if (kind === 1) return n % 2 ? -7 : 7;
    const size = sizes[kind - 1 < sizes.length ? kind - 1 : random.below(sizes.length)];
    return random.below(2 * size + 1) - size;
  });
}

describe('levels', () => {
  it('come back, with any initial sets', () => {
    const random = new Random(31);
    for (let round = 0; round < 200; round++) {
      const levels = someLevels(random, round % 10);
      const dependent = round % 3 > 0;
      const sets =
        round % 2 ? Uint8Array.from({ length: settableContexts }, () => random.below(9)) : undefined;
      const bytes = encodeLevels(levels, sets ? { dependent, sets } : { dependent });
      expect(decodeLevels(bytes, levels.length, { dependent })).toEqual(levels);
    }
  });

  it('come back at the ends of their range, beyond which they are refused', () => {
    const levels = Int32Array.of(largestLevel, -largestLevel, 12, -13, 11);
    expect(decodeLevels(encodeLevels(levels, { dependent: true }), 5, { dependent: true })).toEqual(levels);
    expect(() => encodeLevels(Int32Array.of(0, largestLevel + 1), { dependent: true })).toThrow(
      new UsageError('levels: expected integers within ±2^29, got 536870913'),
    );
  });

  it('are shorter with chosen initial sets, in long streams too', () => {
    const random = new Random(32);
    for (const length of [200, 5000, 300000]) {
      const levels = Int32Array.from({ length }, () => Math.round(0.8 * random.normal()));
      for (const dependent of [true, false]) {
        const sets = chooseInitialSets(levels, dependent);
        const chosen = encodeLevels(levels, { dependent, sets }).length;
        const plain = encodeLevels(levels, { dependent }).length;
        expect(chosen).toBeLessThanOrEqual(length < 1000 ? plain : 0.995 * plain);
      }
    }
  });

  it('move the trellis by their parity', () => {
    expect(stateAfter(Int32Array.of(1, 0, -1, 1), 0)).toBe(7);
  });
});

describe('damage', () => {
  it('is refused with a typed error or gives other levels, never more', () => {
    const random = new Random(33);
    const levels = Int32Array.from({ length: 500 }, () => Math.round(2 * random.normal()));
    const sound = encodeLevels(levels, { dependent: true });
    let refused = 0;
    const rounds = 2000;
    for (let round = 0; round < rounds; round++) {
      const bytes = sound.slice(0, round % 4 === 0 ? random.below(sound.length + 1) : sound.length);
      for (let flips = round % 4 === 0 ? 0 : 1 + random.below(3); flips > 0; flips--) {
        bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      }
      if (bytes.length === sound.length && bytes.every((byte, i) => byte === sound[i])) continue;
      try {
        const decoded = decodeLevels(bytes, 500, { dependent: true });
        expect(decoded.length).toBe(500);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        refused++;
      }
    }
    expect(refused / rounds).toBeGreaterThan(0.9);
  });

  it('of random bytes ends soon, whatever the count', () => {
    const random = new Random(34);
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from(
        { length: 1 + random.below(60) },
        () => [0, 255, random.below(256)][round % 3],
      );
      expect(() => decodeLevels(bytes, 100000, { dependent: round % 2 === 0 })).toThrow(/^Expected /);
    }
  });
});

describe('step size', () => {
  it('follows the quantization parameter', () => {
    expect([-38, -20, 0, 1, 2, 3, 4].map((qp) => stepOfParameter(qp))).toEqual([
      0.00146484375, 0.03125, 1, 1.25, 1.5, 1.75, 2,
    ]);
    expect(stepOfParameter(-75)).toBeCloseTo(2.384e-6, 9);
    expect(() => stepOfParameter(1.5)).toThrow(UsageError);
    expect(() => stepOfParameter(0, 8)).toThrow(
      new UsageError('density of quantization parameters: expected 0 to 7, got 8'),
    );
  });
});
