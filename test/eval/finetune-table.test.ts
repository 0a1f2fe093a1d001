/** The table of fine-tuning: every quantizer against itself before, and models that cannot be compared are refused. */
import { describe, expect, it } from 'vitest';
import { checkSameEncoder, type FinetuneRow, finetuneTable } from '../../eval/finetune-table.js';
import { UsageError } from '../../src/errors.js';
import { tinyModel } from '../golden/cases.js';

/** A curve whose rates are those of a straight line in decibels, times a factor. */
const curve = (factor: number): FinetuneRow['curve'] =>
  [10, 40, 70, 90].map((quality, n) => ({
    quality,
    bpp: factor * 0.2 * 2 ** n,
    psnr: 28 + 3 * n,
    codingSeconds: 0,
  }));

describe('finetuneTable', () => {
  it('compares every quantizer with itself before, and with rounding before', () => {
    const text = finetuneTable([
      { model: 'base', quantizer: 'round', curve: curve(1) },
      { model: 'tuned', quantizer: 'round', curve: curve(1.01) },
      { model: 'base', quantizer: 'tcq8', curve: curve(0.9) },
      { model: 'tuned', quantizer: 'tcq8', curve: curve(0.882) },
    ]);
    expect(text.split('\n').slice(2)).toEqual([
      '| round | base | 0.00 | 0.00 |',
      '| round | tuned | 1.00 | 1.00 |',
      '| tcq8 | base | 0.00 | -10.00 |',
      '| tcq8 | tuned | -2.00 | -11.80 |',
    ]);
  });
});

describe('checkSameEncoder', () => {
  it('accepts other decoders and names what differs in the encoder', async () => {
    const model = await tinyModel();
    const changed = (name: string) => {
      const values = model.parameters.get(name)!.slice();
      values[0] += 1;
      return { ...model, parameters: new Map([...model.parameters, [name, values]]) };
    };
    expect(() => checkSameEncoder(model, changed('synthesis.in.weight'))).not.toThrow();
    expect(() => checkSameEncoder(model, changed('analysis.in.weight'))).toThrow(
      new UsageError('finetune-table: expected models with one encoder, analysis.in.weight differs'),
    );
  });
});
