/** `codec eval merge`: the shards of an evaluation as one. */
import type { Command } from 'commander';
import { type Evaluation, mergeEvaluations, type NamedEvaluation } from '../../../eval/index.js';
import type { Context } from '../context.js';
import { evaluationNamed, type OutputOptions, outputOptions, writeOutputs } from '../evaluation-outputs.js';
import { commandLine, examples } from '../manual.js';

/** Pictures that no part has measured or failed on: their shards are missing. */
function openImages({ scope, images, failures }: Evaluation): string[] {
  const known = new Set([...images.map(({ name }) => name), ...failures.flatMap(({ image }) => image ?? [])]);
  return scope.images.filter((name) => !known.has(name));
}

async function merge(
  context: Context,
  command: Command,
  files: readonly string[],
  options: OutputOptions,
): Promise<void> {
  const parts: NamedEvaluation[] = [];
  for (const name of files) parts.push({ name, evaluation: await evaluationNamed(context, name) });
  const whole = mergeEvaluations(parts);
  await writeOutputs(context, whole, options, { command: commandLine(command) });
  const open = openImages(whole);
  if (open.length > 0) {
    const count = `${open.length} of ${whole.scope.images.length} images`;
    context.say(`codec: ${count} are in none of the files: ${open[0]}${open.length > 1 ? ' ...' : ''}`);
    context.status = 3;
  }
}

/** Adds the command to `codec eval`. */
export function addEvalMerge(parent: Command, context: Context): void {
  const command = parent
    .command('merge')
    .summary('put the shards of an evaluation together')
    .description(
      'Put the evaluations that shards wrote together: the numbers are those of a run that was not sharded. The order of ' +
        'the files, and a file given twice, change nothing. A report has no pictures to look at, as nothing is coded. ' +
        'Exit code 3 where a picture, a codec or a metric failed or a shard is missing.',
    )
    .argument('<file...>', 'evaluations as JSON');
  for (const option of outputOptions()) command.addOption(option);
  command.action((files: string[], options: OutputOptions) => merge(context, command, files, options));
  examples(command, ['codec eval merge out/eval/kodak-*-of-3.json --json kodak.json --report out/kodak']);
}
