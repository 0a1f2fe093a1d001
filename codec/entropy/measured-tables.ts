/**
 * Frequency tables from any distribution: probabilities of a learned prior, or counts of what a quantizer really
 * wrote. Layout as in tables.ts: symbols first, the escape last. Invariant: no entry has probability zero, so
 * whatever comes can be coded. Build time only; results are stored as integers in the model file.
 */
import { UsageError } from '../../src/errors.js';
import { quantizeFrequencies, symmetrise } from './quantize-frequencies.js';
import type { TableIndices } from './rans.js';
import { FREQUENCY_TOTAL, TableSet } from './tables.js';

const EXCESS_TOLERANCE = 1e-6;

/** Mass at either end of a distribution that is left to the escape. */
const outsideMass = 2 ** -15;

/**
 * The part of a distribution between ends that hardly ever come.
 *
 * @param probabilities - of `firstSymbol`, `firstSymbol + 1`, ...
 * @example
 * Array.from(trimProbabilities(Float64Array.of(1e-6, 0.5, 0.5, 0), -1).probabilities); // => [0.5, 0.5]
 */
export function trimProbabilities(
  probabilities: Float64Array,
  firstSymbol: number,
): { readonly firstSymbol: number; readonly probabilities: Float64Array } {
  let low = 0;
  let high = probabilities.length - 1;
  for (let mass = probabilities[low]; low < high && mass < outsideMass; mass += probabilities[low]) low++;
  for (let mass = probabilities[high]; low < high && mass < outsideMass; mass += probabilities[high]) high--;
  return { firstSymbol: firstSymbol + low, probabilities: probabilities.slice(low, high + 1) };
}

/** How `tablesFromCounts` fills what was seen rarely or never. */
export interface CountOptions {
  /** Distribution that the counts are blended with, of the same layout; without it a flat one. */
  readonly prior?: TableSet;
  /** Observations that the prior is worth, per table, above 0. */
  readonly priorWeight: number;
}

/** Options that `tablesFromCounts` takes where the caller names none. */
export const defaultCountOptions: CountOptions = Object.freeze({ priorWeight: 32 });

/**
 * One table per probability mass function; what it leaves of 1 goes to the escape.
 *
 * @param probabilities - per table the probabilities of `firstSymbols[t]`, `firstSymbols[t] + 1`, ...; sum at most 1
 * @param firstSymbols - smallest symbol of each table
 * @throws UsageError if lengths disagree, a probability is negative, or a sum exceeds 1
 * @throws FormatError if a first symbol is no integer within ±2^30
 * @example
 * const tables = tablesFromProbabilities([Float64Array.of(0.25, 0.5, 0.125)], [-1]);
 * Array.from(tables.table(0).frequencies); // => [16384, 32768, 8192, 8192]
 */
export function tablesFromProbabilities(
  probabilities: readonly Float64Array[],
  firstSymbols: ArrayLike<number>,
): TableSet {
  checkTableCount(probabilities.length, firstSymbols.length);
  return TableSet.fromTables(
    probabilities.map((pmf, t) => {
      const mass = pmf.reduce((sum, p) => sum + p, 0);
      if (!(mass <= 1 + EXCESS_TOLERANCE)) {
        throw new UsageError(
          `Expected at most 1 for the sum of probabilities of table ${t} but received ${mass}`,
        );
      }
      const weights = new Float64Array(pmf.length + 1);
      weights.set(pmf);
      weights[pmf.length] = Math.max(0, 1 - mass);
      return { firstSymbol: firstSymbols[t], frequencies: quantizeFrequencies(weights) };
    }),
  );
}

/**
 * One table per histogram, blended with a prior so that nothing has probability zero.
 *
 * @param counts - per table the counts of `firstSymbols[t]`, `firstSymbols[t] + 1`, ..., and last of escapes; >= 0
 * @param firstSymbols - smallest symbol of each table
 * @param options - the prior and its weight, in observations
 * @throws UsageError if lengths or layouts disagree, a count is negative, or the weight is not above 0
 * @throws FormatError if a first symbol is no integer within ±2^30
 * @example
 * const tables = tablesFromCounts([Float64Array.of(10, 80, 10, 0)], [-1], { priorWeight: 4 });
 * Array.from(tables.table(0).frequencies); // => [6932, 51042, 6932, 630]
 */
