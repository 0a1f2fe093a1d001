/**
 * What the scripts of this folder share: options from the command line, one-line errors, and the guard that runs a
 * script only when it is started itself, not when a test imports it.
 */
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Dataset, findDataset, folderDataset } from '../datasets/index.js';
import { CodecError, UsageError } from '../src/errors.js';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: false }>
>['values'];

/** Options of a script; UsageError for unknown ones. */
export function parseOptions<O extends Options>(args: readonly string[], options: O): Parsed<O> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\s*\n\s*/g, '; '), { cause: error });
  }
}

/** A number within bounds; the default where the option is absent. */
export function numberOption<D extends number | undefined>(
  name: string,
  text: string | undefined,
  byDefault: D,
  [least, most]: readonly [number, number],
): number | D {
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new UsageError(`${name}: expected a number from ${least} to ${most}, got '${text}'`);
  }
  return value;
}

/** Names between commas; an empty text is an empty list. */
export function listOption(text: string | undefined, byDefault: readonly string[]): readonly string[] {
  if (text === undefined) return byDefault;
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Numbers between commas. */
export function numbersOption(
  name: string,
  text: string | undefined,
  byDefault: readonly number[],
  bounds: readonly [number, number],
): readonly number[] {
  if (text === undefined) return byDefault;
  return listOption(text, []).map((part) => numberOption(name, part, 0, bounds));
}

/** The data set that --dataset, --validation, --images and --data ask for; UsageError where they contradict. */
export async function datasetOption(
  values: {
    readonly dataset?: string | undefined;
    readonly validation?: boolean | undefined;
    readonly images?: string | undefined;
    readonly data?: string | undefined;
  },
  byDefault: string,
): Promise<Dataset> {
  const { dataset, validation, images, data } = values;
  if ([dataset, validation, images].filter((value) => value !== undefined).length > 1) {
    throw new UsageError('Expected only one of --dataset, --validation and --images');
  }
  if (images !== undefined) return folderDataset(images);
  const name = validation ? 'validation' : (dataset ?? byDefault);
  return findDataset(name, data === undefined ? {} : { dataDir: data });
}

/**
 * Runs `main` with the command line's arguments if `moduleUrl` is the started script. Errors raised on purpose end it
 * with one line and exit code 2.
 */
export function runAsScript(moduleUrl: string, main: (args: readonly string[]) => Promise<void>): void {
  const started = process.argv[1];
  if (!started || pathToFileURL(realpathSync(started)).href !== moduleUrl) return;
  main(process.argv.slice(2)).catch((error: unknown) => {
    if (!(error instanceof CodecError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  });
}
