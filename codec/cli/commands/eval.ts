/** `codec eval`: measures the codec on a data set beside others, alone or as a shard. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Dataset, datasetNames } from '../../../datasets/index.js';
import {
  type CodecSpec,
  checkCompetitor,
  competitorNames,
  defaultCompetitors,
  defaultQualities,
  type Evaluation,
  type ExternalCodec,
  environmentOf,
  evaluate,
  evaluationText,
  type KeptMeasurement,
  type Measurer,
  type MetricName,
  metricNames,
  openLocalMeasurer,
  openMetrics,
  openWorkers,
  parseExternalCodec,
  parseExternalText,
  parseMetrics,
  parseSetting,
  parseShard,
  type QuantizerSetting,
  ResultStore,
  type RunProgress,
  reuseMeasurements,
  type Shard,
  settingName,
} from '../../../eval/index.js';
import { CodecError, FormatError, UsageError } from '../../../src/errors.js';
import { defaultEncodeOptions, efforts } from '../../encode.js';
import { quantizerNames } from '../../quantizers/registry.js';
import type { EngineName } from '../../transform-engine.js';
import { about, type Context, FileError } from '../context.js';
import { datasetNamed } from '../dataset-argument.js';
import { cropsOf } from '../evaluation-crops.js';
import {
  evaluationNamed,
  type OutputOptions,
  outputOptions,
  writeOutputs,
  writeText,
} from '../evaluation-outputs.js';
import { type WeightsOptions, weightsOptions, weightsSpecs } from '../evaluation-weights.js';
import { commandLine, examples } from '../manual.js';
import { engineOption, modelNamed, modelOption, numberFrom, wholeFrom } from '../options.js';
import { Progress } from '../progress.js';
import { count, duration } from '../text.js';
import { dataOption } from './datasets.js';
import { addEvalDocument } from './eval-document.js';
import { addEvalMerge } from './eval-merge.js';

interface Options extends OutputOptions, WeightsOptions {
  readonly data?: string;
  readonly model: string;
  readonly quantizers: readonly QuantizerSetting[];
  readonly qualities: readonly number[];
  readonly lagrangian?: number;
  readonly engine: EngineName;
  readonly competitors: readonly string[];
  readonly external: readonly string[];
  readonly metrics: readonly MetricName[];
  readonly limit?: number;
  readonly shard?: Shard;
  readonly jobs: number;
  readonly threads?: number;
  readonly out: string;
  readonly fresh?: boolean;
  readonly reuse: readonly string[];
  readonly crops: number;
}

/** What `codec encode` takes unless told otherwise. */
const defaultSetting = efforts[defaultEncodeOptions.effort - 1];

/** Turns what a checker throws on purpose into a usage error of the option. */
function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof CodecError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

const words = (text: string): string[] => text.split(',').flatMap((word) => word.trim() || []);

const quantizerList = (text: string): QuantizerSetting[] => {
  if (text === 'none') return [];
  const settings = words(text).map(parseSetting);
  if (settings.length > 0) return settings;
  throw new InvalidArgumentError(`Expected some of ${quantizerNames.join(', ')}, or none.`);
};

const competitorList = (text: string): string[] => {
  const names = text === 'none' ? [] : words(text);
  for (const name of names) checkCompetitor(name);
  return names;
};

const qualityList = (text: string): number[] => {
  const qualities = words(text).map(numberFrom(0, 100));
  return [...new Set(qualities)].sort((a, b) => a - b);
};

/** An external codec: a JSON file, or the codec in one word. */
async function externalNamed(context: Context, source: string): Promise<ExternalCodec> {
  if (source.includes('=')) return parseExternalText(source);
  const text = new TextDecoder().decode(await context.read(source));
  return about(source, () => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new FormatError(`${source}: expected JSON, got other text`, { cause: error });
    }
    return parseExternalCodec(value, source);
  });
}

async function specsOf(context: Context, options: Options): Promise<CodecSpec[]> {
  const { model, quantizers, qualities, lagrangian, engine, competitors, external } = options;
  const templates = [];
  for (const source of external) templates.push(await externalNamed(context, source));
  const own = { model, qualities, engine, ...(lagrangian === undefined ? {} : { lagrangian }) };
  const specs: CodecSpec[] = [
    ...quantizers.map((setting): CodecSpec => ({ kind: 'ours', options: { ...own, ...setting } })),
    ...(await weightsSpecs(context, options, own)),
    ...competitors.map((name): CodecSpec => ({ kind: 'competitor', name })),
    ...templates.map((template): CodecSpec => ({ kind: 'external', template })),
  ];
  const names = [...competitors, ...templates.map(({ name }) => name)];
  if (specs.length === 0) throw new UsageError('codecs: expected at least one, got none');
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new UsageError(`codecs: expected every name once, got ${twice} twice`);
  return specs;
}

