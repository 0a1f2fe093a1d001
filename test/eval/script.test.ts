import { describe, expect, it } from 'vitest';
import { datasetOption, listOption, numberOption, numbersOption, parseOptions } from '../../eval/script.js';
import { UsageError } from '../../src/errors.js';
import { pictureFolder } from './step-codec.js';

const { path } = pictureFolder();

describe('options', () => {
  it('are read with their bounds', () => {
    const options = { limit: { type: 'string' }, fresh: { type: 'boolean' } } as const;
    expect(parseOptions(['--limit', '3', '--fresh'], options)).toMatchObject({ limit: '3', fresh: true });
    expect(() => parseOptions(['--limt', '3'], options)).toThrow(UsageError);
    expect(() => parseOptions(['more'], options)).toThrow(UsageError);
    expect(numberOption('--limit', undefined, 7, [1, 9])).toBe(7);
    expect(numberOption('--limit', '3', 7, [1, 9])).toBe(3);
    expect(() => numberOption('--limit', '', 7, [0, 9])).toThrow(
      /--limit: expected a number from 0 to 9, got ''/,
    );
    expect(() => numberOption('--limit', '10', 7, [0, 9])).toThrow(UsageError);
    expect(numbersOption('--q', '1, 2,3', [], [0, 9])).toEqual([1, 2, 3]);
    expect(listOption('', ['a'])).toEqual([]);
    expect(listOption(undefined, ['a'])).toEqual(['a']);
  });

  it('choose one data set', async () => {
    await expect(datasetOption({ dataset: 'kodak', images: path() }, 'kodak')).rejects.toThrow(/only one of/);
    await expect(datasetOption({ validation: true, data: path() }, 'kodak')).rejects.toThrow(/^validation: /);
    await expect(datasetOption({ data: path() }, 'kodak')).rejects.toThrow(/^kodak: /);
  });
});
