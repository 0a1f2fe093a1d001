/**
 * The `codec` command: its subcommands, and what becomes of errors.
 *
 * Exit codes: 0 done, 1 failure (bad file, unwritable output, ...), 2 usage (unknown option, value out of range), 3 done
 * but for a part that is named (evaluations).
 * Every error is one line on standard error: `codec: file: reason`.
 */
import { Command, CommanderError } from 'commander';
import { CodecError } from '../../src/errors.js';
import { addBench } from './commands/bench.js';
import { addDatasets } from './commands/datasets.js';
import { addDecode } from './commands/decode.js';
import { addDemo } from './commands/demo.js';
import { addEncode } from './commands/encode.js';
import { addEval } from './commands/eval.js';
import { addExport } from './commands/export.js';
import { addFindClose } from './commands/find-close.js';
import { addFinetune } from './commands/finetune.js';
import { addFitPrior } from './commands/fit-prior.js';
import { addFitTables } from './commands/fit-tables.js';
import { addInfo } from './commands/info.js';
import { addModels } from './commands/models.js';
import { addNetworks } from './commands/networks.js';
import { addPackModel } from './commands/pack-model.js';
import { addSweep } from './commands/sweep.js';
import { addTrain } from './commands/train.js';
import { addWeights } from './commands/weights.js';
import { Context, describeError, FileError, type Streams, stackOf } from './context.js';
import { addManual } from './manual.js';
import { verboseOption } from './options.js';
import { versionText } from './version.js';

export type { Output, Streams } from './context.js';

/** All commands, bound to a context. */
export function buildProgram(context: Context): Command {
  const { stdout, stderr } = context.streams;
  const program = new Command('codec');
  program
    .description('A learned image codec that decodes the same on every machine.')
    .usage('<command> [options]')
    .option('-V, --version', 'print the versions of package, node and engines')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help of a command')
    // So that options stand with the command that they follow, also where a command has subcommands.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 100,
      getErrHelpWidth: () => stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => {
        const line = text
          .trim()
          .replace(/^error: /, '')
          .replace(/\s*\n\s*/g, ' ');
        write(`codec: ${line}\n`);
      },
    });
  program.hook('preAction', (_, command) => {
    context.verbose = command.opts().verbose === true;
  });
  addEncode(program, context);
  addDecode(program, context);
  addInfo(program, context);
  addModels(program, context);
  addTrain(program, context);
  addExport(program, context);
  addFinetune(program, context);
  addFitTables(program, context);
  addFitPrior(program, context);
  addPackModel(program, context);
  addSweep(program, context);
  addNetworks(program, context);
  addEval(program, context);
  addFindClose(program, context);
  addDatasets(program, context);
  addWeights(program, context);
  addBench(program, context);
  addDemo(program, context);
  addManual(program, (text) => context.print(text));
  for (const command of allCommands(program)) {
    if (!command.options.some((option) => option.long === '--verbose')) command.addOption(verboseOption());
  }
  return program;
}

/** Commands and their subcommands. */
function allCommands(program: Command): Command[] {
  return program.commands.flatMap((command) => [command, ...allCommands(command)]);
}

function isClosedPipe(error: unknown): boolean {
  const cause = error instanceof FileError ? error.cause : error;
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
}

/**
 * Runs one command line.
 * @param argv arguments after the program's name.
 * @returns the exit code.
 * @example
 * await run(['info', 'picture.tlc'], { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr });
 */
export async function run(argv: readonly string[], streams: Streams): Promise<number> {
  const context = new Context(streams);
  try {
    if (argv[0] === '-V' || argv[0] === '--version') {
      context.print(await versionText());
      return 0;
    }
    await buildProgram(context).parseAsync([...argv], { from: 'user' });
    return context.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (isClosedPipe(error)) return 0;
    context.say(`codec: ${describeError(error)}`);
    const cause = error instanceof FileError ? error.cause : error;
    if (context.verbose && !(cause instanceof CodecError)) context.say(stackOf(error));
    return 1;
  }
}