/** A bar on a terminal, else a line per picture and codec. */
function progressOf(context: Context): { readonly tell: (state: RunProgress) => void; end(): void } {
  const { stderr } = context.streams;
  let bar: Progress | undefined;
  let last = '';
  const start = performance.now();
  return {
    tell({ done, total, image, codec }) {
      const note = `${image} ${codec}`;
      if (stderr.isTTY) {
        bar ??= new Progress(stderr, total);
        bar.update(done, note);
      } else if (note !== last && done < total) {
        const left = ((performance.now() - start) / 1000 / done) * (total - done);
        context.say(`${count(done)}/${count(total)} ${note}, ${duration(left)} left`);
      }
      last = note;
    },
    end() {
      bar?.end();
    },
  };
}

/** 'kodak', or 'kodak-1-of-3' for a shard: results of shards do not share files. */
const stemOf = (name: string, shard: Shard | undefined): string =>
  shard ? `${name}-${shard.index}-of-${shard.count}` : name;

/** What a run is about, after its options are understood. */
interface Run {
  readonly dataset: Dataset;
  readonly specs: readonly CodecSpec[];
  readonly threads: number;
}

async function prepare(context: Context, source: string, options: Options): Promise<Run> {
  const dataset = await datasetNamed(source, options.data);
  // A model that is not there is no codec among others that fails, but nothing to evaluate.
  if (options.quantizers.length > 0) await modelNamed(options.model);
  const specs = await specsOf(context, options);
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / options.jobs));
  return { dataset, specs, threads };
}

async function measure(
  context: Context,
  { dataset, specs, threads }: Run,
  options: Options,
): Promise<Evaluation | undefined> {
  const { jobs, limit, shard, out, reuse } = options;
  const earlier: Evaluation[] = [];
  for (const name of reuse) earlier.push(await evaluationNamed(context, name));
  const metrics = await openMetrics(options.metrics);
  const environment = await environmentOf({ jobs, threads, versions: metrics.versions });
  const path = join(out, `${stemOf(dataset.name, shard)}.results.jsonl`);
  const store = await about(path, () => ResultStore.open<KeptMeasurement>(path));
  if (options.fresh) await store.clear();
  for (const [n, evaluation] of earlier.entries()) {
    context.say(`${reuse[n]}: ${count(await reuseMeasurements(store, evaluation))} measurements taken over`);
  }
  const measurers: Measurer[] =
    jobs === 1
      ? [await openLocalMeasurer(specs, threads, metrics)]
      : await openWorkers(jobs, specs, { threads, metrics: options.metrics });
  const stop = new AbortController();
  const release = context.streams.onInterrupt?.(() => {
    context.say('stopping after the measurements at hand; once more to stop at once');
    stop.abort();
  });
  const progress = progressOf(context);
  try {
    return await evaluate({
      dataset,
      ...(limit === undefined ? {} : { limit }),
      ...(shard === undefined ? {} : { shard }),
      measurers,
      metrics,
      store,
      environment,
      progress: progress.tell,
      signal: stop.signal,
    });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    context.say(
      `${dataset.name}: stopped with ${count(store.size)} results in ${path}; the same command goes on`,
    );
    context.status = 1;
    return undefined;
  } finally {
    progress.end();
    release?.();
    await Promise.all(measurers.map((measurer) => measurer.close()));
  }
}

async function run(context: Context, command: Command, source: string, options: Options): Promise<void> {
  const prepared = await prepare(context, source, options);
  const evaluation = await measure(context, prepared, options);
  if (!evaluation) return;
  const measured = evaluation.codecs.some(({ perImage }) => perImage.length > 0);
  if (!measured) {
    const reasons = evaluation.failures.map(({ image, message }) => `${image ?? 'all'}: ${message}`);
    throw new FileError(source, new UsageError(`nothing could be measured; ${reasons[0] ?? 'no picture'}`));
  }
  const path = join(options.out, `${stemOf(evaluation.dataset, options.shard)}.json`);
  await writeText(context, path, evaluationText(evaluation));
  const { dataset, ...codecs } = prepared;
  const crops =
    options.report === undefined
      ? []
      : await cropsOf(context, evaluation, dataset, { ...codecs, count: options.crops });
  await writeOutputs(context, evaluation, options, { command: commandLine(command), crops });
  context.say(`${path}: ${evaluation.images.length} of ${evaluation.scope.images.length} images`);
}

