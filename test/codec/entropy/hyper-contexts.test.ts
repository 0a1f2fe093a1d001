/**
 * Contexts of hyper-latents as docs/FORMAT.md has them: the walk visits what the rules say when they are followed number by
 * number with big integers, whatever the weights and values are, and a decoder that fills its array on the way sees the
 * tables that the encoder saw.
 */
import { describe, expect, it } from 'vitest';
import {
  contextCount,
  type HyperContexts,
  type HyperLatentSpace,
  visitHyperLatents,
} from '../../../codec/entropy/index.js';
import { Random } from '../../../src/training/random.js';

const random = Random.of(17);
const whole = (most: number): number => random.integer(2 * most + 1) - most;

function contextsOf(channels: number, contexts: number, mostThreshold: number): HyperContexts {
  const rows = Array.from({ length: channels }, () =>
    Array.from({ length: contexts - 1 }, () => whole(mostThreshold)).sort((a, b) => a - b),
  );
  return {
    weights: Int16Array.from({ length: 3 * channels * channels }, () => whole(2 ** 15 - 1)),
    thresholds: Int32Array.from(rows.flat()),
  };
}

/** The rules, for one hyper-latent at a time. */
function tableOf(values: Int32Array, { channels, width, contexts, firstRow }: HyperLatentSpace, n: number) {
  const plane = values.length / channels;
  const [channel, place] = [Math.floor(n / plane), n % plane];
  const [y, x] = [Math.floor(place / width), place % width];
  const at = (c: number, row: number, column: number): bigint => {
    if (row < 0 || column < 0) return 0n;
    const value = values[c * plane + row * width + column];
    return BigInt(value > 63 ? 63 : value < -63 ? -63 : value);
  };
  const { weights, thresholds } = contexts!;
  let prediction = 0n;
  for (let c = 0; c < channels; c++) {
    const weight = (third: number): bigint => BigInt(weights[(3 * channel + third) * channels + c]);
    prediction += weight(0) * at(c, y, x - 1) + weight(1) * at(c, y - 1, x);
    if (c < channel) prediction += weight(2) * at(c, y, x);
  }
  const cuts = thresholds.length / channels;
  const own = Array.from(thresholds.subarray(channel * cuts, (channel + 1) * cuts));
  return (firstRow + channel) * (cuts + 1) + own.filter((cut) => BigInt(cut) <= prediction).length;
}

describe('visitHyperLatents', () => {
  it.each([
    [3, 5, 4, 6, 40, 2 ** 22],
    [1, 1, 1, 2, 3, 100],
    [96, 3, 2, 12, 2 ** 31 - 1, 2 ** 31 - 1],
    [2, 1, 7, 64, 200, 2 ** 24],
  ])(
    'of %d channels, %d x %d, %d contexts, follows the rules',
    (channels, height, width, contexts, most, cut) => {
      const values = Int32Array.from({ length: channels * height * width }, () => whole(most));
      const space = {
        channels,
        width,
        contexts: contextsOf(channels, contexts, cut),
        firstRow: 5 * channels,
      };
      const visited: number[] = [];
      const tables = new Map<number, number>();
      visitHyperLatents(values, space, (n, table) => {
        visited.push(n);
        tables.set(n, table);
      });
      const plane = height * width;
      const order = Array.from(
        { length: values.length },
        (_, k) => (k % channels) * plane + Math.floor(k / channels),
      );
      expect(visited).toEqual(order);
      for (const n of order) expect(tables.get(n), `hyper-latent ${n}`).toBe(tableOf(values, space, n));
      const decoded = new Int32Array(values.length);
      visitHyperLatents(decoded, space, (n, table) => {
        expect(table).toBe(tables.get(n));
        decoded[n] = values[n];
      });
    },
  );

  it('uses every context of a channel', () => {
    const channels = 4;
    const contexts = contextsOf(channels, 5, 2 ** 18);
    const values = Int32Array.from({ length: channels * 400 }, () => whole(9));
    const seen = new Set<number>();
    visitHyperLatents(values, { channels, width: 20, contexts, firstRow: 0 }, (_, table) => seen.add(table));
    expect([...seen].sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
  });

  it('without contexts goes channel by channel, with one table for each', () => {
    const visited: [number, number][] = [];
    visitHyperLatents(new Int32Array(6), { channels: 3, width: 2, firstRow: 9 }, (n, table) =>
      visited.push([n, table]),
    );
    expect(visited).toEqual([
      [0, 9],
      [1, 9],
      [2, 10],
      [3, 10],
      [4, 11],
      [5, 11],
    ]);
    expect([contextCount(undefined, 3), contextCount(contextsOf(3, 7, 9), 3)]).toEqual([1, 7]);
  });
});
