/**
 * The trellis, measured: `npm run bench:trellis [-- --synthetic]`.
 *
 *     gain      granular gain of each machine: decibels over scalar quantization of a uniform source at equal rate
 *     equal     latents on which the WebAssembly kernel and its TypeScript twin decided alike
 *     excess    cost of the kernel's path over that of the float64 reference, relative
 *     speed     latents per second of the kernel and of the readable reference, one thread, best of several runs
 *
 * With --synthetic also BD-rates on synthetic latents (trellis-synthetic.ts), which takes minutes.
 */
import { cpus } from 'node:os';
import {
  gaussianRates,
  type MachineName,
  machineNames,
  machines,
  pathCost,
  quantizeTrellis,
  referenceQuantize,
  searchTrellis,
  type TrellisTask,
} from '../trellis/index.js';
import { searchIntegers } from '../trellis/viterbi-integer.js';
import { seeded } from './random.js';
import { numberOption, parseOptions, runAsScript } from './script.js';
import { granularGain } from './trellis-search.js';
import { compareSynthetic } from './trellis-synthetic.js';

/** Granular gains at long simulation, decibels. */
const expectedGains: Partial<Record<MachineName, number>> = {
  vvc4: 0.996,
  ungerboeck4: 0.996,
  'av2-8': 1.087,
  ecm8: 1.087,
  nnc8: 1.087,
  ungerboeck8: 1.087,
  ungerboeck16: 1.148,
  ungerboeck32: 1.212,
  ungerboeck64: 1.258,
  ungerboeck128: 1.302,
  ungerboeck256: 1.334,
  searched512: 1.366,
  searched1024: 1.387,
  scalar: 0,
};

/** Latents of many scales, as after a hyperprior: sigma log-normal, median about half a scalar step. */
function mixedTask(count: number): TrellisTask & { tableIndices: Uint8Array } {
  const uniform = seeded(8);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const sigmas = Array.from({ length: 32 }, (_, t) => 0.2 * 1.15 ** t);
  const tableIndices = Uint8Array.from({ length: count }, () =>
    Math.min(31, Math.max(0, Math.round(8 * normal() + 8))),
  );
  const latents = Float32Array.from(tableIndices, (t) => 0.6 * sigmas[t] * normal());
  return { latents, step: 0.6, lagrangian: 0.1, tables: gaussianRates(sigmas), tableIndices };
}

/** Best of several runs, latents per second. */
function speedOf(run: () => unknown, count: number, runs: number): number {
  let best = Infinity;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  }
  return (1000 * count) / best;
}

function asReference(task: TrellisTask & { tableIndices: Uint8Array }, name: MachineName) {
  const rate = (k: number, q: number, n: number): number => task.tables.bits(task.tableIndices[n], q, k);
  return { ...task, rate, machine: machines[name] };
}

/** One line per machine; returns the machines whose numbers are not what they should be. */
function benchMachines(count: number): string[] {
  const wrong: string[] = [];
  const task = mixedTask(count);
  const few = Math.min(count, 1 << 16);
  const fewLatents = {
    ...task,
    latents: task.latents.subarray(0, few),
    tableIndices: task.tableIndices.subarray(0, few),
  };
  console.log('machine        gain dB  expected      equal      excess  kernel M/s  reference M/s');
  for (const name of machineNames) {
    const gain = granularGain(name, count);
    const expected = expectedGains[name] ?? 0;
    const kernel = searchTrellis({ ...task, machine: name });
    const twin = searchIntegers({ ...task, machine: machines[name] });
    let equal = 0;
    while (equal < count && kernel.indices[equal] === twin.indices[equal]) equal++;
    const reference = asReference(fewLatents, name);
    let best = 0;
    const referenceSpeed = speedOf(
      () => {
        best = referenceQuantize(reference).cost;
      },
      few,
      2,
    );
    const excess = pathCost(quantizeTrellis({ ...fewLatents, machine: name }), reference) / best - 1;
    const speed = speedOf(() => searchTrellis({ ...task, machine: name }), count, 7);
    const right = Math.abs(gain - expected) < 0.01 && equal === count && Math.abs(excess) < 1e-6;
    if (!right) wrong.push(name);
    console.log(
      `${name.padEnd(13)} ${gain.toFixed(3).padStart(8)} ${expected.toFixed(3).padStart(9)} ${String(equal).padStart(10)} ${excess.toExponential(1).padStart(11)} ${(speed / 1e6).toFixed(1).padStart(11)} ${(referenceSpeed / 1e6).toFixed(2).padStart(14)}${right ? '' : '  !'}`,
    );
  }
  return wrong;
}

runAsScript(import.meta.url, async (args) => {
  const values = parseOptions(args, { synthetic: { type: 'boolean' }, count: { type: 'string' } });
  const count = numberOption('count', values.count, 1 << 20, [1000, 1 << 24]);
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, Node.js ${process.version}, ${count} latents`);
  const wrong = benchMachines(count);
  if (wrong.length > 0) {
    console.error(
      `Expected gains within 0.01 dB, equal decisions and no excess; look at ${wrong.join(', ')}`,
    );
    process.exitCode = 1;
  }
  if (values.synthetic) {
    console.log('\nBD-rate against RDOQ, %   fixed tables   refitted');
    compareSynthetic(Math.min(count, 1 << 19), undefined, ({ name, fixed, refitted }) =>
      console.log(`${name.padEnd(25)} ${fixed.toFixed(1).padStart(12)} ${refitted.toFixed(1).padStart(10)}`),
    );
  }
});
