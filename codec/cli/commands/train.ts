/** `codec train`: trains a network on a folder of photographs, with checkpoints that a later call continues from. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import type { TorchPrecision } from '../../../src/engines/torch.js';
import { UsageError } from '../../../src/errors.js';
import {
  type Checkpoint,
  checkpointFile,
  loadCheckpoint,
  type RunOptions,
  saveCheckpoint,
  withOptions,
} from '../../../src/training/checkpoint.js';
import { grow } from '../../../src/training/grow.js';
import { type OptimizerName, optimizers } from '../../../src/training/optimizer.js';
import type { Photographs } from '../../../src/training/photographs.js';
import { exportRun, importRun } from '../../../src/training/run-folder.js';
import { TorchTrainer } from '../../../src/training/torch-trainer.js';
import {
  defaultRunOptions,
  firstCheckpoint,
  parameterSpecs,
  type TrainingRun,
  train,
} from '../../../src/training/train.js';
import { defaultValidation } from '../../../src/training/validation.js';
import {
  type NetworkConfig,
  type NetworkName,
  networkConfigs,
  pictureMultiple,
} from '../../networks/config.js';
import { about, type Context, FileError } from '../context.js';
import { examples } from '../manual.js';
import {
  checkCompile,
  compileOption,
  deviceOption,
  exists,
  jsonOption,
  multipleOf64,
  numberFrom,
  precisionOption,
  stepEngineOption,
  verboseOption,
  wholeFrom,
} from '../options.js';
import { openPhotographs } from '../photographs.js';
import { count } from '../text.js';
import { TrainingLog } from '../training-log.js';

/** Flags that a checkpoint fixes; `steps` and `optimizer` may be changed on resuming. */
interface RunFlags {
  readonly steps?: number;
  readonly optimizer?: OptimizerName;
  readonly batch?: number;
  readonly crop?: number;
  readonly learningRate?: number;
  readonly seed?: number;
}

interface Options extends RunFlags {
  readonly images: string;
  readonly validation?: string;
  readonly model?: NetworkName;
  readonly out: string;
  readonly engine: 'onnxruntime' | 'torch';
  readonly device?: string;
  readonly precision: TorchPrecision;
  readonly compile?: boolean;
  readonly export?: string;
  readonly exportSize: number;
  readonly processes: number;
  readonly import?: string;
  readonly resume?: boolean;
  readonly grow?: boolean;
  readonly checkpointEvery: number;
  readonly validateEvery: number;
  readonly logEvery: number;
  readonly threads: number;
  readonly memory: number;
  readonly json?: boolean;
}

const flagNames = {
  batch: '--batch',
  crop: '--crop',
  learningRate: '--learning-rate',
  seed: '--seed',
} as const;

/** Options of the run: the checkpoint's, where there is one; usage error for flags that say otherwise. */
function runOptions(command: Command, options: Options, resume: Checkpoint | undefined): RunOptions {
  const before = resume?.options ?? defaultRunOptions;
  const { steps = before.steps, optimizer = before.optimizer } = options;
  checkCompile(command, options);
  if (optimizer === 'soap' && options.engine !== 'torch' && options.export === undefined) {
    command.error(
      `error: option '--optimizer soap' needs '--engine torch', got '--engine ${options.engine}'`,
    );
  }
  if (resume) {
    for (const [key, flag] of Object.entries(flagNames)) {
      const [wished, kept] = [options[key as keyof RunFlags], resume.options[key as keyof RunFlags]];
      if (wished !== undefined && wished !== kept) {
        command.error(`error: option '${flag} ${wished}' differs from the run's, which is ${kept}`);
      }
    }
    const { name } = resume.config;
    if (options.model !== undefined && options.model !== name && !options.grow) {
      command.error(`error: option '--model ${options.model}' differs from the run's, which is ${name}`);
    }
    return { ...resume.options, steps, optimizer };
  }
  const wished = Object.keys(flagNames).flatMap((key) => {
    const value = options[key as keyof RunFlags];
    return value === undefined ? [] : [[key, value]];
  });
  return { ...defaultRunOptions, ...Object.fromEntries(wished), steps, optimizer };
}

