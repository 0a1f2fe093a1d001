/**
 * Trellises in the form that the fast searches walk.
 *
 * The trellis of every code here is, with its states renamed, a shift register: the two ways into label z come from
 * labels 2 z and 2 z + 1 (modulo the number of states), so that pairs of labels (2 g, 2 g + 1) go over into the pair
 * (g, g + S/2): a butterfly, whose data moves are the same for all machines. Within a butterfly both states have
 * one quantizer, and the four branches use its two subsets crosswise, so one subset number per butterfly says all.
 * A machine without such names keeps its own; the integer search takes it, the WebAssembly kernel does not.
 * Labels also decide ties: even predecessor before odd, lower final label before higher.
 */
import { predecessorsOf, type StateMachine } from './machines.js';

export interface TrellisForm {
  readonly states: number;
  /** Label of the machine's state 0. */
  readonly start: number;
  /** Label of the two ways into label z, at 2 z and 2 z + 1. */
  readonly from: Uint16Array;
  /** Subset `2 q + parity` of these two branches. */
  readonly subset: Uint8Array;
  /** Whether the labels are those of a shift register, with butterflies crosswise. */
  readonly butterflies: boolean;
}

const known = new WeakMap<StateMachine, TrellisForm>();

/**
 * The form of a machine; made once per machine.
 *
 * @throws UsageError as `predecessorsOf`
 * @example
 * trellisForm(machines['av2-8']).butterflies; // => true
 */
export function trellisForm(machine: StateMachine): TrellisForm {
  let form = known.get(machine);
  if (!form) {
    form =
      formOf(machine, shiftRegisterLabels(machine)) ?? (formOf(machine, identity(machine)) as TrellisForm);
    known.set(machine, form);
  }
  return form;
}

const identity = ({ states }: StateMachine): number[] => Array.from({ length: states }, (_, state) => state);

/** The form under given labels; undefined where labels that should be a shift register's are not. */
function formOf(machine: StateMachine, labels: readonly number[] | undefined): TrellisForm | undefined {
  if (!labels) return undefined;
  const { states, quantizerOf } = machine;
  const predecessors = predecessorsOf(machine);
  const from = new Uint16Array(2 * states);
  const subset = new Uint8Array(2 * states);
  for (let state = 0; state < states; state++) {
    const ways = [...predecessors[state]].sort((a, b) => labels[a.state] - labels[b.state]);
    ways.forEach((way, i) => {
      from[2 * labels[state] + i] = labels[way.state];
      subset[2 * labels[state] + i] = 2 * quantizerOf[way.state] + way.parity;
    });
  }
  const form = { states, start: labels[0], from, subset, butterflies: false };
  const isIdentity = labels.every((label, state) => label === state);
  if (areButterflies(form)) return { ...form, butterflies: true };
  return isIdentity ? form : undefined;
}

function areButterflies({ states, from, subset }: TrellisForm): boolean {
  if (states < 4) return false;
  const half = states / 2;
  return Array.from({ length: states }, (_, z) => z).every(
    (z) =>
      from[2 * z] === (2 * z) % states &&
      from[2 * z + 1] === (2 * z + 1) % states &&
      subset[2 * z + 1] === (subset[2 * z] ^ 1) &&
      subset[2 * ((z + half) % states)] === subset[2 * z + 1],
  );
}

/**
 * Shift register labels: bit nu-1 of a label is the last input, bit 0 the oldest of nu. Inputs are a colour of states
 * such that both successors of a state differ, and all states from which a state is reached in d steps, 0 < d < nu,
 * agree. That is a two-colouring; followed from state to state it has one solution up to exchanges, or none. Where d steps lead
 * to both states before this one, all of their origins agree already, so one of each side says that all do.
 */
function shiftRegisterLabels(machine: StateMachine): number[] | undefined {
  const { states, next } = machine;
  const bits = 31 - Math.clz32(states);
  const predecessors = predecessorsOf(machine);
  const relations: { to: number; differs: number }[][] = Array.from({ length: states }, () => []);
  const relate = (a: number, b: number, differs: number): void => {
    relations[a].push({ to: b, differs });
    relations[b].push({ to: a, differs });
  };
  for (let state = 0; state < states; state++) {
    relate(next[2 * state], next[2 * state + 1], 1);
    let [a, b] = predecessors[state].map((way) => way.state);
    for (let d = 1; d < bits; d++) {
      relate(a, b, 0);
      [a, b] = [a, b].map((origin) => predecessors[origin][0].state);
    }
  }

  const colour = new Int8Array(states).fill(-1);
  for (let seed = 0; seed < states; seed++) {
    if (colour[seed] >= 0) continue;
    colour[seed] = 0;
    for (const open = [seed]; open.length > 0; ) {
      const state = open.pop() as number;
      for (const { to, differs } of relations[state]) {
        const wanted = colour[state] ^ differs;
        if (colour[to] >= 0 && colour[to] !== wanted) return undefined;
        if (colour[to] < 0) open.push(to);
        colour[to] = wanted;
      }
    }
  }

  const labels = Array.from({ length: states }, (_, state) => {
    let label = 0;
    for (let d = 0, at = state; d < bits; d++, at = predecessors[at][0].state) {
      label |= colour[at] << (bits - 1 - d);
    }
    return label;
  });
  return new Set(labels).size === states ? labels : undefined;
}
