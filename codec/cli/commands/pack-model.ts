/** `codec pack-model`: stores a model's weights as trellis-coded streams. */
import type { Command } from 'commander';
import { packModel } from '../../../eval/weights/pack-model.js';
import { transformWeights } from '../../../eval/weights/quantized-weights.js';
import { allocateBits, measureSensitivities } from '../../../eval/weights/sensitivity.js';
import { loadModel } from '../../model/load.js';
import { type ParsedModel, serializeModel } from '../../model/model-file.js';
import { coderSpecs } from '../../networks/coder-graphs.js';
import { calibrationCrops } from '../calibration-crops.js';
import type { Context } from '../context.js';
import { examples } from '../manual.js';
import { modelNamed, numberFrom, verboseOption } from '../options.js';
import { Progress } from '../progress.js';
import { bytes } from '../text.js';
import { checkOutput } from '../tuning.js';

interface Options {
  readonly bits: number;
  readonly calibration?: string;
  readonly overwrite: boolean;
}

/** Pictures to measure sensitivities with, and the side of their crops. */
const calibrationSize = { pictures: 2, side: 192 } as const;

/** Bits for every tensor by how much pictures suffer from its errors. */
async function bitsByPictures(
  context: Context,
  model: ParsedModel,
  folder: string,
  bits: number,
): Promise<ReadonlyMap<string, number>> {
  const { images } = await calibrationCrops(context, folder, calibrationSize);
  const { stderr } = context.streams;
  const bar = stderr.isTTY ? new Progress(stderr, transformWeights(model).length) : undefined;
  let done = 0;
  const sensitivities = await measureSensitivities(model, images, (name) =>
    bar?.update(++done, name),
  ).finally(() => bar?.end());
  const found = allocateBits(model, sensitivities, bits);
  if (context.verbose) for (const [name, own] of found) context.say(`${name}: ${own.toFixed(2)} bits`);
  return found;
}

/** Adds the command. */
export function addPackModel(program: Command, context: Context): void {
  const command = program
    .command('pack-model')
    .summary("make a smaller model file: a model's weights as trellis-coded streams")
    .description(
      'Make a model file whose weights of the transforms are trellis-coded and entropy-coded (docs/FORMAT.md, "Streams of ' +
        'weights"). The entropy networks stay exact. It is another model, with an id of its own: files that were coded ' +
        'with the model that it was made from need that one.',
    )
    .argument('<model>', 'bundled model or model file')
    .argument('<file>', 'the model file, name.safetensors; - for standard output')
    .option('-b, --bits <x>', 'bits per weight, 1 to 10', numberFrom(1, 10), 6)
    .option(
      '--calibration <folder>',
      'photographs by which tensors get more or fewer bits: more where their errors show',
    )
    .option('--no-overwrite', 'fail if the file exists')
    .addOption(verboseOption())
    .action(async (source: string, file: string, options: Options) => {
      await checkOutput(context, file, options);
      const model = await modelNamed(source);
      const { bits, calibration } = options;
      const own = calibration === undefined ? bits : await bitsByPictures(context, model, calibration, bits);
      const packed = packModel(model, own);
      await context.write(file, packed, options);
      const { coded: _, ...plain } = model;
      const before = serializeModel(plain, coderSpecs(model.config)).length;
      const { id } = await loadModel(packed);
      context.say(`${file}: ${bytes(packed.length)} of ${bytes(before)} in half precision, id ${id}`);
    });
  examples(command, [
    'codec pack-model base small.safetensors --bits 4 --calibration photos/',
    'codec encode photo.png --model small.safetensors',
  ]);
}