/** The checkpoint, grown where that is asked for. */
function loaded(path: string, { grow: isGrown, model }: Options): Promise<Checkpoint> {
  return about(path, async () => {
    const checkpoint = await loadCheckpoint(path);
    if (!isGrown) return checkpoint;
    const name = model ?? checkpoint.config.name;
    if (!Object.hasOwn(networkConfigs, name)) {
      throw new UsageError(`grow: expected one of ${Object.keys(networkConfigs).join(', ')}, got ${name}`);
    }
    return grow(checkpoint, networkConfigs[name as NetworkName]);
  });
}

async function checkpointOf(options: Options): Promise<Checkpoint | undefined> {
  const path = checkpointFile(options.out);
  const found = await exists(path);
  if (options.resume) return loaded(path, options);
  if (found) {
    throw new FileError(
      options.out,
      new UsageError('holds a run already; continue it with --resume or name another folder'),
    );
  }
  return undefined;
}

function resumeHint({ images, validation, out }: Options): string {
  const parts = ['codec train --resume', `--images ${images}`, `--out ${out}`];
  if (validation !== undefined) parts.push(`--validation ${validation}`);
  return parts.join(' ');
}

/** What becomes of the moments where a run goes on with another optimizer. */
const switchNote = ({ options: { optimizer } }: Checkpoint, settings: RunOptions): string =>
  `${settings.optimizer} goes on from ${optimizer}: first moments are kept, ` +
  (settings.optimizer === 'soap'
    ? 'second moments start from the Kronecker factors'
    : 'second moments are turned back');

async function run(context: Context, command: Command, options: Options): Promise<void> {
  const runtime = await loadOnnxRuntime();
  const resume = await checkpointOf(options);
  const settings = runOptions(command, options, resume);
  const config = resume?.config ?? networkConfigs[options.model ?? 'base'];
  if (resume && resume.step >= settings.steps) {
    throw new FileError(
      options.out,
      new UsageError(`has its ${count(resume.step)} steps done; --steps beyond them continues it`),
    );
  }
  await about(options.out, () => mkdir(options.out, { recursive: true })).catch((error: FileError) => {
    throw new FileError(options.out, new UsageError(`cannot be made: ${error.message}`));
  });
  const log = new TrainingLog(context, {
    file: join(options.out, 'log.jsonl'),
    steps: settings.steps,
    done: resume?.step ?? 0,
    every: options.logEvery,
    json: options.json ?? false,
  });
  const open = (folder: string, leastSide: number): Promise<Photographs> =>
    openPhotographs(folder, {
      leastSide,
      memory: options.memory * 2 ** 20,
      onSkip: (file, reason) => log.skip(file, reason),
    });
  const images = await open(options.images, settings.crop);
  const validation =
    options.validation === undefined ? undefined : await open(options.validation, defaultValidation.crop);
  const done = resume?.step ?? 0;
  log.write('start', { model: config.name, from: done, images: images.count, options: settings });
  context.say(
    `${resume ? `resuming at step ${count(done)}` : 'training'}: ${config.name}, ${count(images.count)} pictures, ${count(settings.steps)} steps of ${settings.batch} crops of ${settings.crop} pixels`,
  );
  if (resume && settings.optimizer !== resume.options.optimizer) context.say(switchNote(resume, settings));
  const stop = new AbortController();
  const release = context.streams.onInterrupt?.(() => {
    log.say('stopping after this step; once more to stop at once');
    stop.abort();
  });
  const path = checkpointFile(options.out);
  let saved: number | undefined;
  try {
    const step = await about(options.out, () =>
      train({
        runtime,
        config,
        options: settings,
        images,
        validation,
        resume,
        createEngine: torchEngine(config, options),
        checkpointPath: path,
        checkpointEvery: options.checkpointEvery,
        validateEvery: options.validateEvery,
        threads: options.threads,
        onStep: (number, metrics, elapsed) => log.step(number, metrics, elapsed),
        onValidation: (number, result) => log.validation(number, result),
        onCheckpoint: (number) => {
          saved = number;
          log.checkpoint(number, path);
        },
        signal: stop.signal,
      }),
    );
    const finished = step === settings.steps;
    log.end(step, finished ? 'finished' : 'stopped');
    if (finished) {
      context.say(
        `${path}: done, ${count(step)} steps; codec export ${options.out} NAME.safetensors makes a model`,
      );
    } else if (saved === undefined && !resume) {
      context.say(`${options.out}: stopped before the first step, nothing to save`);
    } else {
      context.say(`${path}: stopped after step ${count(step)}; continue with: ${resumeHint(options)}`);
    }
  } finally {
    release?.();
  }
}