/** Adds the commands. */
export function addEval(program: Command, context: Context): void {
  const command = program
    .command('eval')
    // So that options after `merge` are those of merge.
    .enablePositionalOptions()
    .summary('measure rate, distortion and time on a data set, beside other codecs')
    .description(
      'Measure the codec on a data set, beside other codecs that run live and curves that were published: real bytes, ' +
        '8-bit reconstructions, BD-rates of the mean curves and of the single pictures. Results are kept picture by ' +
        'picture in the folder --out, so the same command goes on where a run was stopped, and OUT/SET.json has the ' +
        'whole evaluation. Exit code 3 where a picture, a codec or a metric failed: it is named, and the rest is done.',
    )
    .argument('<set>', `${datasetNames.join(', ')}, or a folder of pictures`)
    .addOption(dataOption())
    .addOption(modelOption('bundled model or model file').default('base'))
    .addOption(
      new Option(
        '--quantizers <list>',
        `some of ${quantizerNames.join(', ')}, with refinements as in tcq64+2; none to measure other codecs only`,
      )
        .argParser(checked(quantizerList))
        .default([defaultSetting], settingName(defaultSetting)),
    )
    .addOption(
      new Option('--qualities <list>', 'qualities of the sweep, 0-100')
        .argParser(qualityList)
        .default(defaultQualities, defaultQualities.join(',')),
    )
    .option('--lagrangian <x>', 'price of a bit, for rate-aware quantizers', numberFrom(0, 1e6))
    .addOption(engineOption());
  for (const option of weightsOptions()) command.addOption(option);
  command
    .addOption(
      new Option(
        '--competitors <list>',
        `some of ${competitorNames.join(', ')}, with an effort as in avif:6; none for none`,
      )
        .argParser(checked(competitorList))
        .default(defaultCompetitors, defaultCompetitors.join(',')),
    )
    .addOption(
      new Option(
        '--external <codec>',
        'a program as a codec: a JSON file with name, encode, decode, settings and, if wished, picture (png or ppm), ' +
          'extension, version; or NAME=ENCODE;DECODE;SETTINGS. Commands have {in}, {out}, {threads}, and {q} to encode; may be repeated',
      )
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([], 'none'),
    )
    .addOption(
      new Option(
        '--metrics <list>',
        `some of ${metricNames.join(', ')}; the last two need the programs ssimulacra2 and butteraugli_main of libjxl`,
      )
        .argParser(checked(parseMetrics))
        .default(['psnr'], 'psnr'),
    )
    .option('--limit <n>', 'only the first n pictures (then no published curves)', wholeFrom(1))
    .addOption(
      new Option(
        '--shard <i/n>',
        'only the i-th of n parts, from 1 on; auto takes them from JOB_COMPLETION_INDEX and JOB_COMPLETIONS, or from ' +
          'SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT',
      ).argParser(checked((text: string) => parseShard(text, process.env))),
    )
    .addOption(
      new Option(
        '--jobs <n>',
        'processes that measure side by side; with more than 1, times are those of a busy machine',
      )
        .argParser(wholeFrom(1, 256))
        .default(1),
    )
    .option(
      '-j, --threads <n>',
      'threads of the engine, sharp and programs in each process; recorded (default: cores / jobs)',
      wholeFrom(1, 256),
    )
    .option('--out <folder>', 'where results are kept', join('out', 'eval'))
    .option('--fresh', 'measure again what is kept there')
    .addOption(
      new Option(
        '--reuse <file>',
        'take over the measurements of an earlier evaluation (its JSON), for codecs of the same versions at the same number of ' +
          'threads; may be repeated',
      )
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([], 'none'),
    )
    .addOption(
      new Option('--crops <n>', 'pictures that the report shows beside a competitor at the same bytes')
        .argParser(wholeFrom(0, 100))
        .default(3),
    );
  for (const option of outputOptions()) command.addOption(option);
  command.action((source: string, options: Options) => run(context, command, source, options));
  examples(command, [
    'codec eval kodak --report out/kodak',
    'codec eval kodak --quantizers round,rdoq --competitors webp:4,avif,avif:9,jxl --metrics psnr,ms-ssim',
    'codec eval photos --limit 10 --qualities 20,40,60,80 --csv photos.csv',
    "codec eval kodak --external 'bpg=bpgenc -q {q} -o {out} {in};bpgdec -o {out} {in};40,34,28,22'",
    'codec eval kodak --weights int8,gptq:4,tcq8:3,tcq8:4 --calibration photographs --competitors none --report out/weights',
    'codec eval tecnick --shard 1/3 --out out/tecnick',
  ]);
  addEvalMerge(command, context);
  addEvalDocument(command, context);
}
