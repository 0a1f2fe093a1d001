/** Batches: everything of a step follows from seed and step; crops lie inside pictures; rate points are stratified. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lambdaOf, networkConfigs } from '../../../codec/networks/config.js';
import { UnsupportedError } from '../../../src/errors.js';
import { type BatchOptions, copyPlanar, drawBatch, rateWeight } from '../../../src/training/batches.js';
import { Photographs } from '../../../src/training/photographs.js';
import { type Batch, buildGradientGraph } from '../../../src/training/trainer.js';
import { type Workplace, workplace } from './support.js';

const { ratePoints } = networkConfigs.tiny;
const options: BatchOptions = { seed: 5, batch: 4, crop: 64, leastScale: 0.6, ratePoints };

let place: Workplace;
let images: Photographs;
let shapes: ReadonlyMap<string, readonly number[]>;

beforeAll(async () => {
  place = workplace(3);
  images = await Photographs.open(place.images, { leastSide: 64 });
  shapes = buildGradientGraph(networkConfigs.tiny, { batch: 4, height: 64, width: 64 }).dataShapes;
});
afterAll(() => place.remove());

const draw = (step: number, change: Partial<BatchOptions> = {}): Promise<Batch> =>
  drawBatch(images, shapes, step, { ...options, ...change });

describe('drawBatch', () => {
  it('fills every data input of the training graph with finite values', async () => {
    const batch = await draw(1);
    expect([...batch.keys()].sort()).toEqual(
      ['hat', 'lambda', 'noise.hyperLatents', 'noise.latents', 'weight', 'x'].sort(),
    );
    for (const [name, values] of batch) {
      const size = shapes.get(name)!.reduce((product, side) => product * side, 1);
      expect(values.length, name).toBe(size);
      expect(values.every(Number.isFinite), name).toBe(true);
      expect(
        values.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
  });

  it('gives the same batch for the same seed and step, in whatever order steps are drawn', async () => {
    const [seventh, eighth] = [await draw(7), await draw(8)];
    const fresh = await Photographs.open(place.images, { leastSide: 64, memory: 0 });
    const again = await drawBatch(fresh, shapes, 8, options);
    expect(again).toEqual(eighth);
    expect(await draw(7)).toEqual(seventh);
    for (const name of ['x', 'lambda', 'noise.latents']) {
      expect(eighth.get(name), name).not.toEqual(seventh.get(name));
      expect((await draw(7, { seed: 6 })).get(name), name).not.toEqual(seventh.get(name));
    }
  });

  it('draws samples and noises that differ from each other', async () => {
    const batch = await draw(3);
    const x = batch.get('x')!;
    const size = x.length / 4;
    for (let k = 1; k < 4; k++) expect(x.subarray(k * size, (k + 1) * size)).not.toEqual(x.subarray(0, size));
    const [a, b] = [batch.get('noise.latents')!, batch.get('noise.hyperLatents')!];
    expect(a.subarray(0, 16)).not.toEqual(b.subarray(0, 16));
  });

  it('gives each sample a quality of its own part of the scale', async () => {
    for (let step = 1; step <= 20; step++) {
      const batch = await draw(step);
      for (let n = 0; n < 4; n++) {
        const lambda = batch.get('lambda')![n];
        expect(lambda).toBeGreaterThanOrEqual(Math.fround(lambdaOf(25 * n)));
        expect(lambda).toBeLessThanOrEqual(Math.fround(lambdaOf(25 * (n + 1))));
        const hat = batch.get('hat')!.subarray(n * ratePoints, (n + 1) * ratePoints);
        expect(hat.reduce((sum, value) => sum + value)).toBeCloseTo(1, 6);
        expect(hat.filter((value) => value !== 0).length).toBeLessThanOrEqual(2);
      }
    }
  });

  it('keeps pictures in [0,1]', async () => {
    for (let step = 1; step <= 10; step++) {
      const x = (await draw(step)).get('x')!;
      expect(x.every((value) => value >= 0 && value <= 1)).toBe(true);
    }
  });

  it('gives up with a typed error where no picture can be read', async () => {
    const none = { count: 2, get: async () => undefined } as unknown as Photographs;
    await expect(drawBatch(none, shapes, 1, options)).rejects.toBeInstanceOf(UnsupportedError);
  });
});

describe('copyPlanar', () => {
  const data = Uint8Array.from({ length: 4 * 3 * 3 }, (_, k) => 5 * k);
  const source = { width: 4, height: 3, data };
  const copy = (mirror: boolean): Float32Array => {
    const out = new Float32Array(12);
    copyPlanar(source, 1, 1, 2, mirror, out, 0);
    return out.map((value) => Math.round((255 * value) / 5));
  };

  it('turns interleaved samples into planes', () => {
    expect([...copy(false)]).toEqual([15, 18, 27, 30, 16, 19, 28, 31, 17, 20, 29, 32]);
  });

  it('mirrors left and right', () => {
    expect([...copy(true)]).toEqual([18, 15, 30, 27, 19, 16, 31, 28, 20, 17, 32, 29]);
  });
});

it('high rates weigh less, quality 50 weighs 1', () => {
  expect(rateWeight(50)).toBe(1);
  for (let quality = 10; quality <= 100; quality += 10) {
    expect(rateWeight(quality)).toBeLessThan(rateWeight(quality - 10));
  }
});
