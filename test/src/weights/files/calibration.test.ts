/** GPTQ on files: layers' inputs or their second moments from a file of tensors, and what is wrong with such files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../../../src/training/random.js';
import { Calibration } from '../../../../src/weights/files/calibration.js';
import { openCheckpoint } from '../../../../src/weights/files/open.js';
import { safetensorsOutput } from '../../../../src/weights/files/output.js';
import { planTensors } from '../../../../src/weights/files/plan.js';
import { quantizeCheckpoint } from '../../../../src/weights/files/quantize.js';
import { meetTarget } from '../../../../src/weights/files/target-rate.js';
import { SecondMoments } from '../../../../src/weights/hessian.js';
import { parseScheme } from '../../../../src/weights/index.js';
import { floatsFile, valuesOf, workplace } from './support.js';

const { path, remove } = workplace();
afterAll(remove);

const [rows, columns, samples] = [24, 64, 300];
const random = Random.of(3);
const noise = (count: number): number[] => Array.from({ length: count }, () => random.uniform() - 0.5);
const weights = noise(rows * columns);
/** Inputs that go together: a few sources, mixed, and a little noise. */
const mixing = noise(6 * columns);
const inputs = Array.from({ length: samples }, () => {
  const sources = noise(6);
  return Array.from(
    { length: columns },
    (_, c) =>
      sources.reduce((sum, source, k) => sum + source * mixing[k * columns + c], 0) +
      0.05 * (random.uniform() - 0.5),
  );
}).flat();
const moments = new SecondMoments(columns);
moments.add(Float32Array.from(inputs));
const hessian = moments.mean();

writeFileSync(path('model.safetensors'), floatsFile({ 'a.weight': [[rows, columns], weights] }));
const calibrationFile = (name: string, tensors: Parameters<typeof floatsFile>[0]): string => {
  writeFileSync(path(name), floatsFile(tensors));
  return path(name);
};
const given = calibrationFile('inputs.safetensors', { 'a.weight.inputs': [[samples, columns], inputs] });

async function quantized(output: string, scheme: string, calibrationPath?: string): Promise<Float32Array> {
  const source = await openCheckpoint(path('model.safetensors'));
  const file = calibrationPath === undefined ? undefined : await openCheckpoint(calibrationPath);
  try {
    const calibration = file && new Calibration(file);
    const format = safetensorsOutput({ isFolder: false, packed: false, metadata: {} });
    const planned = planTensors(source, format, { rules: [], fallback: parseScheme(scheme), calibration });
    await quantizeCheckpoint(source, planned, { output: path(output), format, calibration });
  } finally {
    await source.close();
    await file?.close();
  }
  return (await valuesOf(path(output))).get('a.weight')!;
}

/** Mean squared error of the layer's outputs. */
function outputError(values: Float32Array): number {
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    for (let n = 0; n < samples; n++) {
      let error = 0;
      for (let c = 0; c < columns; c++) {
        error += (values[r * columns + c] - weights[r * columns + c]) * inputs[n * columns + c];
      }
      sum += error ** 2;
    }
  }
  return sum / rows / samples;
}

describe('calibration from a file', () => {
  it('makes outputs better than rounding does, and is the same for inputs and their moments', async () => {
    const rounded = await quantized('rounded.safetensors', 'int3-asym::row');
    const fitted = await quantized('gptq.safetensors', 'gptq:3:row', given);
    expect(outputError(fitted)).toBeLessThan(0.6 * outputError(rounded));
    const moments = calibrationFile('moments.safetensors', {
      'a.weight.hessian': [[columns, columns], [...hessian]],
    });
    expect(await quantized('again.safetensors', 'gptq:3:row', moments)).toEqual(fitted);
    expect(readFileSync(path('again.safetensors'))).toEqual(readFileSync(path('gptq.safetensors')));
  });

  it('serves a target of bits per weight', async () => {
    const [source, file] = [await openCheckpoint(path('model.safetensors')), await openCheckpoint(given)];
    try {
      const calibration = new Calibration(file);
      const format = safetensorsOutput({ isFolder: false, packed: false, metadata: {} });
      const planned = planTensors(source, format, { rules: [], fallback: parseScheme('gptq'), calibration });
      const met = await meetTarget(source, format, planned, 3.5, calibration);
      const choice = met.find(({ tensor }) => tensor.name === 'a.weight')!.choice!;
      expect(choice.options.bits).toBe(3);
      expect(choice.options.hessian).toBeUndefined();
    } finally {
      await source.close();
      await file.close();
    }
  });

  it.each<readonly [string, Parameters<typeof floatsFile>[0], RegExp]>([
    ['nothing', {}, /a\.weight: expected a\.weight\.inputs or a\.weight\.hessian, got neither/],
    [
      'other columns',
      {
        'a.weight.inputs': [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
      },
      /a\.weight\.inputs: expected samples x 64, got 2 x 3/,
    ],
    [
      'no square',
      { 'a.weight.hessian': [[1, columns], noise(columns)] },
      /a\.weight\.hessian: expected 64 x 64, got 1 x 64/,
    ],
    [
      'numbers that are none',
      {
        'a.weight.inputs': [
          [1, columns],
          [Number.NaN, ...noise(columns - 1)],
        ],
      },
      /a\.weight\.inputs: expected finite values, got NaN/,
    ],
  ])('is refused with %s', async (name, tensors, reason) => {
    const file = calibrationFile(`${name.replaceAll(' ', '-')}.safetensors`, tensors);
    await expect(quantized('refused.safetensors', 'gptq:3:row', file)).rejects.toThrow(reason);
  });
});
