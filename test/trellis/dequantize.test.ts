/** The decoder's side: both forms agree, NNC's worked example, skipping, limits. */
import { describe, expect, it } from 'vitest';
import {
  dequantizeTrellis,
  gridIntegers,
  machineNames,
  machines,
  quantizersOf,
  TrellisState,
} from '../../trellis/index.js';
import { Random } from './support.js';

describe('dequantizing', () => {
  it('gives the worked example of NNC', () => {
    expect(Array.from(gridIntegers(Int32Array.of(1, 0, -1, 1), { machine: 'nnc8' }))).toEqual([2, 0, -1, 1]);
  });

  it.each(machineNames)('%s: by index and by array agree, skipped positions change nothing', (machine) => {
    const random = new Random(1);
    const indices = Int32Array.from({ length: 500 }, () => random.below(9) - 4);
    const skip = Uint8Array.from(indices, () => random.below(2));
    const state = new TrellisState(machine);
    const grid = new Int32Array(indices.length);
    const quantizers = new Uint8Array(indices.length);
    for (let n = 0; n < indices.length; n++) {
      if (skip[n]) continue;
      quantizers[n] = state.quantizer;
      grid[n] = state.step(indices[n]);
    }
    expect(gridIntegers(indices, { machine, skip })).toEqual(grid);
    expect(quantizersOf(indices, { machine, skip })).toEqual(quantizers);
    expect(dequantizeTrellis(indices, { machine, skip, step: 0.3 })).toEqual(
      Float32Array.from(grid, (i) => i * 0.3),
    );
    const coded = indices.filter((_, n) => !skip[n]);
    expect(gridIntegers(coded, { machine })).toEqual(grid.filter((_, n) => !skip[n]));
    state.reset();
    expect([state.state, state.quantizer]).toEqual([0, machines[machine].quantizerOf[0]]);
  });

  it('never gives a quantizer-one point to an even place of another', () => {
    const grid = gridIntegers(Int32Array.from({ length: 64 }, (_, n) => (n % 7) - 3));
    const quantizers = quantizersOf(Int32Array.from({ length: 64 }, (_, n) => (n % 7) - 3));
    grid.forEach((i, n) => {
      if (i !== 0) expect(Math.abs(i) % 2).toBe(quantizers[n]);
    });
  });

  it('takes any int32 and refuses what makes no sense', () => {
    expect(() => gridIntegers(Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 1))).not.toThrow();
    expect(dequantizeTrellis(new Int32Array(0), { step: 1 })).toEqual(new Float32Array(0));
    expect(() => gridIntegers(new Int32Array(3), { skip: new Uint8Array(2) })).toThrow(/skip: expected 3/);
    for (const step of [0, -1, Number.NaN, Infinity]) {
      expect(() => dequantizeTrellis(new Int32Array(1), { step })).toThrow(/step: expected a finite/);
    }
  });
});
