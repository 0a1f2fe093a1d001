/**
 * A part of an evaluation's pictures, so that many machines share one: shard i of n has every n-th picture, from the i-th on.
 * Indices count from 1 on the command line and here; job arrays count as their schedulers do.
 */
import { UsageError } from '../src/errors.js';

/** The `index`-th of `count` shards, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

function wholeNumber(environment: Environment, name: string): number | undefined {
  const text = environment[name];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`${name}: expected a whole number, got '${text}'`);
  return Number(text);
}

/** Where schedulers say which of how many a task is, counted from `first`. */
function fromEnvironment(environment: Environment): Shard | undefined {
  const number = (name: string): number | undefined => wholeNumber(environment, name);
  const completion = number('JOB_COMPLETION_INDEX');
  if (completion !== undefined) {
    const count = number('JOB_COMPLETIONS');
    if (count === undefined) {
      throw new UsageError(
        "--shard auto: expected JOB_COMPLETIONS beside JOB_COMPLETION_INDEX; set it to the job's completions",
      );
    }
    return { index: completion + 1, count };
  }
  const task = number('SLURM_ARRAY_TASK_ID');
  if (task === undefined) return undefined;
  const first = number('SLURM_ARRAY_TASK_MIN') ?? 0;
  const step = number('SLURM_ARRAY_TASK_STEP') ?? 1;
  return { index: (task - first) / step + 1, count: number('SLURM_ARRAY_TASK_COUNT') ?? 0 };
}

/**
 * Reads `i/n`, or `auto`: the index of a Kubernetes indexed job (JOB_COMPLETION_INDEX of JOB_COMPLETIONS, which the job
 * sets itself) or of a SLURM job array (SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT, with _MIN and _STEP).
 *
 * @throws UsageError for other texts, for an index that is not from 1 to n, and where `auto` finds no index
 * @example
 * parseShard('2/3', {}); // => {"index":2,"count":3}
 */
export function parseShard(text: string, environment: Environment): Shard {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard =
    text === 'auto'
      ? fromEnvironment(environment)
      : count === undefined
        ? undefined
        : { index: Number(index), count: Number(count) };
  if (!shard) {
    const expected =
      text === 'auto'
        ? 'JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID to be set'
        : "'auto' or i/n, such as 1/3";
    throw new UsageError(`--shard: expected ${expected}, got ${text === 'auto' ? 'neither' : `'${text}'`}`);
  }
  if (!Number.isInteger(shard.index) || shard.index < 1 || shard.index > shard.count) {
    throw new UsageError(
      `--shard: expected an index from 1 to the number of shards, got ${shard.index} of ${shard.count}`,
    );
  }
  return shard;
}

/**
 * The entries of a shard.
 *
 * @example
 * shardOf(['a', 'b', 'c', 'd'], { index: 2, count: 3 }); // => ["b"]
 */
export function shardOf<T>(entries: readonly T[], { index, count }: Shard): T[] {
  return entries.filter((_, n) => n % count === index - 1);
}
