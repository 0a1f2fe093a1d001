/** Sensitivities of a small model, and bits by them: their mean, their order, and that pictures gain. */
import { describe, expect, it } from 'vitest';
import { decode } from '../../../codec/decode.js';
import { encode } from '../../../codec/encode.js';
import { loadModel } from '../../../codec/model/load.js';
import { packModel } from '../../../eval/weights/pack-model.js';
import { transformWeights } from '../../../eval/weights/quantized-weights.js';
import { allocateBits, measureSensitivities } from '../../../eval/weights/sensitivity.js';
import { UsageError } from '../../../src/errors.js';
import { sizeOf } from '../../../src/graph/index.js';
import { mse } from '../../../src/metrics/psnr.js';
import { samplePicture, tinyModelPath } from '../pictures.js';

const model = await loadModel(tinyModelPath);
const { image } = samplePicture(128, 'crop.png');
const tensors = transformWeights(model);
const names = tensors.map(([name]) => name);

/** Mean bits over all weights. */
function meanOf(bits: ReadonlyMap<string, number>): number {
  const total = tensors.reduce((sum, [, shape]) => sum + sizeOf(shape), 0);
  return tensors.reduce((sum, [name, shape]) => sum + bits.get(name)! * sizeOf(shape), 0) / total;
}

describe('bits by sensitivity', { timeout: 180_000 }, () => {
  it('have the wanted mean, and one more for four times the sensitivity of a weight', () => {
    const even = new Map(tensors.map(([name, shape]) => [name, sizeOf(shape)]));
    for (const own of allocateBits(model, even, 4).values()) expect(own).toBeCloseTo(4, 6);
    const [first, second] = names;
    const bits = allocateBits(model, new Map([...even, [first, 4 * even.get(first)!]]), 4);
    expect(bits.get(first)! - bits.get(second)!).toBeCloseTo(1, 6);
    expect(meanOf(bits)).toBeCloseTo(4, 6);
    const extreme = allocateBits(model, new Map(names.map((name, n) => [name, n % 2 ? 0 : 1e12])), 3);
    expect(Math.min(...extreme.values())).toBe(1);
    expect(Math.max(...extreme.values())).toBeLessThanOrEqual(10);
    expect(meanOf(extreme)).toBeCloseTo(3, 6);
  });

  it('are refused where a tensor has no sensitivity, and sensitivities without pictures', async () => {
    expect(() => allocateBits(model, new Map(), 4)).toThrow(
      new UsageError(`tensor ${names[0]}: expected a sensitivity of its weights, got none`),
    );
    await expect(measureSensitivities(model, [])).rejects.toThrow(UsageError);
  });

  it('leave pictures nearer to those of the whole model, in as many bytes', async () => {
    const seen: string[] = [];
    const sensitivities = await measureSensitivities(model, [image], (name) => seen.push(name));
    expect(seen).toEqual(names);
    for (const sensitivity of sensitivities.values()) expect(sensitivity).toBeGreaterThanOrEqual(0);
    const even = packModel(model, 4);
    const uneven = packModel(model, allocateBits(model, sensitivities, 4));
    // Rows of more sizes need more tables, which show in so small a model.
    expect(Math.abs(uneven.length / even.length - 1)).toBeLessThan(0.03);
    const { image: other } = samplePicture(192, 'other.png');
    const coded = async (bytes?: Uint8Array): Promise<number> => {
      const one = bytes ? await loadModel(bytes) : model;
      const options = { model: one, engine: 'wasm', threads: 1 } as const;
      const back = await decode(
        await encode(other, { ...options, quality: 70, quantizer: 'round' }),
        options,
      );
      return mse(other, back);
    };
    const whole = await coded();
    expect((await coded(uneven)) - whole).toBeLessThan(0.7 * ((await coded(even)) - whole));
  });
});
