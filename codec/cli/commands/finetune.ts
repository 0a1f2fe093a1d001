/** `codec finetune`: trains decoder and entropy networks of a model on latents that its own quantizers have quantized. */
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import type { TorchPrecision } from '../../../src/engines/torch.js';
import { UsageError } from '../../../src/errors.js';
import type { Image } from '../../../src/io/index.js';
import { type AdaptedParts, adaptedParts } from '../../../src/training/adaptation-objective.js';
import {
  checkFinetuneOptions,
  defaultFinetuneOptions,
  type FinetuneOptions,
  type FinetuneState,
  finetune,
} from '../../../src/training/finetune.js';
import { finetuneFile, loadFinetune, saveFinetune } from '../../../src/training/finetune-checkpoint.js';
import { type OptimizerName, optimizers } from '../../../src/training/optimizer.js';
import { validateReal } from '../../../src/training/real-validation.js';
import { TorchTrainer } from '../../../src/training/torch-trainer.js';
import { coderOf } from '../../coder.js';
import type { QuantizerName } from '../../format/index.js';
import { loadModel } from '../../model/load.js';
import { type ParsedModel, serializeModel } from '../../model/model-file.js';
import { coderSpecs } from '../../networks/coder-graphs.js';
import { pictureMultiple } from '../../networks/config.js';
import { quantizationOf } from '../../quantizers/registry.js';
import { about, type Context, FileError, outputName } from '../context.js';
import { examples } from '../manual.js';
import {
  checkCompile,
  compileOption,
  deviceOption,
  exists,
  modelNamed,
  multipleOf64,
  numberFrom,
  precisionOption,
  stepEngineOption,
  threadsOption,
  verboseOption,
  wholeFrom,
} from '../options.js';
import { openPhotographs } from '../photographs.js';
import { Progress } from '../progress.js';
import { count } from '../text.js';
import { checkOutput, quantizersOption, tuningImages, tuningQualities } from '../tuning.js';

interface Options {
  readonly quantizers: readonly QuantizerName[];
  readonly parts: AdaptedParts;
  readonly images: string;
  readonly validation?: string;
  readonly run: string;
  readonly resume?: boolean;
  readonly rounds: number;
  readonly steps: number;
  readonly batch: number;
  readonly crop: number;
  readonly pool: number;
  readonly learningRate: number;
  readonly optimizer: OptimizerName;
  readonly keep: number;
  readonly prices?: readonly number[];
  readonly seed: number;
  readonly engine: 'onnxruntime' | 'torch';
  readonly device?: string;
  readonly precision: TorchPrecision;
  readonly compile?: boolean;
  readonly checkpointEvery: number;
  readonly threads: number;
  readonly overwrite: boolean;
}

/** Pictures that tables are fitted on, and that validation codes; central crops of this side. */
const fitting = { pictures: 32, crop: 384 } as const;
const validating = { pictures: 8, crop: 384, qualities: [10, 30, 50, 70, 90] } as const;

const pricesFrom = (text: string): number[] => text.split(',').map(numberFrom(0.01, 100));

function finetuneOptions(options: Options): FinetuneOptions {
  const { quantizers, parts, rounds, steps, batch, crop, pool, learningRate, optimizer, keep, seed } =
    options;
  const prices = options.prices ?? Array.from({ length: rounds }, () => 1);
  return { quantizers, parts, rounds, steps, batch, crop, pool, learningRate, optimizer, keep, seed, prices };
}

/** Where to begin: the run's last checkpoint, or the model; the options that decide the course come with it. */
async function startOf(
  source: string,
  options: Options,
): Promise<{ options: FinetuneOptions; start: FinetuneState }> {
  const path = finetuneFile(options.run);
  if (options.resume) return about(path, () => loadFinetune(options.run));
  if (await exists(path)) {
    throw new FileError(
      options.run,
      new UsageError('holds a run already; continue it with --resume or name another folder'),
    );
  }
  const model = await modelNamed(source);
  const chosen = finetuneOptions(options);
  checkFinetuneOptions(chosen);
  for (const name of chosen.quantizers) quantizationOf(model, name);
  const start = { model: serializeModel(model, coderSpecs(model.config)), round: 0, step: 0 };
  await about(options.run, () => saveFinetune(options.run, chosen, start));
  return { options: chosen, start };
}

/** Progress of a run: a bar on a terminal, and JSON lines in RUN/finetune.jsonl. */
class FinetuneLog {
  #sums = { loss: 0, distortion: 0, seconds: 0, steps: 0 };
  readonly #bar: Progress | undefined;