export function tablesFromCounts(
  counts: readonly ArrayLike<number>[],
  firstSymbols: ArrayLike<number>,
  options: Partial<CountOptions> = {},
): TableSet {
  const { prior, priorWeight } = { ...defaultCountOptions, ...options };
  checkTableCount(counts.length, firstSymbols.length);
  if (!(priorWeight > 0 && priorWeight < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`Expected a positive number for priorWeight but received ${priorWeight}`);
  }
  if (prior && prior.count !== counts.length) {
    throw new UsageError(`Expected ${counts.length} tables for the prior but received ${prior.count}`);
  }
  return TableSet.fromTables(
    counts.map((histogram, t) => {
      const expected = prior ? priorOf(prior, t, firstSymbols[t], histogram.length) : undefined;
      const weights = Float64Array.from(histogram, (count, i) => {
        if (!(count >= 0))
          throw new UsageError(`Expected counts of 0 or more for table ${t} but received ${count}`);
        return count + priorWeight * (expected ? expected[i] / FREQUENCY_TOTAL : 1 / histogram.length);
      });
      return { firstSymbol: firstSymbols[t], frequencies: quantizeFrequencies(weights) };
    }),
  );
}

/**
 * Tables of a distribution that is alike in the sign: an observation of an integer is one of its negative too, and the
 * frequencies of both come out equal.
 *
 * @param counts - as for `tablesFromCounts`, in the layout of the prior, whose tables are symmetric about 0
 * @param prior - the distribution that the counts are blended with
 * @param priorWeight - observations that the prior is worth, per table, above 0
 * @example
 * const prior = gaussianTables([0.5]);
 * const counts = Array.from(prior.sizes, (size) => new Float64Array(size).fill(1));
 * const { frequencies } = symmetricTables(counts, prior, 8).table(0);
 * frequencies[0] === frequencies[frequencies.length - 2]; // => true
 */
export function symmetricTables(
  counts: readonly Float64Array[],
  prior: TableSet,
  priorWeight: number,
): TableSet {
  const mirrored = counts.map((histogram) => {
    const last = histogram.length - 2;
    return histogram.map((count, i) => (i > last ? 2 * count : count + histogram[last - i]));
  });
  const tables = tablesFromCounts(mirrored, prior.firstSymbols, { prior, priorWeight: 2 * priorWeight });
  return TableSet.fromTables(
    Array.from({ length: tables.count }, (_, t) => {
      const { firstSymbol, frequencies } = tables.table(t);
      return { firstSymbol, frequencies: symmetrise(frequencies, -firstSymbol) };
    }),
  );
}

/**
 * Histograms of values in the layout that `tablesFromCounts` takes; what a table does not hold counts as escape.
 *
 * @param layout - gives each table's first symbol and size
 * @param tableIndices - table per value, aligned with `values`
 * @param values - any int32
 * @param counts - histograms of an earlier call to add to
 * @throws UsageError if lengths disagree or a table index is not below `layout.count`
 * @example
 * const tables = TableSet.fromTables([{ firstSymbol: 0, frequencies: Uint32Array.of(65535, 1) }]);
 * const [histogram] = countSymbols(tables, new Uint8Array(3), Int32Array.of(0, 7, 0));
 * Array.from(histogram); // => [2, 1]
 */
export function countSymbols(
  layout: TableSet,
  tableIndices: TableIndices,
  values: Int32Array,
  counts: Float64Array[] = Array.from(layout.sizes, (size) => new Float64Array(size)),
): Float64Array[] {
  if (tableIndices.length !== values.length) {
    throw new UsageError(
      `Expected ${values.length} table indices for the values but received ${tableIndices.length}`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    const table = tableIndices[i];
    const index = layout.symbolIndex(table, values[i]);
    counts[table][index]++;
  }
  return counts;
}

function priorOf(prior: TableSet, table: number, firstSymbol: number, size: number): Uint32Array {
  if (prior.firstSymbols[table] !== firstSymbol || prior.sizes[table] !== size) {
    const received = `${prior.sizes[table]} from ${prior.firstSymbols[table]}`;
    throw new UsageError(
      `Expected ${size} entries from ${firstSymbol} for prior table ${table} but received ${received}`,
    );
  }
  return prior.table(table).frequencies;
}

function checkTableCount(tables: number, firstSymbols: number): void {
  if (tables !== firstSymbols) {
    throw new UsageError(`Expected ${tables} first symbols for as many tables but received ${firstSymbols}`);
  }
}
