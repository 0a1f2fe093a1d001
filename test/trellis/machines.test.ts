/** State machines: the published tables, packed constants and equivalences, and shift register labels for all. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.js';
import { trellisForm } from '../../trellis/butterflies.js';
import {
  type MachineName,
  machineNames,
  machineOf,
  machines,
  predecessorsOf,
  type StateMachine,
  ungerboeckMachine,
} from '../../trellis/index.js';

/** Names of `b`'s states for `a`'s, starting from state 0 for 0, with parities swapped per quantizer of `a`. */
function renaming(
  a: StateMachine,
  b: StateMachine,
  swap: readonly [number, number] = [0, 0],
): number[] | undefined {
  const names = new Array<number>(a.states).fill(-1);
  names[0] = 0;
  for (const open = [0]; open.length > 0; ) {
    const state = open.pop() as number;
    if (a.quantizerOf[state] !== b.quantizerOf[names[state]]) return undefined;
    for (let parity = 0; parity < 2; parity++) {
      const to = a.next[2 * state + parity];
      const name = b.next[2 * names[state] + (parity ^ swap[a.quantizerOf[state]])];
      if (names[to] < 0) open.push(to);
      else if (names[to] !== name) return undefined;
      names[to] = name;
    }
  }
  return new Set(names).size === a.states ? names : undefined;
}

describe('machines', () => {
  it('of VVC, ECM follow from the packed constants of their sources', () => {
    for (let state = 0; state < 4; state++) {
      for (let parity = 0; parity < 2; parity++) {
        expect(machines.vvc4.next[2 * state + parity]).toBe((32040 >> ((state << 2) + (parity << 1))) & 3);
      }
    }
    for (let state = 0; state < 8; state++) {
      for (let parity = 0; parity < 2; parity++) {
        const shift = BigInt((state << 3) + (parity << 2));
        expect(machines.ecm8.next[2 * state + parity]).toBe(Number((6274468666787591456n >> shift) & 15n));
      }
    }
  });

  it('have the equivalences of their documentation', () => {
    const ecm4: StateMachine = {
      name: 'ecm4',
      states: 4,
      quantizerOf: Uint8Array.of(0, 1, 0, 1),
      next: Uint16Array.from({ length: 8 }, (_, i) => (587280912 >> (((i >> 1) << 3) + ((i & 1) << 2))) & 15),
    };
    expect(renaming(ecm4, machines.vvc4)).toBeDefined();
    expect(renaming(machines.nnc8, machines.ecm8)).toEqual([0, 1, 2, 3, 4, 7, 6, 5]);
    expect(renaming(machines['av2-8'], machines.nnc8)).toBeUndefined();
    expect(renaming(machines['av2-8'], machines.nnc8, [0, 1])).toBeDefined();
    expect(Array.from(machines.ungerboeck8.next)).toEqual(Array.from(machines.nnc8.next));
    expect(renaming(machines.ungerboeck4, machines.vvc4, [0, 1])).toBeDefined();
  });

  it.each(machineNames)('%s: two ways into every state, half of the states per quantizer', (name) => {
    const machine = machines[name];
    const ways = predecessorsOf(machine);
    expect(ways).toHaveLength(machine.states);
    for (const [state, pair] of ways.entries()) {
      for (const way of pair) expect(machine.next[2 * way.state + way.parity]).toBe(state);
    }
    const odd = machine.quantizerOf.reduce((sum, q) => sum + q, 0);
    expect(odd).toBe(name === 'scalar' ? 0 : machine.states / 2);
  });

  it.each(machineNames.filter((name) => name !== 'scalar'))(
    '%s is a shift register of butterflies',
    (name) => {
      const machine = machines[name];
      const form = trellisForm(machine);
      expect(form.butterflies).toBe(true);
      // Walking by machine and walking by labels must see the same quantizers.
      let [state, label] = [0, form.start];
      for (let n = 0, bits = 0x5a3c9f17; n < 200; n++, bits = (bits * 1103515245 + 12345) | 0) {
        const parity = (bits >> 16) & 1;
        const subset = 2 * machine.quantizerOf[state] + parity;
        const ways = Array.from(form.from, (from, way) => ({ from, way })).filter(
          ({ from, way }) => from === label && form.subset[way] === subset,
        );
        expect(ways).toHaveLength(1);
        label = ways[0].way >> 1;
        state = machine.next[2 * state + parity];
      }
    },
  );

  it('without shift register labels keep their own', () => {
    const crossed: StateMachine = {
      name: 'crossed',
      states: 4,
      quantizerOf: Uint8Array.of(0, 1, 0, 1),
      next: Uint16Array.of(0, 1, 0, 1, 2, 3, 2, 3),
    };
    expect(trellisForm(crossed).butterflies).toBe(false);
    expect(trellisForm(machines.scalar).butterflies).toBe(false);
  });

  it('that make no sense are refused', () => {
    expect(() => machineOf('vvc5' as MachineName)).toThrow(UsageError);
    expect(() => machineOf('toString' as MachineName)).toThrow(/expected one of av2-8/);
    expect(() => machineOf({ ...machines.vvc4, next: Uint16Array.of(0, 2, 2, 0, 1, 3, 3, 3) })).toThrow(
      /2 ways/,
    );
    expect(() => machineOf({ ...machines.vvc4, next: Uint16Array.of(0, 2) })).toThrow(/8 successors/);
    expect(() => machineOf({ ...machines.vvc4, quantizerOf: Uint8Array.of(0, 0, 2, 1) })).toThrow(
      /quantizer 0 or 1/,
    );
    expect(() => ungerboeckMachine('x', 12, 1, 1)).toThrow(UsageError);
  });
});
