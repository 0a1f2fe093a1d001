/**
 * Downloads of data sets, file by file, over connections that break: what has arrived stays in a `.part` file and the
 * rest is asked for with a Range header, in this run or a later one. A file gets its name only when its SHA-256 (or, of
 * a repacked copy, the hash of its pixels) is the manifest's.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { IntegrityError, UnsupportedError, UsageError } from '../src/errors.js';
import { type DatasetImage, loadImage } from './dataset.js';
import { findDataset, knownDataset } from './find.js';

/** How a download stands. */
export interface FetchProgress {
  readonly name: string;
  /** Files done, of `files`. */
  readonly done: number;
  readonly files: number;
  /** Bytes of this file so far. */
  readonly bytes: number;
  /** Bytes of the whole file, where the server said it. */
  readonly total?: number;
}

export interface FetchOptions {
  /** Where the files lie, a slash at the end (default: the set's own place). */
  readonly url?: string;
  /** Times that a file is asked for again without having received anything (default 5). */
  readonly retries?: number;
  /** Milliseconds before the first repetition, doubled each time (default 500). */
  readonly delay?: number;
  /** Milliseconds without a byte after which a connection counts as broken (default 30000). */
  readonly timeout?: number;
  readonly progress?: (state: FetchProgress) => void;
  readonly signal?: AbortSignal;
}

export const defaultFetchOptions = Object.freeze({ retries: 5, delay: 500, timeout: 30_000 });

/** What became of the files of a set. */
export interface Fetched {
  readonly folder: string;
  /** Names of files that were downloaded, and of those that were there already. */
  readonly fetched: readonly string[];
  readonly present: readonly string[];
}

const isSound = (image: DatasetImage): Promise<boolean> =>
  loadImage(image).then(
    () => true,
    () => false,
  );

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** Bytes of the whole file by the headers of an answer. */
function totalOf(response: Response, start: number): number | undefined {
  const range = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (range) return Number(range[1]);
  const length = response.headers.get('content-length');
  return length === null ? undefined : start + Number(length);
}

/** What one answer of the server came to; `reason` says why it was not the whole file. */
interface Received {
  readonly whole: boolean;
  readonly reason: string;
}

/**
 * Takes one answer of the server into the part file.
 *
 * @throws UnsupportedError for an answer that asking again does not change
 */
async function receive(
  url: string,
  part: string,
  options: FetchOptions,
  report: (bytes: number, total?: number) => void,
): Promise<Received> {
  const had = await sizeOf(part);
  const silence = new AbortController();
  const limit = options.timeout ?? defaultFetchOptions.timeout;
  let timer = setTimeout(() => silence.abort(), limit);
  const signal = options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal;
  try {
    const headers: Record<string, string> = had > 0 ? { range: `bytes=${had}-` } : {};
    const response = await fetch(url, { headers, signal });
    // Nothing lies behind the part: it is the whole file, or none of this one; its hash tells.
    if (response.status === 416) return { whole: true, reason: '' };
    if (response.status >= 500) return { whole: false, reason: `got status ${response.status}` };
    if (!response.ok || !response.body) {
      throw new UnsupportedError(`${url}: expected the file, got status ${response.status}`);
    }
    const start = response.status === 206 ? had : 0;
    const total = totalOf(response, start);
    const file = await open(part, start > 0 ? 'a' : 'w');
    let bytes = start;
    try {
      for await (const chunk of response.body) {
        await file.write(chunk);
        bytes += chunk.length;
        report(bytes, total);
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), limit);
      }
    } finally {
      await file.close();
    }
    const whole = total === undefined || bytes >= total;
    return { whole, reason: `got ${bytes} of ${total} bytes` };
  } catch (error) {
    // What fetch throws is a TypeError or, for the limit of silence, an abort; the rest is not the connection's fault.
    const broken = silence.signal.aborted || error instanceof TypeError;
    if (!broken || options.signal?.aborted) throw error;
    return {
      whole: false,
      reason: silence.signal.aborted ? `no byte in ${limit} ms` : 'the connection broke',
    };
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for a file until it is whole; only answers without a single new byte count as tries. */
async function download(
  url: string,
  part: string,
  options: FetchOptions,
  report: (bytes: number, total?: number) => void,
): Promise<void> {
  const { retries = defaultFetchOptions.retries, delay = defaultFetchOptions.delay } = options;
  for (let failed = 0; ; ) {
    const had = await sizeOf(part);
    const { whole, reason } = await receive(url, part, options, report);
    if (whole) return;
    failed = (await sizeOf(part)) > had ? 0 : failed + 1;
    if (failed > retries) {
      throw new UnsupportedError(`${url}: expected the file, asked ${failed} times, but ${reason}`);
    }
    const pause = failed === 0 ? 0 : delay * 2 ** (failed - 1);
    await wait(pause, undefined, options.signal ? { signal: options.signal } : {});
  }
}

/**
 * Downloads what a data set lacks into a folder of its name below `dataDir`.
 *
 * @throws UsageError for a set that cannot be downloaded file by file (saying where to get it), UnsupportedError naming
 *   an address that does not answer with the file, IntegrityError naming a file that arrived with other content
 * @example
 * const { folder, fetched } = await fetchDataset('kodak', 'data');
 */
export async function fetchDataset(
  name: string,
  dataDir: string,
  options: FetchOptions = {},
): Promise<Fetched> {
  const { manifest, origin, url: home } = knownDataset(name);
  const url = options.url ?? home;
  const folder = join(dataDir, name);
  if (!manifest || url === undefined) {
    throw new UsageError(
      `${name}: cannot be downloaded file by file; it comes from ${origin}. Put the files into '${folder}'`,
    );
  }
  await mkdir(folder, { recursive: true });
  const [fetched, present]: [string[], string[]] = [[], []];
  const { images } = await findDataset(name, { dataDir, allowAbsent: true });
  for (const image of images) {
    const address = new URL(image.name, url).href;
    const done = fetched.length + present.length;
    const report = (bytes: number, total?: number): void =>
      options.progress?.({
        name: image.name,
        done,
        files: images.length,
        bytes,
        ...(total === undefined ? {} : { total }),
      });
    report(0);
    if (await isSound(image)) {
      present.push(image.name);
      continue;
    }
    const path = join(folder, image.name);
    const part = `${path}.part`;
    await download(address, part, options, report);
    if (!(await isSound({ ...image, path: part }))) {
      const sha256 = createHash('sha256')
        .update(await readFile(part))
        .digest('hex');
      await rm(part);
      throw new IntegrityError(
        `${address}: expected a file of SHA-256 ${image.sha256}, got ${sha256}; nothing was kept`,
      );
    }
    await rename(part, path);
    fetched.push(image.name);
  }
  return { folder, fetched, present };
}
