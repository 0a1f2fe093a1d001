import { describe, expect, it } from 'vitest';
import { parseShard, shardOf } from '../../eval/shard.js';
import { UsageError } from '../../src/errors.js';

describe('parseShard', () => {
  it.each<[string, Record<string, string>, number, number]>([
    ['1/1', {}, 1, 1],
    ['2/7', { JOB_COMPLETION_INDEX: '0' }, 2, 7],
    ['auto', { JOB_COMPLETION_INDEX: '0', JOB_COMPLETIONS: '3' }, 1, 3],
    ['auto', { JOB_COMPLETION_INDEX: '2', JOB_COMPLETIONS: '3' }, 3, 3],
    ['auto', { SLURM_ARRAY_TASK_ID: '0', SLURM_ARRAY_TASK_COUNT: '4' }, 1, 4],
    ['auto', { SLURM_ARRAY_TASK_ID: '4', SLURM_ARRAY_TASK_COUNT: '4', SLURM_ARRAY_TASK_MIN: '1' }, 4, 4],
    [
      'auto',
      {
        SLURM_ARRAY_TASK_ID: '20',
        SLURM_ARRAY_TASK_COUNT: '3',
        SLURM_ARRAY_TASK_MIN: '10',
        SLURM_ARRAY_TASK_STEP: '5',
      },
      3,
      3,
    ],
  ])('%s with %o is %d of %d', (text, environment, index, count) => {
    expect(parseShard(text, environment)).toEqual({ index, count });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['0/3', {}, /from 1 to the number of shards, got 0 of 3/],
    ['4/3', {}, /got 4 of 3/],
    ['1', {}, /expected 'auto' or i\/n, such as 1\/3, got '1'/],
    ['-1/3', {}, /got '-1\/3'/],
    ['auto', {}, /JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID to be set, got neither/],
    ['auto', { JOB_COMPLETION_INDEX: '0' }, /expected JOB_COMPLETIONS beside/],
    [
      'auto',
      { JOB_COMPLETION_INDEX: 'one', JOB_COMPLETIONS: '3' },
      /INDEX: expected a whole number, got 'one'/,
    ],
    ['auto', { SLURM_ARRAY_TASK_ID: '3' }, /got 4 of 0/],
  ])('refuses %s with %o', (text, environment, reason) => {
    expect(() => parseShard(text, environment)).toThrow(UsageError);
    expect(() => parseShard(text, environment)).toThrow(reason);
  });
});

describe('shardOf', () => {
  it('gives every entry to one shard, evenly', () => {
    const entries = Array.from({ length: 23 }, (_, n) => n);
    for (const count of [1, 2, 5, 23, 30]) {
      const shards = Array.from({ length: count }, (_, n) => shardOf(entries, { index: n + 1, count }));
      expect(shards.flat().sort((a, b) => a - b)).toEqual(entries);
      const sizes = shards.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
  });
});
