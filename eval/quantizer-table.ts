/**
 * Script: every quantizer, with tables of normal latents and with fitted ones, each at its own swept step and price of a
 * bit, on whole pictures: `npm run bench:quantizers -- --dataset kodak`.
 *
 *     fitted    as the model has it (codec sweep MODEL OUT --fit-images ...)
 *     normal    tables of normal latents, no offsets, settings of a sweep without --fit-images (--normal FILE)
 *
 * BD-rates are against rounding with normal tables and against rdoq with fitted ones, over real bytes of whole files.
 * Coding seconds are those of quantization and entropy coding, beside those of the analysis that all share. Results are
 * kept as they come: a run that was stopped goes on where it was.
 */
import { readFile } from 'node:fs/promises';
import { coderOf } from '../codec/coder.js';
import { loadModel } from '../codec/model/load.js';
import { type Quantization, quantizationOf, quantizerNames } from '../codec/quantizers/registry.js';
import { findDataset, loadImage } from '../datasets/index.js';
import { FormatError } from '../src/errors.js';
import { writeFileAtomic } from '../src/io/index.js';
import { bdRate } from './bd-rate.js';
import {
  meanCurve,
  normalQuantization,
  type SweepPoint,
  sweepCurve,
  sweepPicture,
} from './quantizer-sweep.js';
import { numberOption, parseOptions, runAsScript } from './script.js';
import { ResultStore } from './store.js';

const qualities: readonly number[] = [5, 15, 30, 45, 60, 75, 90];

const options = {
  dataset: { type: 'string' },
  model: { type: 'string' },
  normal: { type: 'string' },
  limit: { type: 'string' },
  out: { type: 'string' },
} as const;

/** A row of the table: one quantizer with one kind of tables. */
interface Row {
  readonly quantizer: string;
  readonly tables: 'normal' | 'fitted';
  readonly step: number;
  readonly lagrangian: number;
  readonly curve: readonly SweepPoint[];
}

interface SweepLog {
  readonly records: readonly { quantizer: string; tables: string; step: number; lagrangian: number }[];
}

/** The settings that a sweep without fitting found best. */
async function readSweep(path: string): Promise<SweepLog['records']> {
  const { records } = JSON.parse(await readFile(path, 'utf8')) as SweepLog;
  const wrong = records.find(({ tables }) => tables !== 'normal');
  if (!wrong) return records;
  throw new FormatError(
    `${path}: expected a sweep with normal tables, ${wrong.quantizer} has ${wrong.tables}`,
  );
}

/** The table as Markdown. */
export function quantizerTable(rows: readonly Row[], analysisSeconds: number): string {
  const reference = (quantizer: string, tables: Row['tables']): readonly SweepPoint[] =>
    rows.find((row) => row.quantizer === quantizer && row.tables === tables)!.curve;
  const percent = (against: readonly SweepPoint[], { curve }: Row): string =>
    bdRate(against, curve).percent.toFixed(2);
  const lines = rows.map((row) => {
    const seconds = row.curve.reduce((sum, point) => sum + point.codingSeconds, 0) / row.curve.length;
    return [
      row.quantizer,
      row.tables,
      Number(row.step.toPrecision(3)),
      row.quantizer === 'round' ? '-' : Number(row.lagrangian.toPrecision(3)),
      percent(reference('round', 'normal'), row),
      percent(reference('rdoq', 'fitted'), row),
      Math.round(1000 * seconds),
      Math.round(1000 * (seconds + analysisSeconds)),
    ].join(' | ');
  });
  return [
    '| quantizer | tables | step | Lagrangian | BD-rate % to round, normal | to rdoq, fitted | coding ms | encode ms |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n');
}

async function main(args: readonly string[]): Promise<void> {
  const values = parseOptions(args, options);
  const { dataset: name = 'kodak', normal: log = 'eval/results/0.1.0/sweep-normal.json' } = values;
  const model = await loadModel(values.model);
  const coder = await coderOf(model, 'auto', 0);
  const normals = await readSweep(log);
  const quantizations = quantizerNames.flatMap(
    (quantizer): { tables: Row['tables']; one: Quantization }[] => {
      const found = normals.find((record) => record.quantizer === quantizer);
      const fitted = { tables: 'fitted' as const, one: quantizationOf(model, quantizer) };
      if (!found) return [fitted];
      const one = normalQuantization(coder, quantizer, found.step, found.lagrangian);
      return [{ tables: 'normal', one }, fitted];
    },
  );
  const { images } = await findDataset(name);
  const taken = images.slice(0, numberOption('--limit', values.limit, undefined, [1, 1e9]));
  const out = values.out ?? `out/quantizers-${name}.json`;
  const store = await ResultStore.open<SweepPoint[]>(`${out}.partial`);
  const curves = new Map(
    quantizations.map(({ one, tables }) => [`${one.quantizer.name} ${tables}`, [] as SweepPoint[][]]),
  );
  let analysisSeconds = 0;
  for (const [done, entry] of taken.entries()) {
    const { image, sha256 } = await loadImage(entry);
    const start = performance.now();
    const picture = await sweepPicture(coder, image, qualities);
    // The first picture starts the engine.
    if (done > 0)
      analysisSeconds += (performance.now() - start) / 1000 / qualities.length / (taken.length - 1);
    for (const { one, tables } of quantizations) {
      const label = `${one.quantizer.name} ${tables}`;
      const key = [label, model.id, one.step, one.lagrangian, sha256].join(' | ');
      if (!store.get(key)) await store.put(key, await sweepCurve(coder, [picture], one));
      curves.get(label)!.push(store.get(key)!);
    }
    console.error(`${done + 1}/${taken.length} ${entry.name}`);
  }
  const rows = quantizations.map(({ one, tables }): Row => {
    const { quantizer, step, lagrangian } = one;
    const curve = meanCurve(curves.get(`${quantizer.name} ${tables}`)!);
    return { quantizer: quantizer.name, tables, step, lagrangian, curve };
  });
  const json = { dataset: name, images: taken.length, model: model.id, analysisSeconds, rows };
  await writeFileAtomic(out, new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`));
  console.log(`${taken.length} pictures of ${name}, model ${model.id}; written to ${out}\n`);
  console.log(quantizerTable(rows, analysisSeconds));
}

runAsScript(import.meta.url, main);
