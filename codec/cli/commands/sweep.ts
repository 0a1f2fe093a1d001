/** `codec sweep`: chooses step and price of a bit of quantizers on validation pictures and writes them into a model file. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { leastPoints } from '../../../eval/bd-rate.js';
import { writeJson } from '../../../eval/evaluation.js';
import {
  normalQuantization,
  risingPart,
  type SweepPicture,
  type SweepResult,
  type SweepSetting,
  sweepCurve,
  sweepPicture,
  sweepQuantizer,
} from '../../../eval/quantizer-sweep.js';
import { UsageError } from '../../../src/errors.js';
import { writeFileAtomic } from '../../../src/io/index.js';
import { fitSet } from '../../../src/training/fit-quantization.js';
import { type AnalysedPicture, analysePictureAt } from '../../../src/training/fit-tables.js';
import { coderOf } from '../../coder.js';
import { isTrellisCoded, type QuantizerName } from '../../format/index.js';
import type { QuantizerParts } from '../../model/model-file.js';
import { quantizationOf } from '../../quantizers/registry.js';
import type { EngineName } from '../../transform-engine.js';
import { type Context, FileError, outputName } from '../context.js';
import { examples } from '../manual.js';
import { engineOption, modelNamed, numberFrom, threadsOption, verboseOption, wholeFrom } from '../options.js';
import { count } from '../text.js';
import {
  checkOutput,
  cropOption,
  quantizersOption,
  tuningImages,
  tuningQualities,
  withQuantizers,
  writeTuned,
} from '../tuning.js';

interface Options {
  readonly quantizers: readonly QuantizerName[];
  readonly images: string;
  readonly fitImages?: string;
  readonly limit: number;
  readonly fitLimit: number;
  readonly crop: number;
  readonly steps?: readonly number[];
  readonly lagrangians?: readonly number[];
  readonly log?: string;
  readonly engine: EngineName;
  readonly threads: number;
  readonly overwrite: boolean;
}

/** Values that are tried: a trellis has a union grid that is finer than a scalar quantizer's. */
const grids = {
  scalar: {
    steps: [0.85, 0.92, 1, 1.09],
    lagrangians: [0.007, 0.01, 0.015, 0.022, 0.033, 0.05, 0.075, 0.11],
  },
  trellis: {
    steps: [0.5, 0.54, 0.59, 0.64, 0.7, 0.76, 0.83, 0.9],
    lagrangians: [0.01, 0.015, 0.022, 0.033, 0.05, 0.075, 0.11, 0.165],
  },
} as const;

function risingNumbers(least: number, most: number): (text: string) => number[] {
  return (text) => {
    const values = text.split(',').map(numberFrom(least, most));
    if (values.every((value, n) => n === 0 || value > values[n - 1])) return values;
    throw new InvalidArgumentError('Expected rising numbers with commas between them.');
  };
}

/** Best setting of one quantizer as the log has it. */
interface SweepRecord extends SweepResult {
  readonly quantizer: QuantizerName;
  readonly tables: 'fitted' | 'normal';
  readonly tried: readonly SweepResult[];
}

const show = ({ step, lagrangian, bdRate, leftOut }: SweepResult): string => {
  const rate = Number.isFinite(bdRate) ? `${bdRate.toFixed(2)} %` : 'no curve';
  const without = leftOut.length > 0 ? `, PSNR does not rise at quality ${leftOut.join(', ')}` : '';
  return `step ${step}, Lagrangian ${lagrangian}: ${rate}${without}`;
};

