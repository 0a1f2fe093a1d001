/**
 * Contexts of hyper-latents that are fitted: what goes together costs less than alone, on pictures that were not seen too;
 * what does not, costs no more; the same samples give the same numbers; nothing has probability zero.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { visitHyperLatents } from '../../../codec/entropy/index.js';
import type { EntropyTables, ParsedModel } from '../../../codec/model/model-file.js';
import { fitHyperContexts, type HyperLatentSample } from '../../../src/training/fit-hyper-contexts.js';
import { Random } from '../../../src/training/random.js';
import { tinyModel } from '../../golden/cases.js';

let model: ParsedModel;
beforeAll(async () => {
  model = await tinyModel();
});

const [height, width, channels] = [6, 8, 16];

/** Hyper-latents that follow their neighbours, and those of another channel, by `together` of 1. */
function sample(seed: number, together: number): HyperLatentSample {
  const random = Random.of(seed);
  const plane = height * width;
  const values = new Int32Array(channels * plane);
  for (let place = 0; place < plane; place++) {
    for (let channel = 0; channel < channels; channel++) {
      const n = channel * plane + place;
      const left = place % width ? values[n - 1] : 0;
      const above = place >= width ? values[n - width] : 0;
      const other = channel % 2 ? values[n - plane] : 0;
      const mean = together * (0.5 * left + 0.4 * above + (channel % 2 ? 0.6 : 0) * (other - left));
      values[n] = Math.round(mean + 1.2 * random.normal());
    }
  }
  return { values, width, ratePoint: seed % 8 };
}

const samples = (first: number, together: number): HyperLatentSample[] =>
  Array.from({ length: 160 }, (_, k) => sample(first + k, together));

type HyperTables = Pick<EntropyTables, 'hyperContexts' | 'hyperLatents'>;

function bits({ hyperContexts, hyperLatents }: HyperTables, over: readonly HyperLatentSample[]): number {
  let sum = 0;
  for (const { values, ratePoint, width: row } of over) {
    const space = { channels, width: row, contexts: hyperContexts, firstRow: ratePoint * channels };
    visitHyperLatents(values, space, (n, table) => {
      sum += hyperLatents.bits(table, values[n]);
    });
  }
  return sum;
}

describe('fitHyperContexts', { timeout: 60_000 }, () => {
  it('codes what goes together in fewer bits, and what does not in hardly more', () => {
    const ratio = (together: number): number => {
      const [seen, unseen] = [samples(0, together), samples(1000, together)];
      const [few, many] = [2, 12].map((contexts) => fitHyperContexts(model, seen, { contexts }));
      return bits(many, unseen) / bits(few, unseen);
    };
    expect(ratio(1)).toBeLessThan(0.95);
    expect(ratio(0)).toBeLessThan(1.02);
    const seen = samples(0, 1);
    // Nothing to predict from: the same hyper-latents, each alone.
    const alone = seen.flatMap(({ values, ratePoint }) =>
      Array.from({ length: height * width }, (_, place) => ({
        values: values.filter((_, n) => n % (height * width) === place),
        width: 1,
        ratePoint,
      })),
    );
    const apart = bits(fitHyperContexts(model, alone, { contexts: 2 }), alone);
    expect(bits(fitHyperContexts(model, seen), seen)).toBeLessThan(0.9 * apart);
  });

  it('predicts from every neighbour and from channels before', () => {
    const { weights } = fitHyperContexts(model, samples(0, 1)).hyperContexts;
    const weight = (channel: number, third: number, from: number): number =>
      weights[(3 * channel + third) * channels + from];
    const { max, abs } = Math;
    for (const channel of [4, 10]) {
      expect(weight(channel, 0, channel) / 4096).toBeCloseTo(0.5, 1);
      expect(weight(channel, 1, channel) / 4096).toBeCloseTo(0.4, 1);
      expect(max(...[0, 1, 2, 3].map((c) => abs(weight(channel, 2, c)))) / 4096).toBeLessThan(0.1);
    }
    expect(weight(5, 2, 4) / 4096).toBeCloseTo(0.6, 1);
    expect(weight(5, 0, 5) / 4096).toBeCloseTo(-0.1, 1);
    for (let channel = 0; channel < channels; channel++) {
      for (let later = channel; later < channels; later++) expect(weight(channel, 2, later)).toBe(0);
    }
  });

  it('gives the same numbers again, and believes itself where it fits anew', () => {
    const seen = samples(0, 1);
    const fitted = fitHyperContexts(model, seen);
    expect(fitHyperContexts(model, seen).hyperLatents.toTensors()).toEqual(fitted.hyperLatents.toTensors());
    const again = fitHyperContexts({ ...model, tables: { ...model.tables, ...fitted } }, seen, {
      contexts: 5,
    });
    expect(again.hyperLatents.count).toBe(8 * channels * 5);
    expect(bits(again, samples(1000, 1)) / bits(fitted, samples(1000, 1))).toBeLessThan(1.05);
  });

  it('has tables for rate points and values that it never saw', () => {
    const fitted = fitHyperContexts(model, [sample(8, 1)]);
    const far = { values: new Int32Array(channels * height * width).fill(2 ** 31 - 1), width, ratePoint: 7 };
    expect(Number.isFinite(bits(fitted, [far, sample(3, 1)]))).toBe(true);
    expect(bits(fitted, [sample(3, 0)])).toBeLessThan(1.5 * bits(model.tables, [sample(3, 0)]));
  });

  it('refuses contexts out of range, and no pictures', () => {
    for (const contexts of [1, 65, 2.5, Number.NaN]) {
      expect(() => fitHyperContexts(model, [sample(1, 1)], { contexts })).toThrow(
        /contexts: expected 2 to 64/,
      );
    }
    // More tables than indices of 16 bits could name.
    const wide = { ...model, config: { ...model.config, hyperLatents: 2048 } };
    expect(() => fitHyperContexts(wide, [sample(1, 1)], { contexts: 5 })).toThrow(/expected 2 to 4, got 5/);
    expect(() => fitHyperContexts(model, [])).toThrow(/expected those of a picture at least, got none/);
  });
});
