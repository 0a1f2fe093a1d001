/** `codec export`: makes a model file from a training run's averaged weights. */
import { basename, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { checkpointFile, loadCheckpoint } from '../../../src/training/checkpoint.js';
import { exportModel } from '../../../src/training/export-model.js';
import { loadModel } from '../../model/load.js';
import { about, type Context } from '../context.js';
import { examples } from '../manual.js';
import { verboseOption } from '../options.js';
import { bytes, count } from '../text.js';

type Card = Readonly<Record<string, string>>;

function cardEntries(text: string, previous: Card = {}): Card {
  const [key, ...value] = text.split('=');
  if (key === '' || value.length === 0) throw new InvalidArgumentError('Expected key=value.');
  return { ...previous, [key]: value.join('=') };
}

/** Adds the command. */
export function addExport(program: Command, context: Context): void {
  const command = program
    .command('export')
    .summary('make a model file from a training run')
    .description(
      "Make a model file from a training run's averaged weights. Its card keeps steps and training options.",
    )
    .argument('<run>', 'folder of the run, or a checkpoint file')
    .argument('<file>', 'the model file, name.safetensors; - for standard output')
    .option('--card <key=value>', 'a line of the model card; may be repeated', cardEntries)
    .option('--no-overwrite', 'fail if the file exists')
    .addOption(verboseOption())
    .action(async (run: string, file: string, options: { card?: Card; overwrite: boolean }) => {
      context.refuseTerminal(file);
      const path = run.endsWith('.safetensors') ? run : checkpointFile(run);
      const checkpoint = await about(path, () => loadCheckpoint(path));
      const { config, step } = checkpoint;
      const card = { name: basename(resolve(file), '.safetensors'), ...options.card };
      const model = await about(path, () => exportModel(checkpoint, card));
      await context.write(file, model, options);
      const { id } = await loadModel(model);
      context.say(`${file}: ${config.name} after ${count(step)} steps, ${bytes(model.length)}, id ${id}`);
    });
  examples(command, [
    'codec export runs/mine mine.safetensors --card author=me --card licence=CC0-1.0',
    'codec encode photo.png --model mine.safetensors',
  ]);
}
