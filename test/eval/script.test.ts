import { describe, expect, it } from 'vitest';
import { numberOption, parseOptions } from '../../eval/script.js';
import { UsageError } from '../../src/errors.js';

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
  });
});
