/** The arithmetic coder: bins come back, carries travel, damage is noticed, probabilities are worth what they should be. */
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../../src/errors.js';
import {
  ArithmeticDecoder,
  ArithmeticEncoder,
} from '../../../../src/weights/trellis-coded/arithmetic-coder.js';
import { Contexts, initialSets, rareWidths } from '../../../../src/weights/trellis-coded/contexts.js';
import { Random } from './support.js';

interface Operation {
  readonly context: number;
  readonly value: number;
  readonly count: number;
}

const contextCount = 9;

const contexts = (): Contexts => {
  const made = new Contexts(contextCount);
  initialSets.forEach((_, set) => {
    made.start(set, set);
  });
  return made;
};

/** Bins of contexts (count 0) and runs of bypass bins. */
function operations(seed: number, length: number, bias: number): Operation[] {
  const random = new Random(seed);
  return Array.from({ length }, () => {
    if (random.below(5) === 0) {
      const count = random.below(31);
      return { context: -1, value: random.below(2 ** count), count };
    }
    return { context: random.below(contextCount), value: random.uniform() < bias ? 1 : 0, count: 0 };
  });
}

function encode(list: readonly Operation[]): Uint8Array {
  const encoder = new ArithmeticEncoder(contexts());
  for (const { context, value, count } of list) {
    if (context < 0) encoder.bypass(value, count);
    else encoder.bin(context, value);
  }
  return encoder.finish();
}

function decode(bytes: Uint8Array, list: readonly Operation[]): number[] {
  const decoder = new ArithmeticDecoder(bytes, contexts());
  const values = list.map(({ context, count }) =>
    context < 0 ? decoder.bypass(count) : decoder.bin(context),
  );
  decoder.finish();
  return values;
}

describe('arithmetic coder', () => {
  it('returns all bins, whatever their number and bias', () => {
    for (let round = 0; round < 100; round++) {
      const list = operations(round, round < 40 ? round : 50 * round, [0.5, 0.02, 0.98, 0, 1][round % 5]);
      expect(decode(encode(list), list)).toEqual(list.map(({ value }) => value));
    }
  });

  it('carries into bytes held back, over runs of 0xff', () => {
    // The top of the interval all the way: the first bytes are 0xfe 0xff 0xff ...
    let found = 0;
    for (let length = 1; length < 200; length++) {
      const list = Array.from({ length }, (_, i) => ({
        context: -1,
        value: i < length - 1 ? 1 : 0,
        count: 1,
      }));
      const bytes = encode(list);
      if (bytes.slice(1, 5).every((byte) => byte === 0xff)) found++;
      expect(decode(bytes, list)).toEqual(list.map(({ value }) => value));
    }
    expect(found).toBeGreaterThan(50);
  });

  it('codes biased bins near their entropy, faster or slower by the initial set', () => {
    const random = new Random(5);
    const bins = Array.from({ length: 20000 }, () => (random.uniform() < 0.1 ? 1 : 0));
    const bits = initialSets.map((_, set) => {
      const made = new Contexts(1);
      made.start(0, set);
      const encoder = new ArithmeticEncoder(made);
      for (const bin of bins) encoder.bin(0, bin);
      return (8 * encoder.finish().length) / bins.length;
    });
    const entropy = -0.1 * Math.log2(0.1) - 0.9 * Math.log2(0.9);
    for (const rate of bits) {
      expect(rate).toBeGreaterThan(entropy);
      expect(rate).toBeLessThan(1.2 * entropy);
    }
    expect(bits[0]).toBeLessThan(1.03 * entropy);
    expect(Math.min(...bits)).toBeLessThan(bits[0]);
  });

  it('has estimates that stay within their tables', () => {
    let farthest = 0;
    for (const bin of [0, 1]) {
      const made = contexts();
      for (let i = 0; i < 5000; i++) {
        for (let context = 0; context < contextCount; context++) {
          made.adapt(context, bin);
          farthest = Math.max(farthest, Math.abs(made.state(context) >> 7));
        }
      }
    }
    expect(farthest).toBeLessThan(32);
    expect(farthest).toBeGreaterThan(25);
    expect(rareWidths.every((width) => width >= 2 && width < 256)).toBe(true);
  });

  it('refuses streams that are cut, or longer or shorter than their bins', () => {
    const list = operations(7, 400, 0.3);
    const bytes = encode(list);
    for (let length = 0; length < bytes.length; length++) {
      const error = (() => {
        try {
          decode(bytes.slice(0, length), list);
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toBeInstanceOf(FormatError);
    }
    expect(() => decode(Uint8Array.from([...bytes, 0]), list)).toThrow(FormatError);
    expect(() => decode(bytes, list.slice(0, 300))).toThrow(FormatError);
    expect(() => new ArithmeticDecoder(new Uint8Array(0), contexts())).toThrow(
      /^Expected at least 1 byte for an arithmetic-coded stream, got 0$/,
    );
  });
});
