/** The compiled command as real processes: streams, exit codes, signals. `npm test` builds it first. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodePng, encodePng, packageRoot } from '../../../src/io/index.js';
import { missingTorch } from '../../src/engines/torch-support.js';
import { picture, small, temporaryFolder } from './support.js';

const { path, png } = temporaryFolder();
const main = join(packageRoot(), 'dist', 'codec', 'cli', 'main.js');

interface Ended {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** @param watch sees standard output as it comes, and the number of the process, which leads a group of its own. */
function start(args: readonly string[], stdin?: Uint8Array, watch?: (text: string, pid: number) => void) {
  const child = spawn(process.execPath, [main, ...args], { stdio: 'pipe', detached: true });
  const parts: Buffer[] = [];
  let err = '';
  child.stdout.on('data', (part: Buffer) => {
    parts.push(part);
    watch?.(part.toString(), child.pid!);
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  return new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, out: Buffer.concat(parts), err }));
  });
}

it.runIf(process.env.npm_lifecycle_event === 'test')(
  'is compiled by npm test, as are the others that tests start',
  () => {
    const others = ['eval/worker.js', 'src/training/train.js'].map((file) =>
      join(packageRoot(), 'dist', file),
    );
    for (const file of [main, ...others]) expect(existsSync(file), file).toBe(true);
  },
);

describe.skipIf(!existsSync(main))('the codec process', () => {
  it('codes from standard input to standard output', async () => {
    const encoded = await start(['encode', '-', '-', ...small], encodePng(picture(70, 50)));
    expect(encoded).toMatchObject({ code: 0, err: expect.stringMatching(/^standard output: .* bpp/) });
    const decoded = await start(['decode', '-', '-', ...small], encoded.out);
    expect(decoded.code).toBe(0);
    expect(decodePng(new Uint8Array(decoded.out)).image).toMatchObject({ width: 70, height: 50 });
  });

  it('exits with 1 for failures and 2 for wrong usage', async () => {
    const input = await png('a.png', picture(20, 20));
    const failed = await start(['decode', input, path('b.png'), ...small]);
    expect(failed.code).toBe(1);
    expect(failed.err).toMatch(/^codec: .*a\.png: expected a \.tlc file[^\n]*\n$/);
    expect((await start(['encode', input, '-q', 'x'])).code).toBe(2);
  });

  it('does not mind a reader that goes away', async () => {
    const child = spawn(process.execPath, [main, 'manual'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (part: Buffer) => {
      err += part;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, err]).toEqual([0, '']);
  });

  it('says that a full disk did not take its output', async () => {
    const input = await png('a.png', picture(30, 30));
    const command = `'${process.execPath}' '${main}' encode '${input}' - ${small.map((word) => `'${word}'`).join(' ')} > /dev/full`;
    const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (part: Buffer) => {
      err += part;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(err).toBe('codec: standard output: cannot be written: no space left on the device\n');
    expect(code).toBe(1);
  });

  it('finishes its work where nobody reads what it says', async () => {
    const input = await png('a.png', picture(30, 30));
    const child = spawn(process.execPath, [main, 'encode', input, '-v', ...small], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    child.stderr.destroy();
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(existsSync(path('a.tlc'))).toBe(true);
  });

  /** A training run that is stopped once it has made a step. */
  async function stoppedRun(engine: string, stop: (pid: number) => void): Promise<void> {
    await mkdir(path('images'), { recursive: true });
    await writeFile(path('images', 'a.png'), encodePng(picture(90, 80)));
    const run = path(engine);
    const options = ['--batch', '1', '--crop', '64', '--steps', '100000', '--log-every', '1', '-j', '1'];
    let asked = false;
    const { code, err } = await start(
      ['train', '--images', path('images'), '--out', run, '--model', 'tiny', '--engine', engine, ...options],
      undefined,
      (text, pid) => {
        if (asked || !text.includes('"type":"step"')) return;
        asked = true;
        stop(pid);
      },
    );
    expect(err).toMatch(/stopped after step \d+; continue with: codec train --resume/);
    expect(code).toBe(0);
    expect(existsSync(join(run, 'checkpoint.safetensors'))).toBe(true);
  }

  it('saves a training run on Ctrl-C', () => stoppedRun('onnxruntime', (pid) => process.kill(pid, 'SIGINT')));

  it.runIf(!missingTorch).each(['SIGINT', 'SIGTERM'] as const)(
    'saves a training run in PyTorch when %s reaches all of its processes',
    (signal) => stoppedRun('torch', (pid) => process.kill(-pid, signal)),
    120_000,
  );
});
