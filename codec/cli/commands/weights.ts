/** `codec weights`: quantizes network weights, looks into files of weights, and compares them. */
import type { Command } from 'commander';
import type { Context } from '../context.js';
import { addWeightsCompare } from './weights-compare.js';
import { addWeightsInspect } from './weights-inspect.js';
import { addWeightsQuantize } from './weights-quantize.js';

/** Adds the commands. */
export function addWeights(program: Command, context: Context): void {
  const command = program
    .command('weights')
    .summary('quantize network weights, and look into files of them')
    .description(
      'Quantize the weights of networks: .safetensors files, folders of them (shards), .gguf and .tlw files in and out. ' +
        'docs/WEIGHTS.md describes schemes and formats.',
    );
  addWeightsQuantize(command, context);
  addWeightsInspect(command, context);
  addWeightsCompare(command, context);
}
