import { describe, expect, it } from 'vitest';
import { encodeWithReport } from '../../codec/encode.js';
import { loadModel } from '../../codec/model/load.js';
import { meanCurve } from '../../eval/measure.js';
import { centreCrop, deadZoneOf, sweepPicture, sweepSettings } from '../../eval/quantizer-sweep.js';
import { sweepTable } from '../../eval/sweep.js';
import { UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { samplePicture, tinyModelPath } from './pictures.js';

const values = { quantizers: ['deadzone', 'rdoq', 'round'], lagrangians: [0, 0.1], offsets: [0.4, 0.5] };

describe('sweepSettings', () => {
  it('puts round first and gives every quantizer its own values', () => {
    expect(sweepSettings(values).map(({ name }) => name)).toEqual([
      'round',
      'deadzone 0.4',
      'deadzone 0.5',
      'rdoq 0',
      'rdoq 0.1',
    ]);
    expect(() => sweepSettings({ ...values, quantizers: ['magic'] })).toThrow(UsageError);
    expect(() => deadZoneOf(0.6)).toThrow(/from 0 to 0.5, got 0.6/);
  });
});

describe('sweepPicture', () => {
  it('gives the bytes of whole files, and what theory says about settings', async () => {
    const model = await loadModel(tinyModelPath);
    const picture = samplePicture(100);
    const qualities = [10, 35, 60, 85];
    const settings = sweepSettings(values);
    const swept = await sweepPicture(model, picture, settings, { qualities, engine: 'wasm', threads: 0 });
    for (const [n, quality] of qualities.entries()) {
      const options = { model, quality, engine: 'wasm', metadata: false } as const;
      const { bytes } = await encodeWithReport(picture.image, {
        ...options,
        quantizer: 'rdoq',
        lagrangian: 0.1,
      });
      expect(swept['rdoq 0.1'][n].bytes).toBe(bytes.length);
      // A bit that costs nothing, and a dead zone of no extra width, are rounding (but for exact halves).
      expect(swept['rdoq 0'][n].bytes).toBe(swept.round[n].bytes);
      expect(swept['deadzone 0.5'][n].bytes).toBe(swept.round[n].bytes);
      expect(swept['deadzone 0.4'][n].bytes).toBeLessThan(swept.round[n].bytes);
    }
    const table = sweepTable(settings.map((setting) => ({ setting, curve: meanCurve(swept[setting.name]) })));
    expect(table.split('\n')).toHaveLength(6);
    expect(table).toMatch(/\nround +0\.00 +0\.00 +0\.00 /);
  });
});

it('crops the middle', () => {
  const image = createImage(
    5,
    3,
    1,
    Uint8Array.from({ length: 15 }, (_, n) => n),
  );
  expect([...centreCrop(image, 2).data]).toEqual([1, 2, 6, 7]);
  expect(centreCrop(image, 0).data).toEqual(image.data);
  expect([...centreCrop(image, 4).data]).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13]);
});