  constructor(
    readonly context: Context,
    readonly folder: string,
    readonly options: FinetuneOptions,
    done: number,
  ) {
    const { stderr } = context.streams;
    const total = options.rounds * options.steps;
    this.#bar = stderr.isTTY ? new Progress(stderr, total, done) : undefined;
  }

  say(line: string): void {
    if (this.#bar) this.#bar.say(line);
    else this.context.say(line);
  }

  async write(type: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const line = JSON.stringify({ type, time: new Date().toISOString(), ...fields });
    await appendFile(join(this.folder, 'finetune.jsonl'), `${line}\n`);
  }

  pool(round: number, done: number): void {
    this.#bar?.update(
      round * this.options.steps,
      `quantizing crop ${count(done)}/${count(this.options.pool)}`,
    );
  }

  step(round: number, step: number, loss: number, distortion: number, seconds: number): void {
    const sums = this.#sums;
    sums.loss += loss;
    sums.distortion += distortion;
    sums.seconds += seconds;
    sums.steps++;
    this.#bar?.update(round * this.options.steps + step, `loss ${(sums.loss / sums.steps).toFixed(3)}`);
    if (step % 100 !== 0 && step !== this.options.steps) return;
    const { steps } = sums;
    const means = {
      loss: sums.loss / steps,
      psnr: -10 * Math.log10(sums.distortion / steps),
      seconds: sums.seconds / steps,
    };
    this.#sums = { loss: 0, distortion: 0, seconds: 0, steps: 0 };
    void this.write('step', { round, step, ...means });
  }

  end(): void {
    this.#bar?.end();
  }
}

async function run(context: Context, source: string, output: string, options: Options): Promise<void> {
  await checkOutput(context, output, options);
  const runtime = await loadOnnxRuntime();
  const { options: chosen, start } = await startOf(source, options);
  const images = await openPhotographs(options.images, {
    leastSide: Math.min(chosen.crop, 256),
    onSkip: (file, reason) => context.say(`skipped ${file}: ${reason}`),
  });
  const fitCrops = await tuningImages(context, options.images, fitting.pictures, fitting.crop);
  const held =
    options.validation === undefined
      ? []
      : await tuningImages(context, options.validation, validating.pictures, validating.crop);
  const log = new FinetuneLog(context, options.run, chosen, start.round * chosen.steps + start.step);
  const stop = new AbortController();
  const release = context.streams.onInterrupt?.(() => {
    log.say('stopping after this step; once more to stop at once');
    stop.abort();
  });
  try {
    await about(options.run, () => mkdir(options.run, { recursive: true }));
    const { engine, device, precision, compile, threads } = options;
    const tuned = await about(options.run, () =>
      finetune({
        options: chosen,
        start,
        images,
        fitCrops,
        qualities: tuningQualities,
        runtime,
        engine: 'auto',
        threads,
        createEngine:
          engine === 'torch'
            ? (settings, state) =>
                configOf(start).then((config) =>
                  TorchTrainer.create(config, settings, state, { device, precision, compile, threads }),
                )
            : undefined,
        checkpointEvery: options.checkpointEvery,
        onPool: (round, done) => log.pool(round, done),
        onStep: (round, step, { loss, distortion }, seconds) =>
          log.step(round, step, loss, distortion.reduce((a, b) => a + b, 0) / distortion.length, seconds),
        onModel: (round, model) => validated(log, chosen, round, model, held, threads),
        onCheckpoint: (state) => saveFinetune(options.run, chosen, state),
        signal: stop.signal,
      }),
    );
    log.end();
    if (!tuned) {
      context.say(`${options.run}: stopped; the same command with --resume goes on`);
      return;
    }
    const card = {
      ...tuned.card,
      finetuning: `${chosen.parts} on ${chosen.quantizers.join(', ')}, ${chosen.rounds} rounds of ${chosen.steps} steps`,
    };
    await context.write(output, serializeModel({ ...tuned, card }, coderSpecs(tuned.config)), options);
    context.say(`${outputName(output)}: ${card.finetuning}, id ${tuned.id}`);
  } finally {
    release?.();
  }
}

const configOf = async ({ model }: FinetuneState): Promise<ParsedModel['config']> =>
  (await loadModel(model)).config;

