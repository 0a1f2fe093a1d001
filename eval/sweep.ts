/**
 * Script: BD-rates of quantizer settings against plain rounding on the validation set, to choose defaultLagrangian and the
 * dead zone by. A run that was stopped goes on where it was.
 *
 *     node dist/eval/sweep.js --model base --quantizers deadzone,rdoq --lagrangians 0.03,0.06,0.09,0.12
 */
import { rm } from 'node:fs/promises';
import { loadModel } from '../codec/model/load.js';
import { quantizerNames } from '../codec/quantizers/quantizer.js';
import { type EngineName, engineNames } from '../codec/transform-engine.js';
import { loadImage } from '../datasets/index.js';
import { UsageError } from '../src/errors.js';
import { writeFileAtomic } from '../src/io/index.js';
import { leastPoints } from './bd-rate.js';
import { defaultQualities, weightsHash } from './codecs.js';
import { compareCurves } from './comparison.js';
import { exchangeResults } from './exchange.js';
import { type MeanValues, type Measurement, meanCurve } from './measure.js';
import { centreCrop, type SweepSetting, sweepPicture, sweepSettings } from './quantizer-sweep.js';

import {
  datasetOption,
  listOption,
  numberOption,
  numbersOption,
  parseOptions,
  runAsScript,
} from './script.js';
import { ResultStore } from './store.js';
import { textTable } from './tables.js';

const defaults = {
  lagrangians: [0.02, 0.04, 0.06, 0.08, 0.1, 0.13],
  offsets: [0.34, 0.38, 0.42, 0.46],
  crop: 512,
};

const usage = `Usage: node dist/eval/sweep.js [options]
  --quantizers A,B,..   of ${quantizerNames.join(', ')} (default all); round is always there to compare with
  --lagrangians A,B,..  of the rate-aware ones (default ${defaults.lagrangians.join(',')})
  --offsets A,B,..      of deadzone (default ${defaults.offsets.join(',')}; 0.5 would be rounding)
  --qualities A,B,..    default ${defaultQualities.join(',')}
  --crop N              side of the centre crops (default ${defaults.crop}; 0: whole images)
  --dataset NAME        default validation
  --images DIR          all images of a folder
  --data DIR            where the data sets lie (else CODEC_DATA, else ../shared/data)
  --limit N             only the first N images
  --model MODEL         a bundled model's name or a .safetensors file (default base)
  --engine NAME         ${engineNames.join(', ')}
  --threads N           default: the engine's choice
  --out FILE            results as JSON (default out/sweep.json)
  --fresh               measure again what a stopped run has measured
  --help`;

const options = {
  quantizers: { type: 'string' },
  lagrangians: { type: 'string' },
  offsets: { type: 'string' },
  qualities: { type: 'string' },
  crop: { type: 'string' },
  dataset: { type: 'string' },
  images: { type: 'string' },
  data: { type: 'string' },
  limit: { type: 'string' },
  model: { type: 'string' },
  engine: { type: 'string' },
  threads: { type: 'string' },
  out: { type: 'string' },
  fresh: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** Means of a setting over pictures. */
export interface SweptSetting {
  readonly setting: SweepSetting;
  readonly curve: readonly MeanValues[];
}

/** BD-rate of every setting against the first one, over all qualities and over the lower and upper ones (which overlap). */
export function sweepTable(swept: readonly SweptSetting[]): string {
  const half = Math.max(leastPoints, Math.ceil(swept[0].curve.length / 2) + 1);
  const parts = [
    (curve: readonly MeanValues[]) => curve,
    (curve: readonly MeanValues[]) => curve.slice(0, half),
    (curve: readonly MeanValues[]) => curve.slice(-half),
  ];
  const rows = swept.map(({ setting, curve }) => {
    const rates = parts.map((part) => {
      const { rate } = compareCurves(part(curve), part(swept[0].curve));
      return rate?.percent.toFixed(2) ?? '-';
    });
    const seconds = curve.reduce((sum, { encodeSeconds }) => sum + encodeSeconds, 0) / curve.length;
    return [setting.name, ...rates, seconds.toFixed(3)];
  });
  return textTable([['setting', 'BD-rate %', 'low rates', 'high rates', 'coding s'], ...rows]);
}

async function main(args: readonly string[]): Promise<void> {
  const values = parseOptions(args, options);
  if (values.help) {
    console.log(usage);
    return;
  }
  const engine = (values.engine ?? 'auto') as EngineName;
  const threads = numberOption('--threads', values.threads, 0, [0, 256]);
  const crop = numberOption('--crop', values.crop, defaults.crop, [0, 65536]);
  const qualities = numbersOption('--qualities', values.qualities, defaultQualities, [0, 100]);
  if (qualities.length < leastPoints)
    throw new UsageError(`--qualities: expected at least ${leastPoints}, got ${qualities.length}`);
  const settings = sweepSettings({
    quantizers: listOption(values.quantizers, quantizerNames),
    lagrangians: numbersOption('--lagrangians', values.lagrangians, defaults.lagrangians, [0, 1e6]),
    offsets: numbersOption('--offsets', values.offsets, defaults.offsets, [0, 0.5]),
  });
  const model = await loadModel(values.model);
  const dataset = await datasetOption(values, 'validation');
  const images = dataset.images.slice(0, numberOption('--limit', values.limit, undefined, [1, 1e9]));
  const out = values.out ?? 'out/sweep.json';
  const store = await ResultStore.open<Measurement[]>(`${out}.partial`);
  if (values.fresh) await store.clear();
  const measurements = new Map<string, Measurement[]>(settings.map(({ name }) => [name, []]));
  const version = [model.id, weightsHash(model), engine, threads, crop, qualities.join(',')].join(' | ');
  for (const [done, entry] of images.entries()) {
    const loaded = await loadImage(entry);
    const picture = { ...loaded, image: centreCrop(loaded.image, crop) };
    const keyOf = (setting: string): string => [setting, version, picture.sha256].join(' | ');
    const open = settings.filter(({ name }) => !store.get(keyOf(name)));
    const results =
      open.length === 0 ? {} : await sweepPicture(model, picture, open, { qualities, engine, threads });
    for (const { name } of open) await store.put(keyOf(name), results[name]);
    for (const { name } of settings) measurements.get(name)!.push(...store.get(keyOf(name))!);
    console.error(`${done + 1}/${images.length} ${picture.name}`);
  }
  const swept = settings.map((setting) => ({ setting, curve: meanCurve(measurements.get(setting.name)!) }));
  const json = {
    dataset: dataset.name,
    images: images.length,
    crop,
    model: model.id,
    settings: swept.map(({ setting, curve }) => ({ name: setting.name, results: exchangeResults(curve) })),
  };
  await writeFileAtomic(out, new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`));
  await rm(`${out}.partial`, { force: true });
  console.log(
    `${images.length} images of ${dataset.name}, BD-rates against round; negative ones are savings`,
  );
  console.log(sweepTable(swept));
  console.log(`\nwritten to ${out}`);
}

runAsScript(import.meta.url, main);
