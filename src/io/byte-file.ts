/**
 * Files too large to hold: parts of a file read by position, and a file written piece by piece that appears at its path
 * only when it is whole. Node only; errors are UsageErrors that name the file, FormatErrors where it ends too early.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FormatError, UsageError } from '../errors.js';
import { fileError, linkTarget } from './files.js';

/** Bytes per read of `pieces`. */
const pieceLength = 1 << 22;

/** Longest read that the system takes in one call. */
const longestRead = 1 << 30;

/** A file that is read by position. */
export class ByteFile {
  readonly #handle: FileHandle;

  private constructor(
    readonly path: string,
    readonly size: number,
    handle: FileHandle,
  ) {
    this.#handle = handle;
  }

  /** @throws UsageError where there is no such file. */
  static async open(path: string): Promise<ByteFile> {
    try {
      const handle = await open(path, 'r');
      try {
        const state = await handle.stat();
        if (state.isDirectory()) throw new UsageError(`${path}: cannot be read: it is a folder`);
        return new ByteFile(path, state.size, handle);
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      throw fileError('read', path, error);
    }
  }

  /** Bytes begin .. end - 1, in `into` where it is given. */
  async read(begin: number, end: number, into = new Uint8Array(end - begin)): Promise<Uint8Array> {
    if (end > this.size) {
      throw new FormatError(
        `${this.path}: expected ${end} bytes, but the file has ${this.size}: it is truncated`,
      );
    }
    let done = 0;
    while (done < end - begin) {
      const length = Math.min(longestRead, end - begin - done);
      const { bytesRead } = await this.#handle.read(into, done, length, begin + done);
      if (bytesRead === 0)
        throw new FormatError(`${this.path}: expected ${end} bytes, but the file got shorter`);
      done += bytesRead;
    }
    return into.subarray(0, end - begin);
  }

  /** The same in pieces of a few megabytes; each is overwritten by the next one. */
  async *pieces(begin: number, end: number): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(Math.min(pieceLength, end - begin));
    for (let at = begin; at < end; at += pieceLength) {
      const next = Math.min(end, at + pieceLength);
      yield await this.read(at, next, buffer.subarray(0, next - at));
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** A file that is written piece by piece and appears when `finish` is called. */
export class GrowingFile {
  readonly #handle: FileHandle;
  readonly #temporary: string;
  readonly #real: string;
  #length = 0;

  private constructor(
    readonly path: string,
    real: string,
    temporary: string,
    handle: FileHandle,
  ) {
    this.#real = real;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /** @throws UsageError where nothing can be written there. */
  static async create(path: string): Promise<GrowingFile> {
    const real = await linkTarget(path);
    const name = `.${basename(real).slice(0, 64)}.${randomBytes(6).toString('hex')}.tmp`;
    const temporary = join(dirname(real), name);
    try {
      const existing = await stat(real).catch(() => undefined);
      if (existing?.isDirectory()) throw new UsageError(`${path}: cannot be written: it is a folder`);
      return new GrowingFile(path, real, temporary, await open(temporary, 'wx'));
    } catch (error) {
      throw fileError('written', path, error);
    }
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.length) done += (await this.#handle.write(bytes, done)).bytesWritten;
      this.#length += bytes.length;
    } catch (error) {
      throw fileError('written', this.path, error);
    }
  }

  /** Flushes the file to the device and moves it in place. */
  async finish(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#temporary, this.#real);
    } catch (error) {
      throw fileError('written', this.path, error);
    }
  }

  /** Leaves nothing behind; for after an error. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }
}
