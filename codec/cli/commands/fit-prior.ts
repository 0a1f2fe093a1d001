/** `codec fit-prior`: fits contexts and tables of the hyper-latents to photographs and writes them into a model file. */
import { type Command, Option } from 'commander';
import {
  defaultHyperContextOptions,
  fitHyperContexts,
  type HyperLatentSample,
  mostContexts,
} from '../../../src/training/fit-hyper-contexts.js';
import { analysePictureAt } from '../../../src/training/fit-tables.js';
import { coderOf } from '../../coder.js';
import type { EngineName } from '../../transform-engine.js';
import { type Context, outputName } from '../context.js';
import { examples } from '../manual.js';
import { engineOption, modelNamed, threadsOption, verboseOption, wholeFrom } from '../options.js';
import { Progress } from '../progress.js';
import { count } from '../text.js';
import { checkOutput, cropOption, tuningCrops, writeTuned } from '../tuning.js';

interface Options {
  readonly images: string;
  readonly limit: number;
  readonly crop: number;
  readonly qualities: number;
  readonly contexts: number;
  readonly engine: EngineName;
  readonly threads: number;
  readonly overwrite: boolean;
}

/** Fraction of the golden section: its multiples, modulo 1, are spread evenly however many there are. */
const goldenFraction = (Math.sqrt(5) - 1) / 2;

/** Qualities of the n-th picture, one in each of as many equal parts of the scale, so that pictures together cover it. */
function qualitiesOf(n: number, parts: number): number[] {
  const shift = (n * goldenFraction) % 1;
  return Array.from({ length: parts }, (_, part) => Math.floor((256 * 100 * (part + shift)) / parts) / 256);
}

async function run(context: Context, source: string, output: string, options: Options): Promise<void> {
  await checkOutput(context, output, options);
  const model = await modelNamed(source);
  const coder = await coderOf(model, options.engine, options.threads);
  const { images, limit, crop, qualities, contexts } = options;
  const { stderr } = context.streams;
  const found = await tuningCrops(context, images, limit, crop);
  const progress = stderr.isTTY ? new Progress(stderr, found.count) : undefined;
  const samples: HyperLatentSample[] = [];
  let pictures = 0;
  for await (const image of found.crops) {
    const analysed = await analysePictureAt(coder, image, qualitiesOf(pictures, qualities));
    for (const { area, width, rate } of analysed) {
      samples.push({
        values: Int32Array.from(area.hyperLatents, Math.round),
        width: width / 64,
        ratePoint: rate.nearest,
      });
    }
    pictures++;
    progress?.update(pictures, 'analysing');
  }
  progress?.end();
  const places = samples.reduce((sum, { values }) => sum + values.length, 0) / model.config.hyperLatents;
  context.say(
    `${count(pictures)} pictures at ${count(qualities)} qualities, ${count(places)} places of hyper-latents`,
  );
  const fitted = fitHyperContexts(model, samples, { contexts });
  const id = await writeTuned(context, output, model, fitted, options);
  context.say(`${outputName(output)}: ${count(contexts)} contexts of hyper-latents, id ${id}`);
}

/** Adds the command. */
export function addFitPrior(program: Command, context: Context): void {
  const command = program
    .command('fit-prior')
    .summary('fit contexts and tables of hyper-latents to photographs')
    .description(
      'Analyse photographs, fit what their hyper-latents say of each other, and write contexts and tables of the hyper-latents ' +
        'into a copy of the model. It is another model, with an id of its own. Test pictures are refused.',
    )
    .argument('<model>', 'bundled model or model file')
    .argument('<output>', 'the new model file; - for standard output')
    .requiredOption(
      '--images <folder>',
      'photographs to count on; all of those that the networks were trained on',
    )
    .addOption(
      new Option('--limit <n>', 'pictures, spread evenly over the folder')
        .argParser(wholeFrom(1))
        .default(1000),
    )
    .addOption(cropOption(768))
    .addOption(
      new Option('--qualities <n>', 'qualities of each picture').argParser(wholeFrom(1, 100)).default(4),
    )
    .addOption(
      new Option('--contexts <n>', 'contexts of each channel')
        .argParser(wholeFrom(2, mostContexts))
        .default(defaultHyperContextOptions.contexts),
    )
    .addOption(engineOption())
    .addOption(threadsOption())
    .option('--no-overwrite', 'fail if the output exists')
    .addOption(verboseOption());
  command.action((source: string, output: string, options: Options) => run(context, source, output, options));
  examples(command, [
    'codec fit-prior mine.safetensors fitted.safetensors --images photos',
    'codec fit-prior base fitted.safetensors --images photos --limit 200 --contexts 8',
  ]);
}
