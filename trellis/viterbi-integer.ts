/**
 * The search in integers (fixed-point.ts), in TypeScript: the twin that says what the WebAssembly kernel must decide,
 * the fallback for machines that the kernel does not take, and the search where WebAssembly is missing.
 *
 * It keeps whole path costs: sums of fewer than 2^26 branches stay exact in float64, and what the kernel subtracts does
 * not change a comparison. Ties: the first candidate, the even predecessor, the lowest final label (butterflies.ts).
 */
import { trellisForm } from './butterflies.js';
import {
  type CostTables,
  costLimit,
  costTables,
  gridPrice,
  latentBits,
  powerOfTwo,
  weightBits,
  weightScale,
} from './fixed-point.js';
import { type CheckedTask, latentError, latentLimit } from './task.js';

/** What a search returns. */
export interface SearchResult {
  /** One per latent; 0 where skipped. */
  readonly indices: Int32Array;
  /** Cost of the path in the caller's units, up to the resolution of fixed-point.ts. */
  readonly cost: number;
}

const fixedLimit = latentLimit * powerOfTwo(latentBits);
const one = powerOfTwo(latentBits);
const unitWeight = powerOfTwo(weightBits);

/** Costs and indices of the best candidate of each subset; written by `branches`. */
interface Branches {
  readonly costs: Float64Array;
  readonly indices: Int32Array;
}

/** As in reference.ts, with integer costs. `scaled` is A, `weight` W, `unit` 2^(r - 46). */
function branches(
  out: Branches,
  tables: CostTables,
  t: number,
  scaled: number,
  negative: number,
  weight: number,
  unit: number,
): void {
  const { costs, indices } = out;
  costs.fill(Infinity);
  const distortion = (error: number): number =>
    Math.min(costLimit, Math.floor(error * error * weight * unit + 0.5));
  const consider = (subset: number, k: number, cost: number): void => {
    if (cost < costs[subset]) {
      costs[subset] = cost;
      indices[subset] = k;
    }
  };
  const considerGrid = (i: number, s: number, error: number): void => {
    const k = (i + 1) >>> 1;
    consider(2 * (i & 1) + (k & 1), s ? -k : k, distortion(error) + gridPrice(tables, t, s, i));
  };
  const floor = Math.floor(scaled / one);
  const first = Math.max(1, floor - 1);
  for (let i = first; i < first + 4; i++) considerGrid(i, negative, scaled - i * one);
  if (floor < 2) {
    considerGrid(1, 1 - negative, scaled + one);
    considerGrid(2, 1 - negative, scaled + 2 * one);
  }
  const zero = distortion(scaled);
  consider(0, 0, zero + tables.zeros[2 * t]);
  consider(2, 0, zero + tables.zeros[2 * t + 1]);
}

/**
 * The cheapest indices of a checked task.
 *
 * @throws UsageError for a latent, weight or table index that makes no sense
 */
export function searchIntegers(task: CheckedTask): SearchResult {
  const { latents, step, lagrangian, tables: rates, tableIndices, weights, skip, machine } = task;
  const { states, start, from, subset } = trellisForm(machine);
  const scale = weightScale(weights);
  const tables = costTables(rates, lagrangian && lagrangian / (step * step * scale));
  const perStep = one / step;
  const perWeight = unitWeight / scale;
  const unit = powerOfTwo(tables.costBits - 2 * latentBits - weightBits);

  const count = latents.length;
  const survivors = new Uint8Array(count * states);
  const candidates = new Int32Array(4 * count);
  const out = { costs: new Float64Array(4), indices: new Int32Array(4) };
  let costs = new Float64Array(states).fill(Infinity);
  let extended = new Float64Array(states);
  costs[start] = 0;
  for (let n = 0; n < count; n++) {
    if (skip?.[n]) continue;
    const t = tableIndices ? tableIndices[n] : 0;
    const scaled = Math.floor(Math.abs(latents[n]) * perStep + 0.5);
    const weight = weights ? Math.floor(weights[n] * perWeight + 0.5) : unitWeight;
    const weighs = !weights || (weights[n] >= 0 && weight <= unitWeight);
    if (!(scaled < fixedLimit && t < rates.count && weighs)) throw latentError(task, n);
    branches(out, tables, t, scaled, latents[n] < 0 ? 1 : 0, weight, unit);
    for (let z = 0; z < states; z++) {
      const even = costs[from[2 * z]] + out.costs[subset[2 * z]];
      const odd = costs[from[2 * z + 1]] + out.costs[subset[2 * z + 1]];
      survivors[n * states + z] = odd < even ? 1 : 0;
      extended[z] = Math.min(even, odd);
    }
    [costs, extended] = [extended, costs];
    candidates.set(out.indices, 4 * n);
  }

  let label = 0;
  for (let z = 1; z < states; z++) if (costs[z] < costs[label]) label = z;
  const cost = costs[label] * powerOfTwo(-tables.costBits) * step * step * scale;
  const indices = new Int32Array(count);
  for (let n = count - 1; n >= 0; n--) {
    if (skip?.[n]) continue;
    const way = 2 * label + survivors[n * states + label];
    indices[n] = candidates[4 * n + subset[way]];
    label = from[way];
  }
  return { indices, cost };
}