async function run(context: Context, source: string, output: string, options: Options): Promise<void> {
  await checkOutput(context, output, options);
  const model = await modelNamed(source);
  const coder = await coderOf(model, options.engine, options.threads);
  const pictures: SweepPicture[] = [];
  for (const image of await tuningImages(context, options.images, options.limit, options.crop)) {
    pictures.push(await sweepPicture(coder, image, tuningQualities));
  }
  const fitPictures: AnalysedPicture[] = [];
  if (options.fitImages !== undefined) {
    for (const image of await tuningImages(context, options.fitImages, options.fitLimit, options.crop)) {
      fitPictures.push(...(await analysePictureAt(coder, image, tuningQualities)));
    }
  }
  const set = fitPictures.length > 0 ? fitSet(coder.entropy, model, fitPictures) : undefined;
  const tables = set ? 'fitted' : 'normal';
  const reference = await sweepCurve(coder, pictures, normalQuantization(coder, 'round', 1, 0));
  const { length: rising } = risingPart(reference);
  if (rising < leastPoints) {
    throw new FileError(
      options.images,
      new UsageError(
        `expected pictures whose PSNR rises with the rate at ${leastPoints} qualities or more, got ${rising} by rounding`,
      ),
    );
  }
  context.say(
    `${count(pictures.length)} pictures; BD-rates are against rounding with tables of normal latents`,
  );
  const parts = new Map<QuantizerName, QuantizerParts>();
  const records: SweepRecord[] = [];
  const starts = new Map<boolean, SweepSetting>();
  for (const name of options.quantizers) {
    const trellis = isTrellisCoded(name);
    const grid = grids[trellis ? 'trellis' : 'scalar'];
    const tried: SweepResult[] = [];
    const swept = await sweepQuantizer({
      coder,
      name,
      pictures,
      fit: set,
      steps: options.steps ?? grid.steps,
      // Rounding does not look at the price of a bit.
      lagrangians: name === 'round' ? [0] : (options.lagrangians ?? grid.lagrangians),
      // What was best for the last quantizer of its kind is near the best for the next.
      start: starts.get(trellis) ?? quantizationOf(model, name),
      reference,
      onResult: (one) => {
        tried.push(one);
        context.say(`  ${name}, ${show(one)}`);
      },
    }).catch((error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      context.say(`codec: left as it was: ${error.message}`);
      context.status = 3;
    });
    if (!swept) continue;
    const { quantization, result } = swept;
    if (name !== 'round') starts.set(trellis, result);
    parts.set(name, quantization);
    records.push({ quantizer: name, tables, ...result, tried });
    context.say(`${name}, ${tables} tables: ${show(result)}`);
    if (options.log !== undefined) {
      const json = { model: model.id, pictures: pictures.length, crop: options.crop, reference, records };
      await writeFileAtomic(options.log, new TextEncoder().encode(`${writeJson(json, 1)}\n`));
    }
  }
  if (parts.size === 0) throw new FileError(output, new UsageError('not written, as nothing was swept'));
  const id = await writeTuned(context, output, model, withQuantizers(model, parts), options);
  context.say(`${outputName(output)}: ${[...parts.keys()].join(', ')} as swept, id ${id}`);
}

/** Adds the command. */
export function addSweep(program: Command, context: Context): void {
  const command = program
    .command('sweep')
    .summary('choose step and price of a bit of quantizers')
    .description(
      'Choose step and Lagrangian (price of a bit) of quantizers together, by BD-rate of the decoded pictures, with tables ' +
        'counted for every setting that is tried. Best settings and tables go into a copy of the model. Qualities at which ' +
        'PSNR does not rise with the rate are named and left out; exit code 3 where too few are left for a quantizer, ' +
        'which then stays as it was. Test pictures are refused.',
    )
    .argument('<model>', 'bundled model or model file')
    .argument('<output>', 'the new model file; - for standard output')
    .addOption(quantizersOption())
    .requiredOption('--images <folder>', 'pictures to judge by; not those that the networks were trained on')
    .option(
      '--fit-images <folder>',
      'photographs to count tables on (default: none, tables are those of normal latents)',
    )
    .addOption(new Option('--limit <n>', 'pictures to judge by').argParser(wholeFrom(1)).default(20))
    .addOption(new Option('--fit-limit <n>', 'pictures to count on').argParser(wholeFrom(1)).default(32))
    .addOption(cropOption())
    .option(
      '--steps <list>',
      `steps to try, in latents (default: ${grids.scalar.steps.join(',')}; of a trellis ${grids.trellis.steps.join(',')})`,
      risingNumbers(0.01, 100),
    )
    .option(
      '--lagrangians <list>',
      `prices to try (default: ${grids.scalar.lagrangians.join(',')}; of a trellis ${grids.trellis.lagrangians.join(',')})`,
      risingNumbers(1e-6, 100),
    )
    .option('--log <file>', 'everything that was tried, as JSON')
    .addOption(engineOption())
    .addOption(threadsOption())
    .option('--no-overwrite', 'fail if the output exists')
    .addOption(verboseOption());
  command.action((source: string, output: string, options: Options) => run(context, source, output, options));
  examples(command, [
    'codec sweep mine.safetensors swept.safetensors --images held-out --fit-images photos',
    'codec sweep base swept.safetensors --quantizers tcq8 --images held-out --fit-images photos --log sweep.json',
  ]);
}
