/** Runs the command in this process on captured streams, in a folder of its own. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { type Output, run } from '../../../codec/cli/program.js';
import { createImage, encodePng, type Image, packageRoot, writeFileAtomic } from '../../../src/io/index.js';

/** A small trained model; the default one is too large for tests. */
export const model = join(packageRoot(), 'test', 'golden', 'tiny.safetensors');
/** Options that make coding small, alike everywhere and independent of onnxruntime. */
export const small = ['-m', model, '--engine', 'wasm'];

export interface Ran {
  readonly code: number;
  readonly bytes: Uint8Array;
  readonly out: string;
  readonly err: string;
}

export interface Outside {
  readonly stdin?: Uint8Array | Error;
  /** Streams are a terminal that wide. */
  readonly columns?: number;
  /** Called for every text on standard output; `interrupt` is the user's Ctrl-C. */
  readonly watch?: (text: string, interrupt: () => void) => void;
  /** The same for standard error. */
  readonly onError?: (text: string, interrupt: () => void) => void;
}

/** Runs `codec ...args`. */
export async function codec(args: readonly string[], outside: Outside = {}): Promise<Ran> {
  const { stdin, columns, watch, onError } = outside;
  const written: Uint8Array[] = [];
  let err = '';
  let interrupt = (): void => {};
  const stdout: Output = {
    isTTY: columns !== undefined,
    columns,
    write(data, done) {
      written.push(typeof data === 'string' ? Buffer.from(data) : data);
      watch?.(String(data), () => interrupt());
      done?.();
    },
  };
  const stderr: Output = {
    isTTY: columns !== undefined,
    columns,
    write(data) {
      err += data;
      onError?.(String(data), () => interrupt());
    },
  };
  const code = await run(args, {
    stdin: (async function* () {
      if (stdin instanceof Error) throw stdin;
      if (stdin) yield stdin;
    })(),
    stdout,
    stderr,
    onInterrupt(handler) {
      interrupt = handler;
      return () => {
        interrupt = () => {};
      };
    },
  });
  const bytes = new Uint8Array(Buffer.concat(written));
  return { code, bytes, out: Buffer.from(bytes).toString(), err };
}

/** Runs a command that must succeed. */
export async function works(args: readonly string[], outside?: Outside): Promise<Ran> {
  const ran = await codec(args, outside);
  expect(ran.err.includes('codec:') ? ran.err : '').toBe('');
  expect(ran.code).toBe(0);
  return ran;
}

/** Runs a command that must fail with one line that fits, and nothing on standard output. */
export async function fails(args: readonly string[], reason: RegExp, outside?: Outside): Promise<Ran> {
  const ran = await codec(args, outside);
  expect(ran.err).toMatch(/^codec: [^\n]*\n$/);
  expect(ran.err).toMatch(reason);
  expect(ran.out).toBe('');
  expect(ran.code).toBe(1);
  return ran;
}

/** A picture with edges and slopes that no two rows or columns share. */
export function picture(width: number, height: number, channels: 1 | 2 | 3 | 4 = 3): Image {
  const data = Uint8Array.from({ length: width * height * channels }, (_, k) => {
    const x = Math.floor(k / channels) % width;
    const y = Math.floor(k / channels / width);
    return 128 + 60 * Math.sin(x / 9 + (k % channels)) + 50 * Math.cos(y / 7) + ((x ^ y) & 16);
  });
  return createImage(width, height, channels, data);
}

/** A folder for each test of a file; `path('a')` is in it. */
export function temporaryFolder() {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'codec-cli-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const path = (...names: string[]): string => join(folder, ...names);
  return {
    path,
    files: async (): Promise<string[]> => (await readdir(folder)).sort(),
    /** Writes a picture as PNG. */
    async png(name: string, image: Image): Promise<string> {
      await writeFileAtomic(path(name), encodePng(image));
      return path(name);
    },
  };
}
