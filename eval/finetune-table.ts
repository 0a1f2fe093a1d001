/**
 * Script: what fine-tuning gave. Models with one encoder, before and after, with the same quantizers on whole pictures:
 *
 *     npm run bench:finetuning -- --before base --after tuned.safetensors --dataset kodak --quantizers round,rdoq,tcq8
 *
 * Every model has tables fitted for every quantizer (codec fit-tables, codec finetune). BD-rates, over real bytes of whole
 * files, are against the same quantizer before, and against rounding before. Pictures are analysed once, because the
 * encoder is the same. Results are kept as they come: a run that was stopped goes on where it was.
 */
import { coderOf } from '../codec/coder.js';
import { loadModel } from '../codec/model/load.js';
import type { ParsedModel } from '../codec/model/model-file.js';
import { ratePointOf } from '../codec/model/rate-point.js';
import { quantizationOf } from '../codec/quantizers/registry.js';
import { findDataset, loadImage } from '../datasets/index.js';
import { UsageError } from '../src/errors.js';
import { writeFileAtomic } from '../src/io/index.js';
import { bdRate } from './bd-rate.js';
import {
  meanCurve,
  type SweepPicture,
  type SweepPoint,
  sweepCurve,
  sweepPicture,
} from './quantizer-sweep.js';
import { numberOption, parseOptions, runAsScript } from './script.js';
import { ResultStore } from './store.js';

const defaultQualities = '10,25,40,55,70,85';

const options = {
  before: { type: 'string' },
  after: { type: 'string', multiple: true },
  dataset: { type: 'string' },
  quantizers: { type: 'string' },
  qualities: { type: 'string' },
  limit: { type: 'string' },
  out: { type: 'string' },
} as const;

/** One quantizer with one model. */
export interface FinetuneRow {
  readonly model: string;
  readonly quantizer: string;
  readonly curve: readonly SweepPoint[];
}

/** The table as Markdown; the first model of the rows is the one before. */
export function finetuneTable(rows: readonly FinetuneRow[]): string {
  const before = rows[0].model;
  const curveOf = (quantizer: string): readonly SweepPoint[] | undefined =>
    rows.find((row) => row.model === before && row.quantizer === quantizer)?.curve;
  const percent = (against: readonly SweepPoint[] | undefined, curve: readonly SweepPoint[]): string =>
    against ? bdRate(against, curve).percent.toFixed(2) : '-';
  return [
    '| quantizer | model | BD-rate % to the same before | to round before |',
    '| --- | --- | ---: | ---: |',
    ...rows.map(
      ({ model, quantizer, curve }) =>
        `| ${quantizer} | ${model} | ${percent(curveOf(quantizer), curve)} | ${percent(curveOf('round'), curve)} |`,
    ),
  ].join('\n');
}

/** @throws UsageError where the encoders of two models differ: pictures could not be analysed once */
export function checkSameEncoder(a: ParsedModel, b: ParsedModel): void {
  const encoder = /^(analysis\.|hyperAnalysis\.|rate\.analysis)/;
  for (const [name, values] of a.parameters) {
    const other = b.parameters.get(name);
    if (encoder.test(name) && !values.every((value, n) => value === other?.[n])) {
      throw new UsageError(`finetune-table: expected models with one encoder, ${name} differs`);
    }
  }
}

async function main(args: readonly string[]): Promise<void> {
  const values = parseOptions(args, options);
  const { before = 'base', after = [], dataset: name = 'kodak', quantizers = 'round,rdoq,tcq8' } = values;
  const qualities = (values.qualities ?? defaultQualities)
    .split(',')
    .map((text) => numberOption('--qualities', text, 0, [0, 100]));
  const names = [before, ...after];
  const models = await Promise.all(names.map((model) => loadModel(model)));
  for (const model of models) checkSameEncoder(models[0], model);
  const coders = await Promise.all(models.map((model) => coderOf(model, 'auto', 0)));
  const { images } = await findDataset(name);
  const taken = images.slice(0, numberOption('--limit', values.limit, undefined, [1, 1e9]));
  const out = values.out ?? `out/finetuning-${name}.json`;
  const store = await ResultStore.open<SweepPoint[]>(`${out}.partial`);
  const cases = quantizers
    .split(',')
    .flatMap((quantizer) =>
      coders.map((coder, n) => ({ coder, model: names[n], one: quantizationOf(coder.model, quantizer) })),
    );
  const curves = new Map(cases.map((entry) => [entry, [] as SweepPoint[][]]));
  for (const [done, entry] of taken.entries()) {
    const { image, sha256 } = await loadImage(entry);
    let analysed: SweepPicture | undefined;
    for (const [{ coder, one }, found] of [...curves].map(([key, list]) => [key, list] as const)) {
      const key = [one.quantizer.name, coder.model.id, one.lagrangian, qualities.join(), sha256].join(' | ');
      if (!store.get(key)) {
        analysed ??= await sweepPicture(coders[0], image, qualities);
        const own = analysed.analysed.map((one) => ({
          ...one,
          rate: ratePointOf(coder.model, one.rate.quality),
        }));
        await store.put(key, await sweepCurve(coder, [{ image, analysed: own }], one));
      }
      found.push(store.get(key)!);
    }
    console.error(`${done + 1}/${taken.length} ${entry.name}`);
  }
  const rows = cases.map(
    (entry): FinetuneRow => ({
      model: entry.model,
      quantizer: entry.one.quantizer.name,
      curve: meanCurve(curves.get(entry)!),
    }),
  );
  const json = { dataset: name, images: taken.length, models: models.map(({ id }) => id), rows };
  await writeFileAtomic(out, new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`));
  console.log(`${taken.length} pictures of ${name}; written to ${out}\n`);
  console.log(finetuneTable(rows));
}

runAsScript(import.meta.url, main);