/** Steps on PyTorch where they are asked for; onnxruntime is the default. */
function torchEngine(
  config: NetworkConfig,
  { engine, device, precision, compile }: Options,
): TrainingRun['createEngine'] {
  if (engine !== 'torch') return undefined;
  return (options, state) =>
    TorchTrainer.create(config, options, state, { device, precision, compile, threads: options.threads });
}

const launcher = (processes: number): string =>
  processes === 1 ? 'python3' : `torchrun --nproc-per-node ${processes}`;

/** --export: the run as a folder that trains without Node. */
async function exportFolder(context: Context, command: Command, options: Options): Promise<void> {
  const folder = options.export!;
  const path = options.out === undefined ? undefined : checkpointFile(options.out);
  const resume = path && (await exists(path)) ? await loaded(path, options) : undefined;
  const settings = runOptions(command, options, resume);
  const config = resume?.config ?? networkConfigs[options.model ?? 'base'];
  const open = (source: string, leastSide: number): Promise<Photographs> =>
    openPhotographs(source, {
      leastSide,
      onSkip: (file, reason) => context.say(`skipped ${file}: ${reason}`),
    });
  const images = await open(options.images, settings.crop);
  const validation = options.validation && (await open(options.validation, defaultValidation.crop));
  const runtime = await loadOnnxRuntime();
  const checkpoint = resume
    ? withOptions(resume, settings)
    : await firstCheckpoint({ runtime, config, options: settings, images });
  await about(folder, () =>
    exportRun(
      folder,
      checkpoint,
      { images, validation: validation || undefined },
      { bytes: options.exportSize * 1e6, processes: options.processes },
    ),
  );
  context.say(
    `${folder}: ${config.name} at step ${count(checkpoint.step)}; train it with: ${launcher(options.processes)} ${join(folder, 'run.py')} ${folder}`,
  );
}

/** --import: the checkpoint that run.py left becomes the run's. */
async function importFolder(context: Context, options: Options): Promise<void> {
  const folder = options.import!;
  const checkpoint = await about(folder, () => importRun(folder));
  const path = checkpointFile(options.out);
  const present = (await exists(path)) ? await about(path, () => loadCheckpoint(path)) : undefined;
  if (present && present.step > checkpoint.step) {
    throw new FileError(
      options.out,
      new UsageError(`holds step ${present.step}, which is beyond step ${checkpoint.step} of ${folder}`),
    );
  }
  await about(options.out, async () => {
    await mkdir(options.out, { recursive: true });
    await saveCheckpoint(path, checkpoint, parameterSpecs(checkpoint.config));
  });
  context.say(`${path}: ${checkpoint.config.name} at step ${count(checkpoint.step)}`);
}

/** Usage error for an option that this way of calling needs. */
function requireOption(command: Command, options: Options, key: 'images' | 'out', flags: string): void {
  if (options[key] === undefined) command.error(`error: required option '${flags}' not specified`);
}

async function dispatch(context: Context, command: Command, options: Options): Promise<void> {
  if (options.import === undefined) requireOption(command, options, 'images', '--images <folder>');
  if (options.export === undefined) requireOption(command, options, 'out', '--out <run>');
  if (options.grow && !options.resume) command.error("error: option '--grow' needs '--resume'");
  if (options.import !== undefined) await importFolder(context, options);
  else if (options.export !== undefined) await exportFolder(context, command, options);
  else await run(context, command, options);
}

