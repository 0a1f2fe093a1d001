import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FetchProgress, fetchDataset, pixelHash } from '../../datasets/index.js';
import { IntegrityError, UnsupportedError, UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { encodePng } from '../../src/io/png.js';

const pictures = [1, 2, 3].map((factor) =>
  createImage(
    64,
    64,
    3,
    Uint8Array.from({ length: 64 * 64 * 3 }, (_, n) => (n * n * factor) >> 7),
  ),
);
const files = pictures.map((picture) => Buffer.from(encodePng(picture)));
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

vi.mock('../../datasets/kodak.js', async () => ({ kodakManifest: {} }));

let folder: string;
let server: Server;
let url: string;
/** How the server answers; by default with the file, or the range asked for. */
let answer: (request: IncomingMessage, response: ServerResponse, file: Buffer) => void;
let asked: string[];

const whole: typeof answer = (request, response, file) => {
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const rest = file.subarray(start);
  if (start > 0) {
    response.writeHead(206, {
      'content-length': rest.length,
      'content-range': `bytes ${start}-${file.length - 1}/${file.length}`,
    });
  } else response.writeHead(200, { 'content-length': rest.length });
  response.end(rest);
};

/** Waits until a file has that many bytes. */
async function untilStored(path: string, bytes: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size >= bytes) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Sends the head and some bytes, then drops the connection, once they are stored. */
const dropping =
  (bytes: number): typeof answer =>
  (request, response, file) => {
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = file.subarray(start);
    if (rest.length <= bytes) return whole(request, response, file);
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': rest.length,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${file.length - 1}/${file.length}` } : {}),
    });
    const part = join(folder, 'kodak', `${basename(request.url ?? '')}.part`);
    response.write(rest.subarray(0, bytes), async () => {
      await untilStored(part, start + bytes);
      response.destroy();
    });
  };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fetch-'));
  const { kodakManifest } = await import('../../datasets/kodak.js');
  files.forEach((file, n) => {
    Object.assign(kodakManifest, {
      [`kodim0${n + 1}.png`]: { sha256: hash(file), pixels: pixelHash(pictures[n]) },
    });
  });
  asked = [];
  answer = whole;
  server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.range ?? ''}`.trim());
    const n = Number(/kodim0(\d)/.exec(request.url ?? '')?.[1]) - 1;
    answer(request, response, files[n]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/kodak/`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

const quick = { delay: 1, retries: 3 };
const stored = (name: string): Promise<Buffer> => readFile(join(folder, 'kodak', name));

describe('fetchDataset', () => {
  it('downloads what is absent or damaged, and nothing else', async () => {
    await mkdir(join(folder, 'kodak'));
    await writeFile(join(folder, 'kodak', 'kodim01.png'), files[0]);
    await writeFile(join(folder, 'kodak', 'kodim03.png'), files[2].subarray(0, 100));
    const states: FetchProgress[] = [];
    const result = await fetchDataset('kodak', folder, {
      url,
      ...quick,
      progress: (state) => states.push(state),
    });
    expect(result).toMatchObject({ fetched: ['kodim02.png', 'kodim03.png'], present: ['kodim01.png'] });
    expect((await stored('kodim03.png')).equals(files[2])).toBe(true);
    expect(states.at(-1)).toEqual({
      name: 'kodim03.png',
      done: 2,
      files: 3,
      bytes: files[2].length,
      total: files[2].length,
    });
    expect((await fetchDataset('kodak', folder, { url })).fetched).toEqual([]);
    expect(asked).toEqual(['/kodak/kodim02.png', '/kodak/kodim03.png']);
  });

  it('goes on where a connection broke, as often as bytes still arrive', async () => {
    const piece = Math.ceil(files[0].length / 9);
    answer = dropping(piece);
    const { fetched } = await fetchDataset('kodak', folder, { url, ...quick });
    expect(fetched).toHaveLength(3);
    for (const [n, file] of files.entries()) {
      expect((await stored(`kodim0${n + 1}.png`)).equals(file)).toBe(true);
    }
    expect(asked.slice(0, 3)).toEqual([
      '/kodak/kodim01.png',
      `/kodak/kodim01.png bytes=${piece}-`,
      `/kodak/kodim01.png bytes=${2 * piece}-`,
    ]);
    expect((await readdir(join(folder, 'kodak'))).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('keeps the part for a later run when the connection stays down', async () => {
    let answers = 0;
    answer = (request, response, file) => {
      if (answers++ === 0) return dropping(1000)(request, response, file);
      response.destroy();
    };
    const failing = fetchDataset('kodak', folder, { url, ...quick });
    await expect(failing).rejects.toThrow(UnsupportedError);
    await expect(failing).rejects.toThrow(
      /kodim01\.png: expected the file, asked 4 times, but the connection/,
    );
    expect((await stored('kodim01.png.part')).length).toBe(1000);
    answer = whole;
    asked = [];
    await fetchDataset('kodak', folder, { url, ...quick });
    expect(asked[0]).toBe('/kodak/kodim01.png bytes=1000-');
    expect((await stored('kodim01.png')).equals(files[0])).toBe(true);
  });

  it('starts again where the server knows no ranges, and waits out busy ones', async () => {
    await mkdir(join(folder, 'kodak'));
    await writeFile(join(folder, 'kodak', 'kodim01.png.part'), 'something else');
    let busy = 2;
    answer = (_, response, file) => {
      if (busy-- > 0) return void response.writeHead(503).end();
      response.writeHead(200, { 'content-length': file.length });
      response.end(file);
    };
    await fetchDataset('kodak', folder, { url, ...quick });
    expect((await stored('kodim01.png')).equals(files[0])).toBe(true);
  });

  it('takes silence for a broken connection', async () => {
    answer = (_, response, file) => {
      response.writeHead(200, { 'content-length': file.length });
      response.flushHeaders();
    };
    const failing = fetchDataset('kodak', folder, { url, delay: 1, retries: 1, timeout: 50 });
    await expect(failing).rejects.toThrow(/asked 2 times, but no byte in 50 ms/);
  });

  it('keeps no file of other content, and asks once where a file is not there', async () => {
    answer = (_, response) => response.end('not this one');
    const damaged = fetchDataset('kodak', folder, { url, ...quick });
    await expect(damaged).rejects.toThrow(IntegrityError);
    await expect(damaged).rejects.toThrow(/kodim01\.png: expected a file of SHA-256 .*nothing was kept/);
    expect(await readdir(join(folder, 'kodak'))).toEqual([]);
    asked = [];
    answer = (_, response) => void response.writeHead(404).end();
    await expect(fetchDataset('kodak', folder, { url, ...quick })).rejects.toThrow(/got status 404/);
    expect(asked).toHaveLength(1);
  });

  it('stops when it is asked to, and says where else a set comes from', async () => {
    const stop = new AbortController();
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 99 });
      response.flushHeaders();
      stop.abort();
    };
    await expect(fetchDataset('kodak', folder, { url, signal: stop.signal })).rejects.toThrow(/abort/);
    await expect(fetchDataset('tecnick', folder)).rejects.toThrow(UsageError);
    await expect(fetchDataset('tecnick', folder)).rejects.toThrow(
      /testimages\.org.*Put the files into '.*tecnick'/,
    );
  });
});
