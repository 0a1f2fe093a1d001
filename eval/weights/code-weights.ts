/**
 * Weights as the streams of a model file have them (codec/model/weight-stream.ts): a step for each tensor that gives it the
 * wanted number of bits, a scale for each row, levels by the trellis search of the quantizer `tcq8`, and tables that are counted
 * over the levels of all tensors, because weights are not quite normal. Steps in units of the weights, bits by level.
 */
import { countSymbols, scaleTable, symmetricTables, TableSet } from '../../codec/entropy/index.js';
import { normalTables } from '../../codec/model/latent-tables.js';
import { scalesOfWeights, tablesOfLevels, type WeightLevels } from '../../codec/model/weight-stream.js';
import { quantizerOf } from '../../codec/quantizers/registry.js';
import { UsageError } from '../../src/errors.js';

/** One tensor to code. */
export interface WeightsToCode {
  readonly name: string;
  /** Rows of equal length, one after the other. */
  readonly rows: number;
  readonly values: Float32Array;
  /** Of a level, on average. */
  readonly bits: number;
}

export interface CodedWeights {
  readonly tables: TableSet;
  readonly levels: ReadonlyMap<string, WeightLevels>;
}

/** Standard deviations of rows, in steps: three to an octave. */
const [leastDeviation, deviationsPerOctave, deviationCount] = [0.25, 3, 36] as const;
const mostDeviation = leastDeviation * 2 ** ((deviationCount - 1) / deviationsPerOctave);
/**
 * Price of a bit in squared steps: what a bit saves where there are many. The error of the search is about 0.25 squared steps,
 * and a bit quarters it.
 */
const pricePerSquaredStep = 2 * Math.LN2 * 0.25;
/** Steps are searched until a tensor has the wanted bits to this. */
const tolerance = 0.005;
const mostTries = 8;
/** Levels that the normal tables are worth, in each table: they have hundreds of entries. */
const priorWeight = 1024;

const quantizer = quantizerOf('tcq8');

function rowDeviations({ rows, values }: WeightsToCode): Float64Array {
  const width = values.length / rows;
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let n = row * width; n < (row + 1) * width; n++) sum += values[n] ** 2;
    return Math.sqrt(sum / width);
  });
}

function rowScales(deviations: Float64Array, step: number): Uint8Array {
  return Uint8Array.from(deviations, (deviation) => {
    const index = Math.round(deviationsPerOctave * Math.log2(deviation / step / leastDeviation));
    return Math.min(Math.max(index, 0), deviationCount - 1);
  });
}

function search(
  { values }: WeightsToCode,
  deviations: Float64Array,
  step: number,
  tables: TableSet,
): WeightLevels {
  const scales = rowScales(deviations, step);
  const levels = quantizer.quantize({
    residuals: values,
    scaleIndices: scalesOfWeights(scales, values.length),
    tables,
    step,
    lagrangian: pricePerSquaredStep * step ** 2,
  });
  return { step, rowScales: scales, levels };
}

function bitsOf(found: WeightLevels, tables: TableSet): number {
  const tableIndices = tablesOfLevels(found);
  let bits = 0;
  found.levels.forEach((level, n) => {
    bits += tables.bits(tableIndices[n], level);
  });
  return bits / found.levels.length;
}

/** The step with which a tensor takes its bits: one bit more for half of it, nearly. */
function stepFor(weights: WeightsToCode, deviations: Float64Array, tables: TableSet): number {
  const { bits, values } = weights;
  const rest = deviations.filter((deviation) => deviation > 0);
  if (rest.length === 0) return 1;
  const mean = rest.reduce((sum, deviation) => sum + Math.log2(deviation), 0) / rest.length;
  // Entropy of a normal variable, less the two grids that a level's quantizers split between them.
  let logStep = mean + Math.log2(Math.sqrt(2 * Math.PI * Math.E) / 2) - bits;
  for (let tries = 0; tries < mostTries; tries++) {
    const step = Math.fround(2 ** logStep);
    const excess = bitsOf(search(weights, deviations, step, tables), tables) - bits;
    if (Math.abs(excess) < tolerance) break;
    logStep += excess;
  }
  const step = Math.fround(2 ** logStep);
  if (!(step > 0 && step < Number.POSITIVE_INFINITY)) {
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    throw new UsageError(
      `tensor ${weights.name}: expected weights that ${bits} bits can stand for, got ${most}`,
    );
  }
  return step;
}

/**
 * Levels of tensors at their numbers of bits, and the tables of all of them.
 *
 * @param tensors finite weights
 * @throws UsageError for bits that no step gives
 * @example
 * const values = Float32Array.from({ length: 512 }, (_, n) => Math.sin(n * n));
 * const { levels } = codeWeights([{ name: 'w', rows: 8, values, bits: 6 }]);
 * weightsOfLevels(levels.get('w')!).every((value, n) => Math.abs(value - values[n]) < 0.1); // => true
 */
export function codeWeights(tensors: readonly WeightsToCode[]): CodedWeights {
  const normal = normalTables('tcq8', scaleTable(deviationCount, leastDeviation, mostDeviation), 1);
  const prepared = tensors.map((weights) => {
    const deviations = rowDeviations(weights);
    return { weights, deviations, step: stepFor(weights, deviations, normal) };
  });
  const searched = (tables: TableSet): Map<string, WeightLevels> =>
    new Map(
      prepared.map(({ weights, deviations, step }) => [
        weights.name,
        search(weights, deviations, step, tables),
      ]),
    );
  const counts = Array.from(normal.sizes, (size) => new Float64Array(size));
  for (const found of searched(normal).values()) {
    countSymbols(normal, tablesOfLevels(found), found.levels, counts);
  }
  const tables = symmetricTables(counts, normal, priorWeight);
  return onlyUsed(tables, searched(tables));
}

/** The same with the tables alone that some row uses. */
function onlyUsed(tables: TableSet, levels: ReadonlyMap<string, WeightLevels>): CodedWeights {
  const used = new Set([...levels.values()].flatMap((found) => [...found.rowScales]));
  const kept = [...used].sort((a, b) => a - b);
  const pairs = kept.flatMap((scale) => [tables.table(2 * scale), tables.table(2 * scale + 1)]);
  const renumbered = [...levels].map(([name, found]): [string, WeightLevels] => [
    name,
    { ...found, rowScales: found.rowScales.map((scale) => kept.indexOf(scale)) },
  ]);
  return { tables: TableSet.fromTables(pairs), levels: new Map(renumbered) };
}
