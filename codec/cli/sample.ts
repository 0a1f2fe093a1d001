/** The sample picture that is shipped with the package, and medians of repeated measurements. */
import { join } from 'node:path';
import { packageRoot } from '../../src/io/index.js';
import { bundledModels, defaultModelName } from '../model/load.js';

/** Path of the sample picture: our own, free to use. */
export const samplePath = (): string => join(packageRoot(), 'assets', 'sample.png');

/** The default model, or the first bundled one where it is not there. */
export async function bestBundledModel(): Promise<string> {
  const names = (await bundledModels()).sort();
  return names.includes(defaultModelName) ? defaultModelName : (names[0] ?? defaultModelName);
}

/** Middle value; the mean of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians of every stage over several runs. */
export function medianStages(runs: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run)))];
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name] ?? 0))]));
}

export const sumOf = (stages: Readonly<Record<string, number>>): number =>
  Object.values(stages).reduce((sum, value) => sum + value, 0);
