/**
 * The WebAssembly kernel against its integer twin: equal decisions and costs, whatever the task. That the binary is what
 * its sources give is tested for all modules at once (test/codec/exact/wasm.test.ts).
 */
import { describe, expect, it } from 'vitest';
import { trellisForm } from '../../trellis/butterflies.js';
import { gaussianRates, machineNames, machines, type RateRow, RateTables } from '../../trellis/index.js';
import { checkedTask, type TrellisTask } from '../../trellis/task.js';
import { hasKernel, searchWasm, viterbiBytes } from '../../trellis/viterbi.js';
import { searchIntegers } from '../../trellis/viterbi-integer.js';
import { Random, randomTask } from './support.js';

const withKernel = machineNames.filter((name) => name !== 'scalar');

function expectEqual(task: TrellisTask): void {
  const checked = checkedTask(task);
  const twin = searchIntegers(checked);
  const kernel = searchWasm(checked);
  const different = twin.indices.findIndex((k, n) => kernel.indices[n] !== k);
  expect(different).toBe(-1);
  expect(kernel.indices.length).toBe(twin.indices.length);
  expect(kernel.cost).toBe(twin.cost);
}

/** Rows of any shape: empty, one-sided, with impossible indices, with many ties. */
function oddRates(random: Random): RateTables {
  const rows = Array.from({ length: 8 }, (): RateRow => {
    const first = random.below(12) - 9;
    const bits = Array.from({ length: random.below(14) }, () =>
      random.below(9) ? random.below(6) : Infinity,
    );
    return { first, bits, escapeBits: random.below(12) };
  });
  return RateTables.fromRows(rows);
}

describe.each(withKernel)('%s', (machine) => {
  it('decides as its twin on normal latents', () => {
    expect(hasKernel(trellisForm(machines[machine]))).toBe(true);
    const task = randomTask(21, 6000);
    expectEqual({ ...task, machine });
    const random = new Random(22);
    const weights = Float32Array.from(task.latents, () => 2 ** (10 * random.uniform() - 13));
    const skip = Uint8Array.from(task.latents, () => (random.below(3) === 0 ? 1 : 0));
    expectEqual({ ...task, machine, weights, lagrangian: 1e-3 });
    expectEqual({ ...task, machine, skip });
    expectEqual({ ...task, machine, skip, weights, step: 0.01 });
    const { tableIndices: _, ...single } = task;
    expectEqual({ ...single, machine, step: 3 });
  });

  it('decides as its twin on anything', () => {
    const random = new Random(23);
    for (let round = 0; round < 40; round++) {
      const count = [0, 1, 2, 15, 16, 17, 255, 256, 257, 600][round % 10];
      // Multiples of an eighth tie often; powers reach from nothing to far beyond all tables.
      const latents = Float32Array.from({ length: count }, () =>
        random.below(2) ? (random.below(400) - 200) / 8 : random.normal() * 2 ** (random.below(40) - 14),
      );
      const byte = (n: number) => Uint8Array.from(latents, () => random.below(n));
      const weights = Float32Array.from(latents, () => random.below(5) / 4);
      expectEqual({
        latents,
        step: [1, 0.25, 0.37][round % 3],
        lagrangian: [0, 0.25, 0.1, 5, 1e5][round % 5],
        tables: oddRates(random),
        tableIndices: byte(4),
        machine,
        ...(round % 2 ? { skip: byte(2) } : {}),
        ...(round % 4 > 1 ? { weights } : {}),
      });
    }
  });

  it('keeps path costs in range where every branch is as dear as can be', () => {
    const dear = { first: -2, bits: [1000, 999, 1000, 998, 1000], escapeBits: 1000 };
    const tables = RateTables.fromRows([dear, dear]);
    const latents = Float32Array.from({ length: 3000 }, (_, n) => (n % 2 ? 4.5 : -0.5) * (1 + (n % 5)));
    for (const lagrangian of [0.01, 1, 3000, 1e9]) {
      expectEqual({ latents, step: 1, lagrangian, tables, machine });
    }
  });
});

describe('the kernel', () => {
  it('refuses what its twin refuses', () => {
    const tables = gaussianRates([1]);
    const tasks: Partial<TrellisTask>[] = [
      { latents: Float32Array.of(1, Number.NaN) },
      { latents: Float32Array.of(1, -Infinity) },
      { latents: Float32Array.of(1, 2 ** 30) },
      { latents: Float32Array.of(1, 1), tableIndices: Uint8Array.of(0, 1) },
      { latents: Float32Array.of(1, 1), weights: Float32Array.of(1, -1e-9) },
      { latents: Float32Array.of(1, 1), weights: Float32Array.of(1, Infinity) },
    ];
    for (const part of tasks) {
      const task = checkedTask({ latents: new Float32Array(0), step: 1, lagrangian: 0.1, tables, ...part });
      const message = (search: (task: ReturnType<typeof checkedTask>) => unknown): string => {
        try {
          search(task);
        } catch (error) {
          return String(error);
        }
        return 'no error';
      };
      expect(message(searchWasm)).toMatch(/^UsageError: .* at 1$/);
      expect(message(searchWasm)).toBe(message(searchIntegers));
    }
  });

  it('works again after a call that outgrew the memory it keeps', () => {
    const long: TrellisTask = { ...randomTask(31, 1 << 21), machine: 'ungerboeck64' };
    const short = randomTask(32, 300);
    const before = searchWasm(checkedTask(short));
    searchWasm(checkedTask(long));
    expect(searchWasm(checkedTask(short))).toEqual(before);
  });

  it('has fixed-width SIMD only and imports a memory only', () => {
    const bytes = viterbiBytes();
    const relaxed = bytes.findIndex(
      (byte, k) => byte === 0xfd && bytes[k + 1] >= 0x80 && (bytes[k + 2] === 2 || bytes[k + 2] === 3),
    );
    expect(relaxed).toBe(-1);
    expect(WebAssembly.Module.imports(new WebAssembly.Module(bytes))).toEqual([
      { module: 'env', name: 'memory', kind: 'memory' },
    ]);
  });
});
