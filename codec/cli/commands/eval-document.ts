/** `codec eval document`: evaluations on several sets as one document with charts, which is how docs/RESULTS.md is made. */
import { type Command, Option } from 'commander';
import { releaseDocument, writeCharts } from '../../../eval/report/index.js';
import { about, type Context } from '../context.js';
import { evaluationNamed, linkTo, writeText } from '../evaluation-outputs.js';
import { commandLine, examples } from '../manual.js';

interface Options {
  readonly markdown: string;
  readonly charts?: string;
  readonly madeBy?: string;
}

async function writeDocument(
  context: Context,
  command: Command,
  files: readonly string[],
  options: Options,
): Promise<void> {
  const { markdown, charts, madeBy = commandLine(command) } = options;
  const evaluations = [];
  for (const name of files) evaluations.push(await evaluationNamed(context, name));
  if (charts !== undefined) {
    for (const evaluation of evaluations) await about(charts, () => writeCharts(evaluation, charts));
  }
  const text = releaseDocument(evaluations, {
    command: madeBy,
    ...(charts === undefined ? {} : { charts: linkTo(charts, markdown) }),
  });
  await writeText(context, markdown, text);
}

/** Adds the command to `codec eval`. */
export function addEvalDocument(parent: Command, context: Context): void {
  const command = parent
    .command('document')
    .summary('write evaluations on several sets as one document')
    .description(
      'Write the numbers of evaluations on several sets as one Markdown document that begins with an overview: BD-rates of ' +
        'the last of our codecs on every set. Nothing is measured.',
    )
    .argument('<file...>', 'evaluations as JSON')
    .requiredOption('--markdown <file>', 'the document; - for standard output')
    .addOption(
      new Option('--charts <folder>', 'write the charts there as SVG, and show them in the document'),
    )
    .option('--made-by <command>', 'what the document says that made it (default: this command)');
  command.action((files: string[], options: Options) => writeDocument(context, command, files, options));
  examples(command, ['codec eval document kodak.json tecnick.json --markdown RESULTS.md --charts charts']);
}
