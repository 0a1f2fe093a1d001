/** `codec bench`: seconds by stage and megapixels per second of every engine here, and the speed of training. */
import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import { readImage } from '../../../src/io/index.js';
import { type DecodeOptions, decodeWithReport } from '../../decode.js';
import { defaultEncodeOptions, encodeWithReport } from '../../encode.js';
import { networkConfigs } from '../../networks/config.js';
import type { EngineName } from '../../transform-engine.js';
import { about, type Context, inputName } from '../context.js';
import { examples } from '../manual.js';
import {
  jsonOption,
  modelNamed,
  modelOption,
  multipleOf64,
  numberFrom,
  threadsOption,
  wholeFrom,
} from '../options.js';
import { bestBundledModel, median, medianStages, samplePath, sumOf } from '../sample.js';
import { seconds, stages, table } from '../text.js';
import { trainingSpeed } from '../training-speed.js';
import { availableEngines } from '../version.js';

interface Options {
  readonly quality: number;
  readonly model?: string;
  readonly engine: 'all' | EngineName;
  readonly threads: number;
  readonly runs: number;
  readonly training?: boolean;
  readonly batch: number;
  readonly crop: number;
  readonly json?: boolean;
}

interface Measured {
  readonly engine: string;
  readonly direction: 'encode' | 'decode';
  /** Seconds of the first run, which loads the model and compiles the networks. */
  readonly firstSeconds: number;
  /** Medians over the later runs. */
  readonly seconds: number;
  readonly stages: Readonly<Record<string, number>>;
  readonly megapixelsPerSecond: number;
}

async function measure(context: Context, input: string, options: Options) {
  const name = inputName(input);
  const { image } = await readImage(await context.read(input), { name });
  const { quality, threads, runs } = options;
  const source = options.model ?? (await bestBundledModel());
  const model = await modelNamed(source);
  const megapixels = (image.width * image.height) / 1e6;
  const available = (await availableEngines()).map((engine) => engine.name);
  const engines = options.engine === 'all' ? available : [options.engine];
  const measured: Measured[] = [];
  for (const engine of engines) {
    const coding: DecodeOptions = { model, engine, threads };
    let encoded: Uint8Array = new Uint8Array();
    const directions: Record<Measured['direction'], () => Promise<Readonly<Record<string, number>>>> = {
      encode: async () => {
        const report = await encodeWithReport(image, { ...coding, quality });
        encoded = report.bytes;
        return report.seconds;
      },
      decode: async () => (await decodeWithReport(encoded, coding)).seconds,
    };
    for (const direction of ['encode', 'decode'] as const) {
      const all: Readonly<Record<string, number>>[] = [];
      for (let run = 0; run <= runs; run++) all.push(await about(name, directions[direction]));
      const [first, ...later] = all;
      const middle = median(later.map(sumOf));
      measured.push({
        engine,
        direction,
        firstSeconds: sumOf(first),
        seconds: middle,
        stages: medianStages(later),
        megapixelsPerSecond: megapixels / middle,
      });
    }
  }
  const { width, height } = image;
  return {
    file: input,
    width,
    height,
    model: source,
    quality,
    runs,
    threads,
    measured,
    config: model.config,
  };
}

/** Adds the command. */
export function addBench(program: Command, context: Context): void {
  const command = program
    .command('bench')
    .summary('measure how fast this machine codes and trains')
    .description(
      'Measure encoding and decoding in memory, stage by stage (medians after a warm-up), and with --training ' +
        'a training step against a plain matrix product of the same engine.',
    )
    .argument('[input]', 'a picture (default: the sample picture)')
    .addOption(
      new Option('-q, --quality <0-100>', 'quality to encode with')
        .argParser(numberFrom(0, 100))
        .default(defaultEncodeOptions.quality),
    )
    .addOption(modelOption('bundled model or model file (default: "base" or the first bundled one)'))
    .addOption(
      new Option('--engine <name>', 'which engine to measure')
        .choices(['all', 'onnxruntime', 'wasm'])
        .default('all'),
    )
    .addOption(threadsOption())
    .addOption(new Option('--runs <n>', 'runs after the first').argParser(wholeFrom(1, 1000)).default(5))
    .option('--training', 'measure a training step of the network too')
    .addOption(new Option('--batch <n>', 'crops per training step').argParser(wholeFrom(1, 4096)).default(4))
    .addOption(
      new Option('--crop <pixels>', 'side of the training crops, a multiple of 64')
        .argParser(multipleOf64(64, 4096))
        .default(256),
    )
    .addOption(jsonOption())
    .action(async (input: string | undefined, options: Options) => {
      const { config, ...coding } = await measure(context, input ?? samplePath(), options);
      const { threads, runs, batch, crop } = options;
      const network = networkConfigs[config.name as keyof typeof networkConfigs] ?? config;
      const training = options.training
        ? await trainingSpeed(await loadOnnxRuntime(), network, { threads, runs, batch, crop })
        : undefined;
      const machine = {
        cpu: cpus()[0]?.model ?? 'unknown',
        cores: availableParallelism(),
        node: process.version,
      };
      if (options.json) {
        return context.printJson({
          machine,
          ...coding,
          ...(training ? { training: { network: config.name, batch, crop, ...training } } : {}),
        });
      }
      const { width, height } = coding;
      context.print(`${machine.cpu}, ${machine.cores} cores, node ${machine.node}`);
      context.print(
        `${basename(coding.file)}, ${width} x ${height}, model ${coding.model}, quality ${coding.quality}, median of ${runs} runs`,
      );
      const rows = coding.measured.map((row) => [
        row.engine,
        row.direction,
        seconds(row.firstSeconds),
        seconds(row.seconds),
        row.megapixelsPerSecond.toFixed(2),
        stages(row.stages),
      ]);
      context.print('');
      for (const line of table([['engine', '', 'first', 'median', 'MP/s', 'stages'], ...rows], 'llrrrl')) {
        context.print(line);
      }
      if (!training) return;
      context.print('');
      context.print(
        `training ${config.name}, ${batch} crops of ${crop} pixels: ${seconds(training.secondsPerStep)} per step, ` +
          `${training.gigaflopPerStep.toFixed(1)} GFLOP`,
      );
      context.print(
        `  ${training.gigaflopPerSecond.toFixed(0)} GFLOP/s, ${training.percent.toFixed(0)} % of a 1024 x 1024 x 1024 ` +
          `matrix product (${training.matMulGigaflopPerSecond.toFixed(0)} GFLOP/s)`,
      );
    });
  examples(command, [
    'codec bench',
    'codec bench photo.png --engine wasm --runs 10',
    'codec bench --training --json',
  ]);
}
