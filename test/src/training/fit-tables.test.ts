/**
 * Refitting of tables: what is counted is what the quantizer really wrote, tables say it back as probabilities, nothing has
 * probability zero, both signs are alike, and pictures cost less with tables counted on them.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Coder, coderOf } from '../../../codec/coder.js';
import { countSymbols, FREQUENCY_TOTAL, scaleTable, type TableSet } from '../../../codec/entropy/index.js';
import { normalTables } from '../../../codec/model/latent-tables.js';
import { leastScale, mostScale } from '../../../codec/networks/rate-tables.js';
import { type Quantization, quantizationOf, quantizerNames } from '../../../codec/quantizers/registry.js';
import { type AnalysedPicture, analysePicture, fitTables } from '../../../src/training/fit-tables.js';
import { tinyModel } from '../../golden/cases.js';
import { picture } from '../../golden/pictures.js';

let coder: Coder;
const pictures: AnalysedPicture[] = [];
const others: AnalysedPicture[] = [];

beforeAll(async () => {
  coder = await coderOf(await tinyModel(), 'wasm', 1);
  for (const quality of [20, 50, 80]) {
    for (const seed of [1, 2]) {
      pictures.push(await analysePicture(coder, picture('mixed', 192, 128, 3, seed), quality));
      others.push(await analysePicture(coder, picture('mixed', 192, 128, 3, seed + 10), quality));
    }
  }
});

/** Counts and bits of coding pictures: how often each entry of each table was used. */
function code(quantization: Quantization, over: readonly AnalysedPicture[]) {
  const { tables } = quantization;
  const counts = Array.from(tables.sizes, (size) => new Float64Array(size));
  let bits = 0;
  for (const { area, height, width, rate } of over) {
    const { segment } = coder.entropy.encode(area, height, width, rate, quantization, {
      pass: ({ tableIndices, indices }) => countSymbols(tables, tableIndices, indices, counts),
    });
    bits += 8 * segment.length;
  }
  return { counts, bits };
}

const sum = (values: Float64Array | Uint32Array): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** A histogram with both signs taken together; the escape stands last. */
function bothSigns(histogram: Float64Array): Float64Array {
  const last = histogram.length - 2;
  return histogram.map((count, i) => (i > last ? 2 * count : count + histogram[last - i]));
}

describe('analysePicture', () => {
  it('gives the latents of the picture as one tile', async () => {
    const { area, height, width, rate } = await analysePicture(coder, picture('mixed', 100, 70), 33.25);
    expect([height, width, rate.quality]).toEqual([128, 128, 33.25]);
    expect(area.passes.map(({ length }) => length)).toEqual(
      Array(4).fill((coder.model.config.latents * 128 * 128) / 32 ** 2),
    );
  });
});

describe.each(quantizerNames)('fitTables of %s', (name) => {
  let normal: Quantization;
  beforeAll(() => {
    // The model's own tables were counted already.
    const { scales } = coder.model.tables;
    const own = quantizationOf(coder.model, name);
    normal = { ...own, tables: normalTables(name, scaleTable(scales, leastScale, mostScale), own.step) };
  });

  it('says the counts back as probabilities', () => {
    const { counts } = code(normal, pictures);
    const { tables } = fitTables(coder.entropy, normal, pictures, { rounds: 1, priorWeight: 1e-6 });
    expect(tables.firstSymbols).toEqual(normal.tables.firstSymbols);
    expect(tables.sizes).toEqual(normal.tables.sizes);
    let compared = 0;
    for (let t = 0; t < tables.count; t++) {
      const observed = bothSigns(counts[t]);
      const total = sum(observed);
      if (total < 1000) continue;
      const { frequencies } = tables.table(t);
      for (let entry = 0; entry < frequencies.length; entry++) {
        const wanted = (FREQUENCY_TOTAL * observed[entry]) / total;
        // Each entry has one unit at least, which the others pay for.
        const margin = 2 + 0.01 * wanted;
        expect(Math.abs(frequencies[entry] - wanted), `table ${t}, entry ${entry}`).toBeLessThan(margin);
      }
      compared++;
    }
    expect(compared).toBeGreaterThan(3);
  });

  it('blends them with tables of normal latents, observation by observation', () => {
    const weak = fitTables(coder.entropy, normal, pictures, { rounds: 1 }).tables;
    const strong = fitTables(coder.entropy, normal, pictures, { rounds: 1, priorWeight: 1e9 }).tables;
    const expected = normal.tables.toTensors().frequenciesMinusOne;
    const distance = (tables: TableSet): number =>
      tables
        .toTensors()
        .frequenciesMinusOne.reduce(
          (total, one, n) => total + Math.abs(one - expected[n]) / FREQUENCY_TOTAL,
          0,
        );
    expect(distance(strong)).toBeLessThan(0.01);
    expect(distance(weak)).toBeGreaterThan(1);
  });

  it('leaves nothing without probability, and both signs alike', () => {
    const { tables } = fitTables(coder.entropy, normal, pictures);
    for (let t = 0; t < tables.count; t++) {
      const { firstSymbol, frequencies } = tables.table(t);
      expect(sum(frequencies)).toBe(FREQUENCY_TOTAL);
      expect(Math.min(...frequencies)).toBeGreaterThanOrEqual(1);
      const symbols = frequencies.subarray(0, -1);
      expect(symbols.length).toBe(1 - 2 * firstSymbol);
      expect(symbols, `table ${t}`).toEqual(symbols.slice().reverse());
    }
  });

  it('makes the pictures smaller that were counted, and others like them', () => {
    const fitted = fitTables(coder.entropy, normal, pictures);
    expect(code(fitted, pictures).bits).toBeLessThan(0.99 * code(normal, pictures).bits);
    expect(code(fitted, others).bits).toBeLessThan(code(normal, others).bits);
    expect({ ...fitted, tables: normal.tables }).toEqual(normal);
  });

  it('counts again with its own tables in every round', () => {
    const one = { rounds: 1 };
    const first = fitTables(coder.entropy, normal, pictures, one);
    const second = fitTables(coder.entropy, first, pictures, one);
    const both = fitTables(coder.entropy, normal, pictures, { rounds: 2 });
    expect(both.tables.toTensors()).toEqual(second.tables.toTensors());
  });
});
