/**
 * Options that several commands share, and checked values. A value out of range is a usage error (exit code 2) that
 * commander reports with the option's name; files that turn out to be bad are failures (exit code 1).
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../src/errors.js';
import { defaultMaxPixels } from '../format/index.js';
import { loadModel } from '../model/load.js';
import type { ParsedModel } from '../model/model-file.js';
import { quantizerNames } from '../quantizers/registry.js';
import { type EngineName, engineNames } from '../transform-engine.js';
import { about, type Context, FileError } from './context.js';

/** Parser of a number in a range. */
export function numberFrom(least: number, most: number, { whole = false } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const fits = text.trim() !== '' && value >= least && value <= most && (!whole || Number.isInteger(value));
    if (fits) return value;
    const kind = whole ? 'a whole number' : 'a number';
    const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`Expected ${kind} ${range}.`);
  };
}

/** Parser of a whole number in a range. */
export const wholeFrom = (least: number, most = Number.POSITIVE_INFINITY): ((text: string) => number) =>
  numberFrom(least, most, { whole: true });

/** Parser of a multiple of 64 in a range. */
export function multipleOf64(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = wholeFrom(least, most)(text);
    if (value % 64 === 0) return value;
    throw new InvalidArgumentError('Expected a multiple of 64.');
  };
}

/** Values of the options that `coderOptions` adds. */
export interface CoderOptions {
  readonly model?: string;
  readonly engine: EngineName;
  readonly threads: number;
  readonly maxPixels: number;
  readonly metadata: boolean;
  readonly overwrite: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export const engineOption = (): Option =>
  new Option('--engine <name>', 'what runs the transforms; auto is onnxruntime where it loads, else wasm')
    .choices(engineNames)
    .default('auto');

export const threadsOption = (): Option =>
  new Option('-j, --threads <n>', 'threads of the transforms; 0 leaves the choice to the engine')
    .argParser(wholeFrom(0, 256))
    .default(0);

/** What makes the steps of training and fine-tuning, and how PyTorch does. */
export const stepEngineOption = (): Option =>
  new Option('--engine <name>', 'what makes the steps; torch needs python3 with PyTorch')
    .choices(['onnxruntime', 'torch'])
    .default('onnxruntime');

export const deviceOption = (): Option =>
  new Option('--device <name>', 'device of torch: cpu, cuda, cuda:1 (default: cuda where there is one)');

export const precisionOption = (): Option =>
  new Option('--precision <name>', 'arithmetic of torch between the layers')
    .choices(['float32', 'bf16'])
    .default('float32');

export const compileOption = (): Option =>
  new Option(
    '--compile',
    'have torch compile the step: faster steps, a first one of minutes; needs a C++ compiler on CPUs',
  );

/** Usage error where --compile meets another engine than torch. */
export function checkCompile(
  command: Command,
  { engine, compile }: { readonly engine: string; readonly compile?: boolean },
): void {
  if (compile && engine !== 'torch') {
    command.error(`error: option '--compile' needs '--engine torch', got '--engine ${engine}'`);
  }
}

export const modelOption = (meaning: string): Option => new Option('-m, --model <name or file>', meaning);
export const jsonOption = (): Option => new Option('--json', 'print the results as JSON on standard output');
export const verboseOption = (): Option =>
  new Option('-v, --verbose', 'tell more, and the stack of unexpected errors');

export const quantizerOption = (byDefault: string): Option =>
  new Option('--quantizer <name>', `how latents become integers (${byDefault})`).choices(quantizerNames);

/** The options of encode and decode alike. */
export function coderOptions(command: Command, model: string): Command {
  return command
    .addOption(modelOption(model))
    .addOption(engineOption())
    .addOption(threadsOption())
    .addOption(
      new Option('--max-pixels <n>', 'refuse larger pictures')
        .argParser(wholeFrom(1))
        .default(defaultMaxPixels),
    )
    .option('--no-metadata', 'leave out ICC profile, EXIF and XMP')
    .option('--no-overwrite', 'fail if the output exists')
    .addOption(jsonOption())
    .addOption(verboseOption());
}

/** `path` with another extension, in the same folder; "-" stays. */
export function withExtension(path: string, extension: string): string {
  return path === '-' ? path : join(dirname(path), basename(path, extname(path)) + extension);
}

/** FileError where the output is the input, and so would destroy it. */
export function refuseSameFile(input: string, output: string): void {
  if (input !== '-' && output !== '-' && resolve(input) === resolve(output)) {
    throw new FileError(output, new UsageError('expected another file for the output than the input'));
  }
}

/** Whether something lies at that path. */
export const exists = async (path: string): Promise<boolean> =>
  path !== '-' &&
  (await stat(path).then(
    () => true,
    () => false,
  ));

/** The model of that name or path; errors name it. */
export const modelNamed = (name: string): Promise<ParsedModel> => about(name, () => loadModel(name));

/** --json and a picture cannot both have standard output. */
export function refuseJsonBeside(command: Command, output: string, json: boolean | undefined): void {
  if (json && output === '-') {
    command.error("error: option '--json' needs an output file, as standard output holds the picture", {
      exitCode: 2,
    });
  }
}

/** Remarks on a file, for people. */
export function sayNotices(context: Context, name: string, notices: readonly string[]): void {
  for (const notice of notices) context.say(`${name}: note: ${notice}`);
}
