/**
 * Streams of weights: what is written comes back, also far from what tables hold; wrong bytes are refused by name; and
 * weights are coded at the bits that are asked for, with an error that falls by 6 dB a bit.
 */
import { describe, expect, it } from 'vitest';
import { RansEncoder } from '../../../codec/entropy/index.js';
import { normalTables } from '../../../codec/model/latent-tables.js';
import {
  readWeightStream,
  tablesOfLevels,
  type WeightLevels,
  weightsOfLevels,
  writeWeightStream,
} from '../../../codec/model/weight-stream.js';
import { codeWeights } from '../../../eval/weights/code-weights.js';
import { FormatError } from '../../../src/errors.js';
import { Random } from '../../../src/training/random.js';
import { TrellisState } from '../../../trellis/index.js';

const tables = normalTables('tcq8', [1, 8, 40], 1);

/** Normal numbers, the rows of different sizes. */
function weightsOf(rows: number, width: number, seed: number): Float32Array {
  const random = Random.of(seed);
  return Float32Array.from(
    { length: rows * width },
    (_, n) => 0.02 * (1 + (Math.floor(n / width) % 5)) * random.normal(),
  );
}

function randomLevels(seed: number, rows: number, width: number): WeightLevels {
  const random = Random.of(seed);
  const levels = Int32Array.from({ length: rows * width }, () => Math.round(40 * (random.uniform() - 0.5)));
  levels[0] = 2 ** 29;
  levels[rows * width - 1] = -(2 ** 29) + 1;
  const rowScales = Uint8Array.from({ length: rows }, (_, row) => row % 3);
  return { step: Math.fround(0.0123), rowScales, levels };
}

describe('a stream of weights', () => {
  it.each([
    [1, 1],
    [3, 7],
    [64, 9],
    [40, 144],
  ])('comes back: %d rows of %d', (rows, width) => {
    const weights = randomLevels(rows, rows, width);
    const bytes = writeWeightStream(weights, tables);
    expect(readWeightStream(bytes, rows, rows * width, tables, 'w')).toEqual(weights);
  });

  it('stands for the grid of the trellis', () => {
    const weights = randomLevels(5, 4, 50);
    const state = new TrellisState();
    const tableIndices = tablesOfLevels(weights);
    const values = weightsOfLevels(weights);
    weights.levels.forEach((level, n) => {
      expect(tableIndices[n]).toBe(2 * weights.rowScales[Math.floor(n / 50)] + state.quantizer);
      expect(values[n]).toBe(Math.fround(state.step(level) * weights.step));
    });
  });

  const bytes = writeWeightStream(randomLevels(1, 2, 3), tables);
  const stepped = (high: number, scale: number): Uint8Array => {
    const coder = new RansEncoder();
    coder.putBits(high, 16);
    coder.putBits(0, 16);
    for (let row = 0; row < 2; row++) coder.putBits(scale, 8);
    return coder.finish();
  };
  it.each([
    ['nothing', new Uint8Array(0), /^parameter w: Expected at least 4 bytes/],
    ['an end too early', bytes.subarray(0, bytes.length - 2), /^parameter w: Expected/],
    ['an end too late', Uint8Array.of(...bytes, 0), /^parameter w: Expected the end/],
    ['a step of 0', stepped(0, 0), /step above 0 and below 2\^95, got 0/],
    ['a negative step', stepped(0xbf80, 0), /got -1/],
    ['a step that is no number', stepped(0x7fc0, 0), /got NaN/],
    ['a step too large', stepped(0x7000, 0), /below 2\^95, got 1\.58/],
    ['a scale without tables', stepped(0x3f80, 3), /scale indices below 3, got 3/],
  ])('is refused: %s', (_, damaged, reason) => {
    const use = (): unknown => readWeightStream(damaged, 2, 6, tables, 'w');
    expect(use).toThrow(FormatError);
    expect(use).toThrow(reason);
  });
});

describe('coded weights', () => {
  const rows = 64;
  const values = weightsOf(rows, 144, 3);
  const errorAt = (bits: number): number => {
    const { levels, tables: counted } = codeWeights([{ name: 'w', rows, values, bits }]);
    const found = levels.get('w')!;
    const size = writeWeightStream(found, counted).length - rows;
    expect((8 * size) / values.length).toBeGreaterThan(0.9 * bits);
    expect((8 * size) / values.length).toBeLessThan(bits + 0.03);
    const back = weightsOfLevels(found);
    const sum = values.reduce((total, value, n) => total + (value - back[n]) ** 2, 0);
    return 10 * Math.log10(sum / values.reduce((total, value) => total + value ** 2, 0));
  };

  it('take the bits that are asked for, and lose 6 dB with each', () => {
    const errors = [2, 4, 6, 8, 10].map(errorAt);
    for (let n = 1; n < errors.length; n++) {
      expect(errors[n - 1] - errors[n]).toBeGreaterThan(11);
      expect(errors[n - 1] - errors[n]).toBeLessThan(13);
    }
    // 6.02 dB a bit, less what the search is from the best, more what rows of different sizes allow.
    expect(errors[4]).toBeLessThan(-58);
  });

  it('may be zeros, and have outliers', () => {
    const zeros = { name: 'zeros', rows: 2, values: new Float32Array(64), bits: 3 };
    const spiked = values.slice(0, 1440);
    spiked[77] = 1000;
    const { levels } = codeWeights([zeros, { name: 'spiked', rows: 10, values: spiked, bits: 8 }]);
    expect(weightsOfLevels(levels.get('zeros')!)).toEqual(zeros.values);
    expect(weightsOfLevels(levels.get('spiked')!)[77]).toBeCloseTo(1000, 0);
  });
});