/** Says what the leading quantizer's files cost at the start of a round, or at the end. */
async function validated(
  log: FinetuneLog,
  { quantizers, rounds }: FinetuneOptions,
  round: number,
  model: ParsedModel,
  pictures: readonly Image[],
  threads: number,
): Promise<void> {
  if (pictures.length === 0) return;
  const coder = await coderOf(model, 'auto', threads);
  for (const name of quantizers) {
    const { loss, points } = await validateReal(
      coder,
      quantizationOf(model, name),
      pictures,
      validating.qualities,
    );
    await log.write('validation', { round, quantizer: name, loss, points });
    const text = points.map(({ bpp, psnr }) => `${bpp.toFixed(3)} bpp ${psnr.toFixed(2)} dB`).join(' | ');
    log.say(
      `${round === rounds ? 'end' : `round ${round + 1}`}, ${name}: validation loss ${loss.toFixed(4)} | ${text}`,
    );
  }
}

/** Adds the command. */
export function addFinetune(program: Command, context: Context): void {
  const defaults = defaultFinetuneOptions;
  const command = program
    .command('finetune')
    .summary('train decoder and entropy networks on really quantized latents')
    .description(
      'Train the decoder of a model, and its entropy networks if wanted, on latents as its own quantizers leave them in files. ' +
        'The encoder stays. In rounds: photographs are quantized, steps are made, tables are counted anew. ' +
        'Ctrl-C finishes the step and saves; --resume continues. Test pictures are refused.',
    )
    .argument('<model>', 'bundled model or model file')
    .argument('<output>', 'the new model file; - for standard output')
    .requiredOption('--images <folder>', 'photographs to train on')
    .requiredOption('--run <folder>', 'folder of the run: checkpoints and finetune.jsonl')
    .option('--validation <folder>', 'photographs to validate on, with real bits (default: no validation)')
    .addOption(quantizersOption().default([...defaults.quantizers], defaults.quantizers.join(',')))
    .addOption(new Option('--parts <name>', 'what is trained').choices(adaptedParts).default(defaults.parts))
    .addOption(new Option('--rounds <n>', 'rounds').argParser(wholeFrom(1, 100)).default(defaults.rounds))
    .addOption(new Option('--steps <n>', 'steps of a round').argParser(wholeFrom(1)).default(defaults.steps))
    .addOption(
      new Option('--batch <n>', 'crops per step').argParser(wholeFrom(1, 256)).default(defaults.batch),
    )
    .addOption(
      new Option('--crop <pixels>', `side of the crops, a multiple of ${pictureMultiple}`)
        .argParser(multipleOf64(pictureMultiple, 4096))
        .default(defaults.crop),
    )
    .addOption(
      new Option('--pool <n>', 'crops that are quantized for a round')
        .argParser(wholeFrom(1))
        .default(defaults.pool),
    )
    .addOption(
      new Option('--learning-rate <x>', 'highest learning rate')
        .argParser(numberFrom(1e-9, 10))
        .default(defaults.learningRate),
    )
    .addOption(
      new Option('--optimizer <name>', 'turns gradients into steps; soap needs torch')
        .choices(optimizers)
        .default(defaults.optimizer),
    )
    .addOption(
      new Option('--keep <part>', 'of the weights before, in the average with the trained ones')
        .argParser(numberFrom(0, 1))
        .default(defaults.keep),
    )
    .option(
      '--prices <list>',
      'factors by which the price of a bit grows at the start of each round (default: 1 each)',
      pricesFrom,
    )
    .addOption(
      new Option('--seed <n>', 'decides every random choice')
        .argParser(wholeFrom(0, 2 ** 32 - 1))
        .default(defaults.seed),
    )
    .addOption(stepEngineOption())
    .addOption(deviceOption())
    .addOption(precisionOption())
    .addOption(compileOption())
    .option('--resume', "continue from the run's checkpoint, with its options")
    .addOption(
      new Option('--checkpoint-every <n>', 'steps between checkpoints').argParser(wholeFrom(1)).default(500),
    )
    .addOption(threadsOption())
    .option('--no-overwrite', 'fail if the output exists')
    .addOption(verboseOption());
  command.action((source: string, output: string, options: Options) => {
    checkCompile(command, options);
    return run(context, source, output, options);
  });
  examples(command, [
    'codec finetune base tuned.safetensors --images photos --validation held-out --run runs/tuning',
    'codec finetune base tuned.safetensors --images photos --run runs/rdoq --quantizers rdoq --rounds 3 --prices 1,1.3,1.3',
    'codec finetune base tuned.safetensors --images photos --run runs/tuning --resume',
  ]);
}
