/** Bitshift trellises: codes, searches and packed rings as the golden files have them; the kernel and its typed twin. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../../src/errors.js';
import { codeTable, codeValues } from '../../../../src/weights/trellis-coded/bitshift-codes.js';
import { bitshiftBytes, KernelPass } from '../../../../src/weights/trellis-coded/bitshift-kernel.js';
import { BitshiftSearch, TypedPass } from '../../../../src/weights/trellis-coded/bitshift-search.js';
import {
  leastLength,
  readRing,
  ringStates,
  writeRing,
} from '../../../../src/weights/trellis-coded/bitshift-trellis.js';
import { gaussianTensor, golden } from '../support.js';
import { Random, sumsOfTwelve } from './support.js';

const codeOf = (name: string) => (name === '1MAD' ? '1mad' : '3inst');

describe('codes', () => {
  const { states, mad1, inst3 } = golden<{ states: number[]; mad1: number[]; inst3: number[] }>('qtip_codes');

  it('have the reference values', () => {
    expect(codeValues('1mad', Uint32Array.from(states))).toEqual(Float32Array.from(mad1));
    expect(codeValues('3inst', Uint32Array.from(states))).toEqual(Float32Array.from(inst3));
  });

  it('have about unit variance, or that of three instructions', () => {
    for (const [code, spread] of [
      ['1mad', 1.00009],
      ['3inst', 1.24371],
    ] as const) {
      const values = codeTable(code, 16);
      const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / values.length;
      expect(Math.sqrt(meanSquare)).toBeCloseTo(spread, 3);
    }
  });
});

interface EncodeCase {
  readonly code: string;
  readonly L: number;
  readonly k: number;
  readonly T: number;
  readonly overlap: number;
  readonly states: number[];
  readonly words: number[];
  readonly mse: number;
  readonly recon_first8: number[];
}

describe('search', () => {
  const { cases, x_first8: first } = golden<{ cases: EncodeCase[]; x_first8: number[] }>('qtip_encode');

  it.each(cases.map((item) => [`${item.code}, L ${item.L}, k ${item.k}, T ${item.T}`, item] as const))(
    '%s: finds and packs what the reference does',
    (_, {
      code,
      L: stateBits,
      k: valueBits,
      T: longest,
      overlap,
      states,
      words,
      mse,
      recon_first8: recon,
    }) => {
      const source = sumsOfTwelve(longest, 1);
      expect(source.subarray(0, 8)).toEqual(Float32Array.from(first));
      const values = codeTable(codeOf(code), stateBits);
      const codes = new BitshiftSearch({ values, stateBits, valueBits, longest }).codesOf(source);
      const found = ringStates(codes, stateBits, valueBits);
      expect(Array.from(found)).toEqual(states);
      expect(found[0] >> valueBits).toBe(overlap);
      const bytes = new Uint8Array(2 * words.length);
      writeRing(codes, stateBits, valueBits, bytes, 0);
      expect(words.map((_, i) => bytes[2 * i] * 256 + bytes[2 * i + 1])).toEqual(words);
      const error = source.reduce((sum, value, t) => sum + (value - values[found[t]]) ** 2, 0) / longest;
      expect(error).toBeCloseTo(mse, 6);
      expect(Array.from(found.subarray(0, 8), (state) => values[state])).toEqual(recon);
    },
  );

  it('decides alike in WebAssembly and in typed arrays', () => {
    const random = new Random(61);
    for (let round = 0; round < 48; round++) {
      const valueBits = 1 + (round % 4);
      const stateBits = [6, 7, 8, 9, 10][random.below(5)];
      const longest = 40;
      const values = round % 3 ? codeTable('3inst', stateBits) : codeTable('1mad', stateBits).map(Math.round);
      const shape = { values, stateBits, valueBits, longest };
      const kernel = KernelPass.create(shape) as KernelPass;
      expect(kernel).toBeDefined();
      const typed = new TypedPass(shape);
      const length = leastLength(stateBits, valueBits) + random.below(longest - 10);
      const sequence = Float32Array.from({ length }, () => (random.below(8) ? random.normal() : Number.NaN));
      for (const overlap of [undefined, random.below(2 ** (stateBits - valueBits))]) {
        kernel.run(sequence, overlap);
        typed.run(sequence, overlap);
        expect(kernel.costs).toEqual(typed.costs);
        const rows = length << (stateBits - valueBits);
        expect(kernel.ways.subarray(0, rows)).toEqual(typed.ways.subarray(0, rows));
      }
      const codes = new BitshiftSearch(shape, kernel).codesOf(sequence);
      expect(new BitshiftSearch(shape, typed).codesOf(sequence)).toEqual(codes);
    }
  });

  it('has a kernel that imports a memory and nothing else', () => {
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(bitshiftBytes()));
    expect(imports).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
  });

  it('refuses trellises that it has not', () => {
    const shape = { values: codeTable('1mad', 8), stateBits: 8, valueBits: 2, longest: 32 };
    expect(() => new BitshiftSearch({ ...shape, valueBits: 5 }, new TypedPass(shape))).toThrow(
      new UsageError('bitshift trellis: expected 1 to 4 bits of a value, got 5'),
    );
    expect(() => new BitshiftSearch({ ...shape, stateBits: 5 }, new TypedPass(shape))).toThrow(UsageError);
  });
});

describe('rings', () => {
  it('come back from their bits, wherever they begin', () => {
    const random = new Random(62);
    for (let round = 0; round < 200; round++) {
      const valueBits = 1 + (round % 4);
      const stateBits = 6 + random.below(11);
      const count = leastLength(stateBits, valueBits) + random.below(40);
      const codes = Uint8Array.from({ length: count }, () => random.below(2 ** valueBits));
      const start = random.below(20);
      const bytes = new Uint8Array(Math.ceil((start + count * valueBits) / 8));
      writeRing(codes, stateBits, valueBits, bytes, start);
      expect(readRing(bytes, start, count, stateBits, valueBits)).toEqual(codes);
    }
  });

  it('come back from beyond 2^31 bits', () => {
    const codes = Uint8Array.from({ length: 24 }, (_, n) => (n * 7) % 4);
    const start = 2 ** 31 - 13;
    // Pages of zeros that nothing is written to take no memory.
    const bytes = new Uint8Array(2 ** 28 + 8);
    writeRing(codes, 6, 2, bytes, start);
    expect(readRing(bytes, start, codes.length, 6, 2)).toEqual(codes);
    expect(bytes[2 ** 28]).not.toBe(0);
  });

  it('hold every state as a window', () => {
    const codes = Uint8Array.of(1, 0, 3, 2, 2, 1);
    const states = ringStates(codes, 6, 2);
    const bytes = new Uint8Array(2);
    writeRing(codes, 6, 2, bytes, 0);
    const bits = Array.from({ length: 12 }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
    states.forEach((state, t) => {
      const window = Array.from({ length: 6 }, (_, i) => bits[(2 * t + i) % 12]);
      expect(Number.parseInt(window.join(''), 2)).toBe(state);
    });
  });
});

describe('distortion at T = 256', { timeout: 120_000 }, () => {
  const reference = golden<[string, number, number, number, number, number, number][]>('qtip_gaussian_mse');
  const published = (code: string, stateBits: number, valueBits: number): number => {
    const row = reference.find(
      ([name, L, k, , , override]) => name === code && L === stateBits && k === valueBits && override === 1,
    );
    return row?.[6] ?? Number.NaN;
  };

  /*
   * The reference's own sample is not named. Sequences differ by 11 % in their error, so that a mean of 33 has a standard
   * error of 0.08 dB, of 0.1 dB at 4 bits. On this sample of 33 all numbers are the reference's; on long ones those of 2
   * bits are 0.06 to 0.13 dB above them, whatever the states. The search does not differ: it finds the reference's states.
   */
  it.each([
    ['1MAD', 8, 2, 0.05],
    ['1MAD', 10, 2, 0.05],
    ['1MAD', 12, 2, 0.05],
    ['1MAD', 14, 2, 0.05],
    ['1MAD', 16, 1, 0.05],
    ['1MAD', 16, 2, 0.05],
    ['1MAD', 16, 3, 0.05],
    ['1MAD', 16, 4, 0.08],
    ['3INST', 16, 1, 0.05],
    ['3INST', 16, 2, 0.05],
    ['3INST', 16, 3, 0.05],
    ['3INST', 16, 4, 0.08],
  ] as const)('%s, L %i, k %i is the reference one', (code, stateBits, valueBits, decibels) => {
    const source = gaussianTensor(33, 256, 0).values;
    const spread = code === '1MAD' ? 1 : 1.24371;
    const values = codeTable(codeOf(code), stateBits).map((value) => value / spread);
    const search = new BitshiftSearch({ values, stateBits, valueBits, longest: 256 });
    let error = 0;
    for (let start = 0; start < source.length; start += 256) {
      const sequence = source.subarray(start, start + 256);
      const states = ringStates(search.codesOf(sequence), stateBits, valueBits);
      sequence.forEach((value, t) => {
        error += (value - values[states[t]]) ** 2;
      });
    }
    const off = 10 * Math.log10(error / source.length / published(code, stateBits, valueBits));
    expect(Math.abs(off), `${off}`).toBeLessThan(decibels);
  });
});
