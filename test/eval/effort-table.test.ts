/** The table of efforts: rates come from an evaluation, times from codecs that take turns. */
import { describe, expect, it } from 'vitest';
import type { ImageCodec } from '../../eval/codecs.js';
import { bdRateBetween, effortTable, millisecondsInTurn, nearestSetting } from '../../eval/effort-table.js';
import type { Evaluation, MeasuredCodec } from '../../eval/evaluation.js';
import { UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/index.js';

/** A codec whose rates are those of a straight line in decibels, times a factor. */
function measured(name: string, factor: number): MeasuredCodec {
  const curve = [10, 40, 70, 90].map((setting, n) => ({
    setting,
    images: 1,
    bytes: 1000,
    bpp: factor * 0.2 * 2 ** n,
    psnr: 28 + 3 * n,
    pooledPsnr: 28 + 3 * n,
    encodeSeconds: 1,
    decodeSeconds: 1,
  }));
  const perImage = curve.map((point) => ({ ...point, image: 'a.png' }));
  return { name, kind: 'ours', version: name, settings: [10, 40, 70, 90], curve, perImage };
}

const evaluation: Evaluation = {
  formatVersion: 1,
  dataset: 'kodak',
  scope: { images: ['a.png'], complete: false },
  images: [{ name: 'a.png', width: 8, height: 8, sha256: '00' }],
  environments: [],
  codecs: [measured('base rdoq', 1), measured('base tcq8', 0.9), measured('avif', 1.25)],
  comparisons: [],
  failures: [],
};

describe('effort table', () => {
  it('takes BD-rates from the evaluation and leaves out what it lacks', () => {
    expect(bdRateBetween(evaluation, 'base tcq8', 'base rdoq')).toBeCloseTo(-10, 6);
    expect(bdRateBetween(evaluation, 'base tcq8', 'avif')).toBeCloseTo(-28, 6);
    expect(bdRateBetween(evaluation, 'base tcq64', 'avif')).toBeUndefined();
  });

  it('finds the setting with the nearest rate by ratio', () => {
    expect(nearestSetting(measured('avif', 1), 0.29)).toBe(40);
    expect(nearestSetting(measured('avif', 1), 0.28)).toBe(10);
    expect(() => nearestSetting({ ...measured('avif', 1), curve: [] }, 1)).toThrow(
      new UsageError('effort-table: expected points of avif, got none'),
    );
  });

  it('lets codecs take turns and takes medians', async () => {
    const calls: string[] = [];
    const codec = (name: string, seconds: readonly number[]): ImageCodec => {
      let call = 0;
      return {
        name,
        version: name,
        settings: [],
        async encode(_, setting) {
          calls.push(`${name} ${setting}`);
          return { bytes: new Uint8Array(1), seconds: seconds[call++] };
        },
        decode: () => Promise.reject(new Error('not called')),
      };
    };
    const codecs = [
      { codec: codec('a', [9, 0.1, 0.5, 0.2]), setting: 50 },
      { codec: codec('b', [9, 1, 3, 2]), setting: 65 },
    ];
    expect(await millisecondsInTurn(codecs, [createImage(1, 1, 3)], 3)).toEqual([200, 2000]);
    expect(calls).toEqual(Array.from({ length: 4 }, () => ['a 50', 'b 65']).flat());
  });

  it('prints a row for each effort and marks the default', () => {
    const rows = [
      { effort: 3, quantizer: 'rdoq', refinements: 0, toReference: 0, toAvif: -4.64, milliseconds: 400 },
      { effort: 8, quantizer: 'tcq1024', refinements: 1, milliseconds: 1000 },
    ] as const;
    expect(effortTable(rows, 2000).split('\n').slice(2)).toEqual([
      '| 3 | rdoq | 0.0 % | -4.6 % | 400 | 0.20 |',
      '| 8 | tcq1024+1 (default) | - | - | 1000 | 0.50 |',
    ]);
  });
});
