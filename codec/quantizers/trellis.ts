/**
 * Trellis-coded quantizers: the search of trellis/ with the tables of the file as prices. Each scale index has two
 * tables, one per quantizer of the state machine; one search runs over each context pass of a tile.
 */
import { type MachineName, machines, quantizeTrellis, RateTables } from '../../trellis/index.js';
import type { TableSet } from '../entropy/index.js';
import type { QuantizerName } from '../format/index.js';
import type { LatentQuantizer } from './quantizer.js';

const known = new WeakMap<TableSet, RateTables>();

/**
 * Prices of a set that holds two tables per scale index: the bits that the coder spends.
 *
 * @example
 * const pair = { firstSymbol: 0, frequencies: Uint32Array.of(32768, 32768) };
 * rateTablesOf(TableSet.fromTables([pair, pair])).bits(0, 1, 0); // => 1
 */
export function rateTablesOf(tables: TableSet): RateTables {
  let rates = known.get(tables);
  if (!rates) {
    const { costs, offsets, firstSymbols, count } = tables;
    rates = RateTables.fromRows(
      Array.from({ length: count }, (_, row) => {
        const last = offsets[row + 1] - 1;
        return {
          first: firstSymbols[row],
          bits: costs.subarray(offsets[row], last),
          escapeBits: costs[last],
        };
      }),
    );
    known.set(tables, rates);
  }
  return rates;
}

function trellisQuantizer(name: QuantizerName, machine: MachineName): LatentQuantizer {
  return {
    name,
    machine: machines[machine],
    quantize: ({ residuals, scaleIndices, tables, step, lagrangian }) =>
      quantizeTrellis({
        latents: residuals,
        step,
        lagrangian,
        tables: rateTablesOf(tables),
        tableIndices: scaleIndices,
        machine,
      }),
  };
}

/** One quantizer per number of states. */
export const trellisQuantizers: readonly LatentQuantizer[] = [
  trellisQuantizer('tcq4', 'vvc4'),
  trellisQuantizer('tcq8', 'av2-8'),
  trellisQuantizer('tcq16', 'ungerboeck16'),
  trellisQuantizer('tcq32', 'ungerboeck32'),
  trellisQuantizer('tcq64', 'ungerboeck64'),
  trellisQuantizer('tcq128', 'ungerboeck128'),
  trellisQuantizer('tcq256', 'ungerboeck256'),
  trellisQuantizer('tcq512', 'searched512'),
  trellisQuantizer('tcq1024', 'searched1024'),
];
