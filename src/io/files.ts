/**
 * Files as a command-line program wants them: whole reads, atomic writes, "-" for the standard streams, and the
 * way to what is shipped with the package.
 *
 * Invariants: a reader of a path written by `writeFileAtomic` sees the old bytes or the new ones, never a part;
 * a failed write leaves no temporary file. Node only. Missing files and folders are UsageErrors that name them.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { link, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodecError, UsageError } from '../errors.js';

/** Options of `writeFileAtomic` and `writeFileOrStdout`. */
export interface WriteOptions {
  /** Replace an existing file (default true); false refuses with a UsageError. */
  readonly overwrite?: boolean;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is no folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  ENAMETOOLONG: 'the name is too long',
};

/** Turns an error of the file system into a one-line UsageError; ours pass through. */
export function fileError(action: 'read' | 'written', path: string, error: unknown): Error {
  if (error instanceof CodecError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new UsageError(`${path}: cannot be ${action}: ${reason}`, { cause: error });
}

/** Follows links, so that a write replaces the file and not the link to it. */
export async function linkTarget(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path;
  }
}

async function writeTemporary(temporary: string, bytes: Uint8Array, mode: number | undefined): Promise<void> {
  const handle = await open(temporary, 'wx', mode ?? 0o666);
  try {
    await handle.writeFile(bytes);
    if (mode !== undefined) await handle.chmod(mode & 0o7777);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves the finished file in place; without `overwrite` by a hard link, which fails if the name is taken. */
async function place(temporary: string, path: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(temporary, path);
  try {
    await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new UsageError(`${path}: exists already, and overwriting is off`);
    // A file system without hard links: the check is then not atomic, but the content still is.
    if (existsSync(path)) throw new UsageError(`${path}: exists already, and overwriting is off`);
    return rename(temporary, path);
  }
  await rm(temporary);
}

/**
 * Writes a file so that nobody ever sees half of it: a temporary file in the same folder, flushed to the device,
 * then renamed. An existing file's permissions are kept. Pipes and devices are written directly.
 *
 * @throws UsageError when the folder is missing or cannot be written, when the path is a folder, or when the
 *   file exists and `overwrite` is false
 * @example
 * await writeFileAtomic('out.tlc', bytes, { overwrite: false });
 */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  const overwrite = options.overwrite ?? true;
  const real = await linkTarget(path);
  const existing = await stat(real).catch(() => undefined);
  const temporary = join(
    dirname(real),
    `.${basename(real).slice(0, 64)}.${randomBytes(6).toString('hex')}.tmp`,
  );
  try {
    if (existing?.isDirectory()) throw new UsageError(`${path}: cannot be written: it is a folder`);
    if (existing && !existing.isFile()) return await writeFile(real, bytes);
    if (existing && !overwrite) {
      throw new UsageError(`${path}: exists already, and overwriting is off`);
    }
    await writeTemporary(temporary, bytes, existing?.mode);
    await place(temporary, real, overwrite);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError('written', path, error);
  }
}

/**
 * Reads a whole file, or standard input when the path is "-".
 *
 * @throws UsageError naming the file when it is missing, a folder or unreadable
 * @example
 * const bytes = await readFileOrStdin('picture.png');
 */
export async function readFileOrStdin(path: string): Promise<Uint8Array> {
  try {
    if (path !== '-') {
      const bytes = await readFile(path);
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(part as Buffer);
    return new Uint8Array(Buffer.concat(parts));
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/**
 * Writes a whole file atomically, or to standard output when the path is "-".
 *
 * @throws UsageError as `writeFileAtomic` does
 * @example
 * await writeFileOrStdout('-', bytes);
 */
export async function writeFileOrStdout(
  path: string,
  bytes: Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  if (path !== '-') return writeFileAtomic(path, bytes, options);
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) =>
      error ? reject(fileError('written', 'standard output', error)) : resolve(),
    );
  });
}

let root: string | undefined;

/**
 * The folder that holds this package's package.json, from the sources as from dist/; what is shipped beside the
 * code (models, docs) is found from here.
 *
 * @throws UsageError when no such folder lies above this file
 * @example
 * const model = join(packageRoot(), 'codec/models/base.safetensors');
 */
export function packageRoot(): string {
  if (root !== undefined) return root;
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && isOurs(manifest)) {
      root = folder;
      return folder;
    }
    if (dirname(folder) === folder) {
      throw new UsageError(`Expected the package.json of trellis-codec above '${start}' but found none`);
    }
  }
}

/** Version of this package, as its package.json says it. */
export function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function isOurs(manifest: string): boolean {
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name === 'trellis-codec';
  } catch {
    return false;
  }
}
