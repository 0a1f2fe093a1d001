/**
 * What the scripts of this folder share: options from the command line, one-line errors, and the guard that runs a
 * script only when it is started itself, not when a test imports it.
 */
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';
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
