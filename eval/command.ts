/**
 * Other programs: codecs and metrics that are installed as commands. No shell is involved: a command is a list of words,
 * and what stands for a file or a number is put into a word after the text was split.
 *
 * Units: seconds of wall clock from the start of the process to its end; that includes starting it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnsupportedError, UsageError } from '../src/errors.js';

/** What a program said. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** A program that says nothing for so long is ended. */
export const commandTimeout = 600_000;

/**
 * Splits a command at blanks; quotes, single or double, keep a word with blanks together.
 *
 * @throws UsageError for an empty command or a quote that does not end
 * @example
 * splitCommand('cjxl "{in}" {out} -q {q}'); // => ["cjxl", "{in}", "{out}", "-q", "{q}"]
 */
export function splitCommand(text: string): string[] {
  if ((text.replace(/"[^"]*"|'[^']*'/g, '').match(/["']/g) ?? []).length > 0) {
    throw new UsageError(`command: expected every quote to be closed, got ${text}`);
  }
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  if (words.length === 0) throw new UsageError('command: expected a program and its arguments, got nothing');
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single));
}

/**
 * Puts values into the `{name}` of a command's words.
 *
 * @throws UsageError for a name that has no value
 * @example
 * fillCommand(['cjxl', '-q', '{q}'], { q: '50' }); // => ["cjxl", "-q", "50"]
 */
export function fillCommand(words: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return words.map((word) =>
    word.replace(/\{(\w+)\}/g, (_, name: string) => {
      if (!Object.hasOwn(values, name)) {
        const known = Object.keys(values).map((key) => `{${key}}`);
        throw new UsageError(`command: expected one of ${known.join(', ')}, got {${name}}`);
      }
      return values[name];
    }),
  );
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? '';

/**
 * Runs a program and waits for its end.
 *
 * @throws UnsupportedError where it is not installed, fails, or takes longer than `commandTimeout`
 * @example
 * const { stdout } = await runCommand(['cjxl', '--version']);
 */
export async function runCommand([program, ...args]: readonly string[]): Promise<CommandResult> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const options = { timeout: commandTimeout, maxBuffer: 16 * 2 ** 20, windowsHide: true };
    execFile(program, args, options, (error, stdout, stderr) => {
      const seconds = (performance.now() - start) / 1000;
      if (!error) return resolve({ stdout, stderr, seconds });
      reject(new UnsupportedError(failureOf(program, error, stderr), { cause: error }));
    });
  });
}

function failureOf(
  program: string,
  { code, signal }: { code?: unknown; signal?: NodeJS.Signals | null | undefined },
  stderr: string,
): string {
  if (code === 'ENOENT') return `Expected the program ${program} to be installed but it is not found`;
  if (code === 'EACCES') return `Expected the program ${program} but it may not be run`;
  const ended = signal ? `was ended by ${signal}` : `ended with status ${String(code)}`;
  const said = lastLine(stderr);
  return `Expected ${program} to succeed but it ${ended}${said === '' ? '' : `: ${said}`}`;
}

/** Whether a program can be started, whatever it then says to no arguments. */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    await runCommand([program]);
    return true;
  } catch (error) {
    const { code } = (error as Error).cause as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'EACCES';
  }
}

/** The first line that a program prints about itself, on either stream. */
export async function programVersion(words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runCommand(words);
  return (stdout.trim() || stderr.trim()).split('\n')[0].trim();
}

/** Runs an action with a new folder that is removed afterwards. */
export async function withTemporaryFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-codec-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
