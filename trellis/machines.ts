/**
 * State machines of trellis-coded (dependent) quantization.
 *
 * All reconstruction points are integer multiples of one step. A state names one of two quantizers, Q0 (even multiples)
 * or Q1 (odd multiples and zero), and the parity of the coded index k chooses the next state. Quantizer and parity
 * together name one of four subsets, numbered `2 q + parity` everywhere here: multiples 0, 2, 3, 1 modulo 4 of the step
 * (for positive values), the zero being in subsets 0 and 2. Coding starts in state 0.
 * Sources: VVC (H.266) and its successor ECM, MPEG-7 part 17 (NNC), AV2 reference software; G. Ungerboeck, "Channel
 * coding with multilevel/phase signals", 1982, whose codes are built here from their octal parity checks. His tables end at 256
 * states; the codes of 512 and 1024 were found by eval/trellis-search.ts.
 */
import { UsageError } from '../src/errors.js';

/** What encoder and decoder must agree on. */
export interface StateMachine {
  readonly name: string;
  /** Number of states: a power of two, or 1 for scalar quantization. */
  readonly states: number;
  /** Quantizer (0 or 1) of each state, `[states]`. */
  readonly quantizerOf: Uint8Array;
  /** Next state at `2 * state + parity`, `[2 * states]`. */
  readonly next: Uint16Array;
}

function machine(
  name: string,
  quantizerOf: (state: number) => number,
  next: readonly (readonly [number, number])[],
): StateMachine {
  return Object.freeze({
    name,
    states: next.length,
    quantizerOf: Uint8Array.from(next, (_, state) => quantizerOf(state)),
    next: Uint16Array.from(next.flat()),
  });
}

/**
 * The machine of a rate-1/2 systematic feedback code in observer form, from its parity checks.
 *
 * Registers w1 (bit 0 of the state), w2, ...: w1 is the quantizer z0, z1 is the free input bit, and
 * `w_i' = w_(i+1) ^ h0_i z0 ^ h1_i z1`, where h_i is bit i of a parity check and there is no register past the last.
 * Multiple z0 + 2 z1 modulo 4 of the step has the parity of its index: Q0 z1, Q1 1 - z1.
 *
 * @param name of the machine
 * @param states power of two, 4 to 1024
 * @param h0 parity check of the low bit, as in the tables of Ungerboeck (octal there)
 * @param h1 parity check of the high bit
 * @throws UsageError where `states` is none of these
 * @example
 * ungerboeckMachine('four', 4, 0o5, 0o2).states; // => 4
 */
export function ungerboeckMachine(name: string, states: number, h0: number, h1: number): StateMachine {
  if (![4, 8, 16, 32, 64, 128, 256, 512, 1024].includes(states)) {
    throw new UsageError(
      `states: expected a power of two from 4 to 1024 for an Ungerboeck code, got ${states}`,
    );
  }
  const successor = (state: number, z1: number): number => {
    const z0 = state & 1;
    return (state >> 1) ^ (z0 * (h0 >> 1)) ^ (z1 * (h1 >> 1));
  };
  const rows = Array.from({ length: states }, (_, state): [number, number] => {
    const [zero, one] = [successor(state, 0), successor(state, 1)];
    return state & 1 ? [one, zero] : [zero, one];
  });
  return machine(name, (state) => state & 1, rows);
}

const high = (state: number): number => (state >> 1) & 1;
const low = (state: number): number => state & 1;

/** Names of the machines, the default first. */
export const machineNames = [
  'av2-8',
  'vvc4',
  'ecm8',
  'nnc8',
  'ungerboeck4',
  'ungerboeck8',
  'ungerboeck16',
  'ungerboeck32',
  'ungerboeck64',
  'ungerboeck128',
  'ungerboeck256',
  'searched512',
  'searched1024',
  'scalar',
] as const;

export type MachineName = (typeof machineNames)[number];

/**
 * The machines by name.
 *
 * `nnc8` is `ecm8` with states 5 and 7 renamed; `av2-8` is the same trellis with the parities of Q1 swapped, so that
 * the zero of Q1 sits on the other branch, which pays at low rates; `ungerboeck4` is `vvc4` with the same swap and other
 * names, `ungerboeck8` is `nnc8`. `scalar` has one state: rate-distortion optimised scalar quantization with twice the
 * step.
 *
 * @example
 * machines['av2-8'].states; // => 8
 * Array.from(machines.vvc4.next); // => [0, 2, 2, 0, 1, 3, 3, 1]
 */
