/**
 * What signed binary filters cost to apply: density (weights that are not 0), repetition (patterns of a few weights that
 * several filters share) and additions, against one multiplication and addition per weight of a dense filter.
 *
 * The model: filters are cut into tiles of some inputs. Each distinct pattern of a tile that has ones is summed once per
 * position, (ones - 1) additions; each filter then adds up the sums of its tiles that are not empty. Signs come last and
 * are free. Source: Kuhar et al., PLUM (arXiv 2312.01581), after SumMerge; the cost model is our own.
 */
import { UsageError } from '../errors.js';

export interface SignedBinaryCost {
  /** Part of the weights that are not 0. */
  readonly density: number;
  /** Part of the tiles whose pattern another filter has already summed, or that are empty. */
  readonly repetition: number;
  /** Additions per output position of the layer. */
  readonly additions: number;
  /** Multiplications and additions per output position of the same layer with dense weights. */
  readonly denseOperations: number;
}

/**
 * Cost of a layer.
 *
 * @param codes 0 or 1, [filters, weights of a filter]
 * @param filters whole number that divides the codes
 * @param tile weights of a tile, 1 to 16
 * @throws UsageError for other numbers
 * @example
 * signedBinaryCost(Uint8Array.of(1, 1, 0, 1, 1, 1, 0, 0), 2, 4).additions; // => 3
 */
export function signedBinaryCost(codes: Uint8Array, filters: number, tile = 8): SignedBinaryCost {
  if (!(Number.isInteger(filters) && filters >= 1 && codes.length % filters === 0)) {
    throw new UsageError(`signed binary: expected filters that divide ${codes.length} codes, got ${filters}`);
  }
  if (!(Number.isInteger(tile) && tile >= 1 && tile <= 16)) {
    throw new UsageError(`signed binary: expected tiles of 1 to 16 weights, got ${tile}`);
  }
  const columns = codes.length / filters;
  const tiles = Math.ceil(columns / tile);
  const used = new Uint16Array(filters);
  let ones = 0;
  let distinct = 0;
  let additions = 0;
  for (let start = 0; start < columns; start += tile) {
    const seen = new Set<number>();
    for (let filter = 0; filter < filters; filter++) {
      let pattern = 0;
      let count = 0;
      for (let column = start; column < Math.min(columns, start + tile); column++) {
        const bit = codes[filter * columns + column];
        pattern = (pattern << 1) | bit;
        count += bit;
      }
      ones += count;
      if (pattern === 0) continue;
      used[filter]++;
      if (seen.has(pattern)) continue;
      seen.add(pattern);
      distinct++;
      additions += count - 1;
    }
  }
  for (const count of used) additions += Math.max(0, count - 1);
  return {
    density: codes.length === 0 ? 0 : ones / codes.length,
    repetition: tiles === 0 ? 0 : 1 - distinct / (tiles * filters),
    additions,
    denseOperations: codes.length,
  };
}
