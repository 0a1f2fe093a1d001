/**
 * Makes the entropy tables of a model from its trained weights: tables of the hyper-latents' prior for every channel and
 * rate point and, until they are counted, those of normal latents (latent-tables.ts). Runs once, when a model is made; files and decoders only
 * ever see the integers.
 */

import { evaluate } from '../../src/graph/evaluate.js';
import { Graph } from '../../src/graph/index.js';
import { scaleTable, type TableSet, tablesFromProbabilities, trimProbabilities } from '../entropy/index.js';
import type { NetworkConfig } from '../networks/config.js';
import { Parameters, type ParameterValues } from '../networks/parameters.js';
import { priorProbability } from '../networks/prior.js';
import { leastScale, mostScale, scaleCount, scaleIndexFactor } from '../networks/rate-tables.js';
import { defaultQuantizerParts } from './latent-tables.js';
import type { EntropyTables } from './model-file.js';

/** Hyper-latents that tables are made for, in magnitude; others escape. */
export const hyperLatentReach = 128;

/** Tables of the prior: ratePoint * hyperLatents + channel. */
export function hyperLatentTables(config: NetworkConfig, parameters: ParameterValues): TableSet {
  const { ratePoints, hyperLatents } = config;
  const count = 2 * hyperLatentReach + 1;
  const graph = new Graph();
  const p = new Parameters(graph);
  const z = graph.input('z', [ratePoints, hyperLatents, 1, count]);
  const hat = graph.input('hat', [ratePoints, ratePoints]);
  const probability = priorProbability(p, config, z, hat);
  const feeds: Record<string, ArrayLike<number>> = {
    z: Float64Array.from(
      { length: ratePoints * hyperLatents * count },
      (_, k) => (k % count) - hyperLatentReach,
    ),
    hat: Float64Array.from({ length: ratePoints ** 2 }, (_, k) => Number(k % (ratePoints + 1) === 0)),
  };
  for (const name of p.specs.keys()) feeds[name] = parameters.get(name)!;
  const values = evaluate({ probability }, feeds).probability;
  const parts = Array.from({ length: ratePoints * hyperLatents }, (_, table) =>
    trimProbabilities(values.slice(table * count, (table + 1) * count), -hyperLatentReach),
  );
  // Floors on probabilities may bring the sum a little above 1; tables need at most 1.
  const normalised = parts.map(({ probabilities }) => {
    const total = probabilities.reduce((sum, value) => sum + value, 0);
    return total > 1 - 1e-6 ? probabilities.map((value) => (value * (1 - 1e-6)) / total) : probabilities;
  });
  return tablesFromProbabilities(
    normalised,
    parts.map(({ firstSymbol }) => firstSymbol),
  );
}

/** All tables of a model. `firstCoded` is the first scale index that is coded; lower ones are skipped. */
export function entropyTables(
  config: NetworkConfig,
  parameters: ParameterValues,
  firstCoded: number,
): EntropyTables {
  return {
    scales: scaleCount,
    quantizers: defaultQuantizerParts(scaleTable(scaleCount, leastScale, mostScale)),
    hyperLatents: hyperLatentTables(config, parameters),
    // Half an index is added, so that floor picks the nearest scale.
    scaleOffset: Math.fround(Math.log(leastScale) - 0.5 / scaleIndexFactor),
    scaleFactor: Math.fround(scaleIndexFactor),
    firstCoded,
  };
}
