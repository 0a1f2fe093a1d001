/**
 * docs/CLI.md from the commands' own definitions, so that help and documentation cannot differ. `codec manual` prints
 * it; a test compares.
 */
import type { Argument, Command, Option } from 'commander';

const examplesOf = new WeakMap<Command, readonly string[]>();

/** Command lines that show a command at work; in its help and in the manual. */
export function examples(command: Command, lines: readonly string[]): void {
  examplesOf.set(command, lines);
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/** The command line that the user wrote, with quotes where a shell needs them; for documents that say what made them. */
export function commandLine(command: Command): string {
  const root = command.parent;
  if (root) return commandLine(root);
  const { rawArgs } = command as Command & { readonly rawArgs: readonly string[] };
  const words = rawArgs.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`));
  return ['codec', ...words].join(' ');
}

const preface = `# The \`codec\` command

Made by \`codec manual\` from the commands' definitions; do not edit.

- Data goes to standard output, messages to standard error; \`-\` as a file means standard input or output.
- Exit codes: 0 done, 1 failure (a bad file, an output that cannot be written), 2 usage (an unknown option, a value out
  of range), 3 an evaluation that is done but for pictures, codecs or metrics that it names. Every error is one line, \`codec: file: reason\`; \`-v\` adds the stack of unexpected ones.
- Outputs are written atomically: there is the whole file or none.
- Without onnxruntime-node everything but training works, on the engine \`wasm\`.
`;

const escaped = (text: string): string => text.replace(/\|/g, '\\|').replace(/</g, '&lt;');

function rows(entries: readonly (readonly [string, string])[]): string[] {
  return entries.map(([term, meaning]) => `| \`${term.replace(/\|/g, '\\|')}\` | ${escaped(meaning)} |`);
}

/** The words that call a command. */
function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

function section(command: Command): string[] {
  const help = command.createHelp();
  const given = help
    .visibleArguments(command)
    .map((entry: Argument) => [help.argumentTerm(entry), help.argumentDescription(entry)] as const);
  const options = help
    .visibleOptions(command)
    .filter((option: Option) => option.long !== '--help')
    .map((option: Option) => [help.optionTerm(option), help.optionDescription(option)] as const);
  const lines = [`## ${fullName(command)}`, '', command.description(), ''];
  lines.push('```', `${fullName(command)} ${command.usage()}`, '```', '');
  if (given.length > 0) lines.push('| argument | meaning |', '|---|---|', ...rows(given), '');
  if (options.length > 0) lines.push('| option | meaning |', '|---|---|', ...rows(options), '');
  const shown = examplesOf.get(command) ?? [];
  if (shown.length > 0) lines.push('```', ...shown, '```', '');
  return [...lines, ...subcommands(command).flatMap(section)];
}

function subcommands(command: Command): Command[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible.filter((one) => one.name() !== 'help');
}

/** The manual as Markdown. */
export function manual(program: Command): string {
  const commands = subcommands(program);
  const index = commands.map(
    (command) => `- [\`${command.name()}\`](#codec-${command.name()}): ${command.summary()}`,
  );
  return [preface, ...index, '', ...commands.flatMap(section)].join('\n');
}

/** Adds the hidden command that prints the manual. */
export function addManual(program: Command, print: (text: string) => void): void {
  program
    .command('manual', { hidden: true })
    .description('Print docs/CLI.md.')
    .action(() => print(manual(program).trimEnd()));
}
