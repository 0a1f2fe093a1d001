/**
 * What a command has to do with the outside: standard streams, files, and the two kinds of text it gives.
 *
 * Data goes to standard output, messages to standard error. Streams are handed in, so that tests run commands in their
 * own process. An error that concerns a file is a `FileError` that names it once.
 */
import { CodecError, UsageError } from '../../src/errors.js';
import { readFileOrStdin, writeFileAtomic } from '../../src/io/index.js';

/** The part of a writable stream that commands need. */
export interface Output {
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The outside of a command. */
export interface Streams {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Calls `handler` when the user asks to stop (Ctrl-C); the result takes it back. */
  readonly onInterrupt?: (handler: () => void) => () => void;
}

/** An error about one file or model; `subject` is how the user calls it. */
export class FileError extends Error {
  override readonly name = 'FileError';

  constructor(
    readonly subject: string,
    override readonly cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Runs an action and makes its errors say which file they are about; an inner, closer name wins. */
export async function about<T>(subject: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof FileError ? error : new FileError(subject, error);
  }
}

/** How a path is called in messages. */
export const inputName = (path: string): string => (path === '-' ? 'standard input' : path);
export const outputName = (path: string): string => (path === '-' ? 'standard output' : path);

export class Context {
  /** -v was given: more is told, and bugs show their stack. */
  verbose = false;

  /** Exit code of a command that ends without an error: 1 when it was stopped, 3 when a part of its work failed. */
  status: 0 | 1 | 3 = 0;

  constructor(readonly streams: Streams) {}

  /** A line for people, on standard error. */
  say(line: string): void {
    this.streams.stderr.write(`${line}\n`);
  }

  /** Text that was asked for, on standard output. */
  print(text: string): void {
    this.streams.stdout.write(`${text}\n`);
  }

  /** Prints a value as JSON; non-finite numbers become null. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2));
  }

  /** A whole file, or standard input for "-". */
  async read(path: string): Promise<Uint8Array> {
    if (path !== '-') return about(path, () => readFileOrStdin(path));
    return about(inputName(path), async () => {
      const parts: Uint8Array[] = [];
      for await (const part of this.streams.stdin) parts.push(part);
      return new Uint8Array(Buffer.concat(parts));
    });
  }

  /** Writes a whole file atomically, or to standard output for "-". */
  async write(path: string, bytes: Uint8Array, options: { readonly overwrite?: boolean }): Promise<void> {
    if (path !== '-') return about(path, () => writeFileAtomic(path, bytes, options));
    await new Promise<void>((resolve, reject) => {
      this.streams.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** UsageError for binary data on a terminal. */
  refuseTerminal(path: string): void {
    if (path === '-' && this.streams.stdout.isTTY) {
      throw new FileError(
        'standard output',
        new UsageError('expected a file or a pipe for the picture, got a terminal; name an output'),
      );
    }
  }
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, '; ');

/** The one line that reports an error, without the program's name. */
export function describeError(error: unknown): string {
  const cause = error instanceof FileError ? error.cause : error;
  const subject = error instanceof FileError ? error.subject : undefined;
  let text = oneLine(cause instanceof Error ? cause.message : String(cause));
  if (cause instanceof RangeError && /allocation|array length/i.test(text)) {
    text = `not enough memory (${text})`;
  } else if (!(cause instanceof CodecError)) text = `unexpected error: ${text}`;
  if (subject === undefined || text.startsWith(`${subject}: `)) return text;
  return `${subject}: ${text}`;
}

/** The stack of the error that began it, for bug reports. */
export function stackOf(error: unknown): string {
  const cause = error instanceof FileError ? error.cause : error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
