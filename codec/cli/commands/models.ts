/** `codec models`: the bundled models, or given model files, with their cards. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { sizeOf } from '../../../src/graph/index.js';
import { packageRoot } from '../../../src/io/index.js';
import { bundledModels } from '../../model/load.js';
import { coderSpecs } from '../../networks/coder-graphs.js';
import type { Context } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption, modelNamed } from '../options.js';
import { bytes, count, pairs } from '../text.js';

async function described(source: string) {
  const { id, config, card } = await modelNamed(source);
  const isPath = /[/\\]|\.safetensors$/.test(source);
  const path = isPath ? source : join(packageRoot(), 'codec', 'models', `${source}.safetensors`);
  // By shape: asking for the values would decode the streams of a packed model.
  const values = [...coderSpecs(config).values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const size = (await stat(path)).size;
  return { name: source, id, bytes: size, parameters: values, network: config.name, config, card };
}

/** Adds the command. */
export function addModels(program: Command, context: Context): void {
  const command = program
    .command('models')
    .summary('list the bundled models, or describe model files')
    .description('List the bundled models with their ids and cards, or describe the given models.')
    .argument('[model...]', 'names or files (default: all bundled models)')
    .addOption(jsonOption())
    .action(async (sources: string[], options: { json?: boolean }) => {
      const models = [];
      for (const source of sources.length > 0 ? sources : (await bundledModels()).sort()) {
        models.push(await described(source));
      }
      if (options.json) return context.printJson(models);
      if (models.length === 0) context.say('No models are bundled with this installation.');
      for (const model of models) {
        context.print(model.name);
        const rows: [string, string][] = [
          ['id', model.id],
          ['network', `${model.network}, ${count(model.parameters)} parameters`],
          ['file', bytes(model.bytes)],
          ...Object.entries(model.card),
        ];
        for (const line of pairs(rows)) context.print(`  ${line}`);
      }
    });
  examples(command, ['codec models', 'codec models mine.safetensors --json']);
}
