/** `codec pack-model`: stores a model's weights as trellis-coded streams. */
import type { Command } from 'commander';
import { packModel } from '../../../eval/weights/pack-model.js';
import { loadModel } from '../../model/load.js';
import { serializeModel } from '../../model/model-file.js';
import { coderSpecs } from '../../networks/coder-graphs.js';
import type { Context } from '../context.js';
import { examples } from '../manual.js';
import { modelNamed, numberFrom, verboseOption } from '../options.js';
import { bytes } from '../text.js';
import { checkOutput } from '../tuning.js';

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
    .option('-b, --bits <x>', 'bits per weight, 1 to 8', numberFrom(1, 8), 6)
    .option('--no-overwrite', 'fail if the file exists')
    .addOption(verboseOption())
    .action(async (source: string, file: string, options: { bits: number; overwrite: boolean }) => {
      await checkOutput(context, file, options);
      const model = await modelNamed(source);
      const packed = packModel(model, options.bits);
      await context.write(file, packed, options);
      const { coded: _, ...plain } = model;
      const before = serializeModel(plain, coderSpecs(model.config)).length;
      const { id } = await loadModel(packed);
      context.say(`${file}: ${bytes(packed.length)} of ${bytes(before)} in half precision, id ${id}`);
    });
  examples(command, [
    'codec pack-model base small.safetensors --bits 4',
    'codec encode photo.png --model small.safetensors',
  ]);
}
