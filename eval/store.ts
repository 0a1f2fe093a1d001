/**
 * Results kept as they come, one line of JSON each, so that a long evaluation goes on where it was stopped and a
 * competitor is measured once. Every result has a key; the last line of a key counts, and a line cut short is ignored.
 */
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError } from '../src/io/index.js';
import { readJson, writeJson } from './evaluation.js';

/** Keyed results, in memory and, with a path, in a file that grows. */
export class ResultStore<T> {
  readonly #results = new Map<string, T>();
  readonly #path: string | undefined;
  /** The last line may have been cut short. */
  #torn = false;

  private constructor(path: string | undefined) {
    this.#path = path;
  }

  /**
   * Opens the results in a file that need not exist yet; without a path they are kept in memory only.
   *
   * @example
   * const store = await ResultStore.open<number>('out/results.jsonl');
   * await store.put('answer', 42);
   */
  static async open<T>(path?: string): Promise<ResultStore<T>> {
    const store = new ResultStore<T>(path);
    if (path === undefined) return store;
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      try {
        const { key, result } = readJson(line) as { key: string; result: T };
        store.#results.set(key, result);
      } catch {
        // The last line of a run that was killed, or the empty one at the end.
      }
    }
    // So that a line cut short does not swallow the next one.
    if (text !== '' && !text.endsWith('\n')) await appendFile(path, '\n');
    return store;
  }

  /** Number of results. */
  get size(): number {
    return this.#results.size;
  }

  get(key: string): T | undefined {
    return this.#results.get(key);
  }

  /**
   * Keeps a result, on disk before this resolves.
   *
   * @throws UsageError naming the file where it cannot be written
   */
  async put(key: string, result: T): Promise<void> {
    this.#results.set(key, result);
    if (this.#path === undefined) return;
    const start = this.#torn ? '\n' : '';
    try {
      this.#torn = true;
      await appendFile(this.#path, `${start}${writeJson({ key, result })}\n`);
      this.#torn = false;
    } catch (error) {
      throw fileError('written', this.#path, error);
    }
  }

  /** Forgets everything, on disk too. */
  async clear(): Promise<void> {
    this.#results.clear();
    if (this.#path !== undefined) await rm(this.#path, { force: true });
  }
}