/** Adds the command. */
export function addTrain(program: Command, context: Context): void {
  const { steps, batch, crop, learningRate, seed } = defaultRunOptions;
  const command = program
    .command('train')
    .summary('train a network on a folder of photographs')
    .description(
      'Train a network on a folder of photographs. Ctrl-C finishes the step and saves; --resume continues. ' +
        'Progress is a bar on a terminal and JSON lines on standard output otherwise; RUN/log.jsonl keeps the lines.',
    )
    .option('--images <folder>', 'photographs to train on')
    .option('--validation <folder>', 'photographs to validate on (default: no validation)')
    .addOption(
      new Option('-m, --model <name>', 'the network (default: "base")').choices(Object.keys(networkConfigs)),
    )
    .option('--out <run>', 'folder of the run: checkpoint.safetensors, log.jsonl')
    .option('--steps <n>', `steps in all (default: ${steps})`, wholeFrom(1))
    .option('--batch <n>', `crops per step (default: ${batch})`, wholeFrom(1, 4096))
    .option(
      '--crop <pixels>',
      `side of the crops, a multiple of ${pictureMultiple} (default: ${crop})`,
      multipleOf64(pictureMultiple, 4096),
    )
    .option('--learning-rate <x>', `highest learning rate (default: ${learningRate})`, numberFrom(1e-9, 10))
    .addOption(
      new Option(
        '--optimizer <name>',
        `turns gradients into steps; soap needs torch (default: "${defaultRunOptions.optimizer}")`,
      ).choices(optimizers),
    )
    .option('--seed <n>', `decides every random choice (default: ${seed})`, wholeFrom(0, 2 ** 32 - 1))
    .addOption(stepEngineOption())
    .addOption(deviceOption())
    .addOption(precisionOption())
    .addOption(compileOption())
    .option('--export <folder>', 'do not train: write a folder that python3 trains on a machine without Node')
    .addOption(
      new Option('--export-size <MB>', 'pictures in that folder').argParser(wholeFrom(1)).default(45),
    )
    .addOption(
      new Option('--processes <n>', 'processes, one a GPU, that will share its batches')
        .argParser(wholeFrom(1, 4096))
        .default(1),
    )
    .option('--import <folder>', 'do not train: take what the training of such a folder has left')
    .option('--resume', "continue from the run's checkpoint, with its options")
    .option('--grow', 'with --resume: continue as a larger network, whose new blocks start as the identity')
    .addOption(
      new Option('--checkpoint-every <n>', 'steps between checkpoints').argParser(wholeFrom(1)).default(500),
    )
    .addOption(
      new Option('--validate-every <n>', 'steps between validations').argParser(wholeFrom(1)).default(2000),
    )
    .addOption(
      new Option('--log-every <n>', 'steps that a log line is the mean of')
        .argParser(wholeFrom(1))
        .default(50),
    )
    .addOption(
      new Option('-j, --threads <n>', 'threads; 0 leaves the choice to the engine')
        .argParser(wholeFrom(0, 256))
        .default(0),
    )
    .addOption(
      new Option('--memory <MB>', 'decoded pictures kept in memory').argParser(wholeFrom(1)).default(1536),
    )
    .addOption(jsonOption())
    .addOption(verboseOption());
  command.action((options: Options) => dispatch(context, command, options));
  examples(command, [
    'codec train --images photos --validation held-out --out runs/mine',
    'codec train --images photos --export box && python3 box/run.py box --out done',
    'codec train --images photos --batch 32 --export box --processes 4 && torchrun --nproc-per-node 4 box/run.py box',
    'codec train --import done --out runs/mine',
    'codec train --resume --images photos --validation held-out --out runs/mine',
    'codec train --model tiny --images photos --out runs/tiny --steps 2000 | jq .loss',
  ]);
}
