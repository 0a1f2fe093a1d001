/**
 * The entropy-constrained Viterbi search in float64, written to be read. The fast forms are checked against it.
 *
 * A decoder walks through a machine's states; a path through them together with the indices chosen on the way costs
 *
 *     J = sum over latents of  weight (latent - value)^2 + lagrangian * bits(index | quantizer of the state)
 *
 * The bits depend on the path only through the quantizer, so a latent offers just four branches, (quantizer, parity):
 * the best index of each of the four subsets, whatever the path. Of all paths that meet in a state only the cheapest can
 * be part of the best one (Viterbi 1967), so that one survivor per state is kept, with a back pointer per latent.
 * Units: latents and step in any one unit, weights times its square per bit for the Lagrangian.
 */
import { predecessorsOf, type StateMachine } from './machines.js';

/** Bits of index k of latent n under quantizer q. */
export type RateFunction = (k: number, q: number, n: number) => number;

export interface ReferenceTask {
  readonly latents: ArrayLike<number>;
  /** Distance of neighbouring grid points, above 0. */
  readonly step: number;
  /** Price of a bit: weighted squared error that it must save. */
  readonly lagrangian: number;
  readonly rate: RateFunction;
  readonly machine: StateMachine;
  /** Weight of the squared error of each latent; default 1. */
  readonly weights?: ArrayLike<number> | undefined;
  /** Nonzero where a latent is not coded. */
  readonly skip?: ArrayLike<number> | undefined;
}

export interface ReferenceResult {
  readonly indices: Int32Array;
  /** J of the path in the caller's units, skipped latents not included. */
  readonly cost: number;
}

/** The best index of each subset `2 q + parity` and what it costs. */
interface Branches {
  readonly costs: readonly number[];
  readonly indices: readonly number[];
}

/**
 * Best candidate of each subset. Grid integers b to b+3 with b = max(1, floor(|x|) - 1) hit every residue modulo 4, so
 * every subset once; zero belongs to Q0 and Q1 alike; near zero the other sign is tried too. Ties go to the first.
 */
function branches(x: number, price: (grid: number, k: number, q: number) => number): Branches {
  const costs = [Infinity, Infinity, Infinity, Infinity];
  const indices = [0, 0, 0, 0];
  const consider = (grid: number, k: number, q: number): void => {
    const subset = 2 * q + (k & 1);
    const cost = price(grid, k, q);
    if (cost < costs[subset]) [costs[subset], indices[subset]] = [cost, k];
  };
  const considerGrid = (magnitude: number, sign: number): void =>
    consider(sign * magnitude, sign * Math.floor((magnitude + 1) / 2), magnitude & 1);

  const sign = x < 0 ? -1 : 1;
  const floor = Math.floor(Math.abs(x));
  const first = Math.max(1, floor - 1);
  for (let magnitude = first; magnitude < first + 4; magnitude++) considerGrid(magnitude, sign);
  if (floor < 2) {
    considerGrid(1, -sign);
    considerGrid(2, -sign);
  }
  consider(0, 0, 0);
  consider(0, 0, 1);
  return { costs, indices };
}

/**
 * The cheapest indices for the latents.
 *
 * @example
 * const rate = (k) => (k === 0 ? 1 : 2 + 2 * Math.abs(k));
 * const { indices, cost } = referenceQuantize({ latents: [0.9, -2.2, 0.1], step: 1, lagrangian: 0, rate, machine: machines.vvc4 });
 * Array.from(indices); // => [0, -1, 0]
 * cost.toFixed(2); // => "0.86"
 */
export function referenceQuantize(task: ReferenceTask): ReferenceResult {
  const { latents, step, lagrangian, rate, machine, weights, skip } = task;
  const { states, quantizerOf } = machine;
  const predecessors = predecessorsOf(machine);

  let costs = new Float64Array(states).fill(Infinity);
  costs[0] = 0;
  let extended = new Float64Array(states);
  const survivors = new Uint8Array(latents.length * states);
  const choices: Branches[] = [];

  for (let n = 0; n < latents.length; n++) {
    if (skip?.[n]) continue;
    const weight = weights ? weights[n] : 1;
    const choice = branches(latents[n] / step, (grid, k, q) => {
      const error = latents[n] - grid * step;
      return weight * error * error + lagrangian * rate(k, q, n);
    });
    for (let state = 0; state < states; state++) {
      const [first, second] = predecessors[state].map(
        ({ state: from, parity }) => costs[from] + choice.costs[2 * quantizerOf[from] + parity],
      );
      survivors[n * states + state] = second < first ? 1 : 0;
      extended[state] = Math.min(first, second);
    }
    [costs, extended] = [extended, costs];
    choices[n] = choice;
  }

  let state = costs.indexOf(Math.min(...costs));
  const cost = costs[state];
  const indices = new Int32Array(latents.length);
  for (let n = latents.length - 1; n >= 0; n--) {
    if (skip?.[n]) continue;
    const { state: from, parity } = predecessors[state][survivors[n * states + state]];
    indices[n] = choices[n].indices[2 * quantizerOf[from] + parity];
    state = from;
  }
  return { indices, cost };
}

/**
 * J of given indices, by walking the machine: what a search claims to have minimised.
 *
 * @example
 * const machine = machines.vvc4;
 * pathCost(Int32Array.of(1), { latents: [1.5], step: 1, lagrangian: 0.5, rate: () => 3, machine }); // => 1.75
 */
export function pathCost(indices: Int32Array, task: ReferenceTask): number {
  const { latents, step, lagrangian, rate, weights, skip } = task;
  const { quantizerOf, next } = task.machine;
  let state = 0;
  let cost = 0;
  for (let n = 0; n < latents.length; n++) {
    if (skip?.[n]) continue;
    const q = quantizerOf[state];
    const k = indices[n];
    const error = latents[n] - (2 * k - Math.sign(k) * q) * step;
    cost += (weights ? weights[n] : 1) * error * error + lagrangian * rate(k, q, n);
    state = next[2 * state + (k & 1)];
  }
  return cost;
}
