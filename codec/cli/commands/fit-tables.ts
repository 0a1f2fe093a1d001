/** `codec fit-tables`: counts what quantizers really choose and writes tables and offsets into a model file. */
import { type Command, Option } from 'commander';
import { fitQuantization, fitSet } from '../../../src/training/fit-quantization.js';
import {
  type AnalysedPicture,
  analysePictureAt,
  defaultFitOptions,
} from '../../../src/training/fit-tables.js';
import { coderOf } from '../../coder.js';
import { scaleTable } from '../../entropy/index.js';
import { isTrellisCoded, type QuantizerName } from '../../format/index.js';
import { defaultQuantizerParts } from '../../model/latent-tables.js';
import type { ParsedModel, QuantizerParts } from '../../model/model-file.js';
import { leastScale, mostScale } from '../../networks/rate-tables.js';
import { type Quantization, quantizationOf, quantizerNames, quantizerOf } from '../../quantizers/registry.js';
import type { EngineName } from '../../transform-engine.js';
import { type Context, outputName } from '../context.js';
import { examples } from '../manual.js';
import { engineOption, modelNamed, numberFrom, threadsOption, verboseOption, wholeFrom } from '../options.js';
import { Progress } from '../progress.js';
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
  readonly limit: number;
  readonly crop: number;
  readonly rounds: number;
  readonly offsets: boolean;
  readonly price: number;
  readonly engine: EngineName;
  readonly threads: number;
  readonly overwrite: boolean;
}

/**
 * What the model has for a quantizer or, where it has nothing yet, for the one before it of the same kind: tables that were
 * fitted to fewer states are nearer than those of normal latents. A model without any of the kind gets the latter.
 */
function quantizationToFit(model: ParsedModel, name: QuantizerName): Quantization {
  const { quantizers, scales } = model.tables;
  const before = quantizerNames
    .slice(0, quantizerNames.indexOf(name) + 1)
    .findLast((other) => quantizers.has(other) && isTrellisCoded(other) === isTrellisCoded(name));
  const parts = before
    ? quantizationOf(model, before)
    : defaultQuantizerParts(scaleTable(scales, leastScale, mostScale)).get(name)!;
  return { ...parts, quantizer: quantizerOf(name) };
}

async function run(context: Context, source: string, output: string, options: Options): Promise<void> {
  await checkOutput(context, output, options);
  const model = await modelNamed(source);
  const coder = await coderOf(model, options.engine, options.threads);
  const images = await tuningImages(context, options.images, options.limit, options.crop);
  const pictures: AnalysedPicture[] = [];
  for (const image of images) {
    pictures.push(...(await analysePictureAt(coder, image, tuningQualities)));
  }
  context.say(`${count(images.length)} pictures at ${tuningQualities.length} qualities`);
  const set = fitSet(coder.entropy, model, pictures);
  const { stderr } = context.streams;
  const progress = stderr.isTTY ? new Progress(stderr, options.quantizers.length) : undefined;
  const parts = new Map<QuantizerName, QuantizerParts>();
  for (const name of options.quantizers) {
    progress?.update(parts.size, name);
    const { rounds, offsets, price } = options;
    const found = quantizationToFit(model, name);
    const quantization = { ...found, lagrangian: Math.fround(price * found.lagrangian) };
    parts.set(name, fitQuantization(coder.entropy, quantization, set, { rounds, offsets }));
  }
  progress?.update(parts.size, '');
  progress?.end();
  const id = await writeTuned(context, output, model, withQuantizers(model, parts), options);
  const what = options.offsets ? 'tables and offsets' : 'tables without offsets';
  context.say(`${outputName(output)}: ${what} of ${options.quantizers.join(', ')}, id ${id}`);
}

/** Adds the command. */
export function addFitTables(program: Command, context: Context): void {
  const command = program
    .command('fit-tables')
    .summary('count the tables of quantizers on photographs')
    .description(
      'Code photographs, count the integers that quantizers really choose, and write tables and reconstruction offsets into ' +
        'a copy of the model, which may lack the quantizers. ' +
        'Steps stay as the model has them, and prices of a bit unless there is a factor; "codec sweep" chooses both. Test pictures are refused.',
    )
    .argument('<model>', 'bundled model or model file')
    .argument('<output>', 'the new model file; - for standard output')
    .addOption(quantizersOption())
    .requiredOption(
      '--images <folder>',
      'photographs to count on; many of those that the networks were trained on',
    )
    .addOption(
      new Option('--limit <n>', 'pictures, spread evenly over the folder')
        .argParser(wholeFrom(1))
        .default(48),
    )
    .addOption(cropOption())
    .addOption(
      new Option('--rounds <n>', 'how often to code and count')
        .argParser(wholeFrom(1, 100))
        .default(defaultFitOptions.rounds),
    )
    .option('--no-offsets', 'tables alone: values where the grid has them')
    .addOption(
      new Option('--price <x>', 'factor on the price of a bit').argParser(numberFrom(0, 100)).default(1),
    )
    .addOption(engineOption())
    .addOption(threadsOption())
    .option('--no-overwrite', 'fail if the output exists')
    .addOption(verboseOption());
  command.action((source: string, output: string, options: Options) => run(context, source, output, options));
  examples(command, [
    'codec fit-tables mine.safetensors fitted.safetensors --images photos',
    'codec fit-tables base fitted.safetensors --quantizers rdoq,tcq8 --images photos --limit 100',
  ]);
}