export const machines: Readonly<Record<MachineName, StateMachine>> = Object.freeze({
  'av2-8': machine('av2-8', high, [
    [0, 4],
    [4, 0],
    [1, 5],
    [5, 1],
    [6, 2],
    [2, 6],
    [7, 3],
    [3, 7],
  ]),
  vvc4: machine('vvc4', high, [
    [0, 2],
    [2, 0],
    [1, 3],
    [3, 1],
  ]),
  ecm8: machine('ecm8', low, [
    [0, 2],
    [5, 7],
    [1, 3],
    [6, 4],
    [2, 0],
    [4, 6],
    [3, 1],
    [7, 5],
  ]),
  nnc8: machine('nnc8', low, [
    [0, 2],
    [7, 5],
    [1, 3],
    [6, 4],
    [2, 0],
    [5, 7],
    [3, 1],
    [4, 6],
  ]),
  ungerboeck4: ungerboeckMachine('ungerboeck4', 4, 0o5, 0o2),
  ungerboeck8: ungerboeckMachine('ungerboeck8', 8, 0o13, 0o04),
  ungerboeck16: ungerboeckMachine('ungerboeck16', 16, 0o23, 0o04),
  ungerboeck32: ungerboeckMachine('ungerboeck32', 32, 0o45, 0o10),
  ungerboeck64: ungerboeckMachine('ungerboeck64', 64, 0o103, 0o024),
  ungerboeck128: ungerboeckMachine('ungerboeck128', 128, 0o235, 0o126),
  ungerboeck256: ungerboeckMachine('ungerboeck256', 256, 0o515, 0o362),
  searched512: ungerboeckMachine('searched512', 512, 0o1723, 0o736),
  searched1024: ungerboeckMachine('searched1024', 1024, 0o2531, 0o1612),
  scalar: machine('scalar', () => 0, [[0, 0]]),
});

/** The machine used where none is named. */
export const defaultMachine: StateMachine = machines['av2-8'];

/**
 * The machine of a name, or a machine itself after a check.
 *
 * @throws UsageError for an unknown name, and for a machine whose tables contradict each other or in which a state
 *   has not exactly two ways in (the search needs that)
 * @example
 * machineOf('vvc4').states; // => 4
 */
export function machineOf(machine: MachineName | StateMachine): StateMachine {
  if (typeof machine === 'string') {
    if (!Object.hasOwn(machines, machine)) {
      throw new UsageError(`machine: expected one of ${machineNames.join(', ')}, got ${machine}`);
    }
    return machines[machine];
  }
  predecessorsOf(machine);
  return machine;
}

/** One way into a state. */
export interface Predecessor {
  readonly state: number;
  readonly parity: number;
}

const known = new WeakMap<StateMachine, readonly (readonly [Predecessor, Predecessor])[]>();

/**
 * The two ways into each state, ordered by the state they come from, then by parity.
 *
 * @throws UsageError as `machineOf`
 * @example
 * predecessorsOf(machines.vvc4)[3]; // => [{"state":2,"parity":1},{"state":3,"parity":0}]
 */
export function predecessorsOf(machine: StateMachine): readonly (readonly [Predecessor, Predecessor])[] {
  const found = known.get(machine);
  if (found) return found;
  const { name, states, quantizerOf, next } = machine;
  if (quantizerOf.length !== states || next.length !== 2 * states) {
    throw new UsageError(
      `machine ${name}: expected ${states} quantizers and ${2 * states} successors, got ${quantizerOf.length} and ${next.length}`,
    );
  }
  const lists: Predecessor[][] = Array.from({ length: states }, () => []);
  for (let state = 0; state < states; state++) {
    if (quantizerOf[state] > 1) {
      throw new UsageError(
        `machine ${name}: expected quantizer 0 or 1 for state ${state}, got ${quantizerOf[state]}`,
      );
    }
    for (let parity = 0; parity < 2; parity++) lists[next[2 * state + parity]]?.push({ state, parity });
  }
  const pairs = lists.map((list, state): readonly [Predecessor, Predecessor] => {
    if (list.length !== 2) {
      throw new UsageError(`machine ${name}: expected 2 ways into state ${state}, got ${list.length}`);
    }
    return [list[0], list[1]];
  });
  known.set(machine, pairs);
  return pairs;
}
