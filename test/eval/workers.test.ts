import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import type { CodecSpec } from '../../eval/codec-specs.js';
import type { Measurement } from '../../eval/measure.js';
import { openLocalMeasurer } from '../../eval/measurer.js';
import { openMetrics } from '../../eval/metrics/metrics.js';
import { openWorkers } from '../../eval/workers.js';
import { packageRoot } from '../../src/io/index.js';
import { tinyModelPath } from './pictures.js';
import { environment, evaluateSteps, pictureFolder } from './step-codec.js';

const { path, dataset } = pictureFolder();

const specs: readonly CodecSpec[] = [
  {
    kind: 'ours',
    options: { model: tinyModelPath, quantizer: 'rdoq', engine: 'wasm', qualities: [20, 40, 60, 80] },
  },
  { kind: 'competitor', name: 'jpeg' },
];
const options = { threads: 1, metrics: ['psnr'] } as const;

/** What does not depend on the clock. */
const numbers = (perImage: readonly Measurement[]) =>
  perImage.map(({ encodeSeconds, decodeSeconds, ...rest }) => rest);

// Worker processes run compiled code.
describe.skipIf(!existsSync(join(packageRoot(), 'dist', 'eval', 'worker.js')))('workers', () => {
  it('give the numbers of this process', async () => {
    const set = await dataset({ a: 64, b: 96, c: 80 });
    const metrics = await openMetrics(['psnr']);
    const local = await openLocalMeasurer(specs, 1, metrics);
    const here = await evaluateSteps(set, [], { metrics, measurers: [local] });
    const measurers = await openWorkers(2, specs, options);
    try {
      expect(measurers.map(({ opened }) => opened)).toEqual([local.opened, local.opened]);
      const there = await evaluateSteps(set, [], { metrics, measurers });
      expect(there.failures).toEqual([]);
      for (const [n, codec] of here.codecs.entries()) {
        expect(numbers(there.codecs[n].perImage)).toEqual(numbers(codec.perImage));
      }
    } finally {
      await Promise.all(measurers.map((measurer) => measurer.close()));
    }
  });

  it('survive a codec that is not there, one that fails, and one that ends its process', async () => {
    const set = await dataset({ a: 64, b: 96 });
    const killer = path('killer.mjs');
    // Ends the worker, its parent, on its first call only.
    await writeFile(
      killer,
      `import { existsSync, readFileSync, writeFileSync } from 'node:fs';
const [, , from, to] = process.argv;
if (!existsSync('${path('done')}')) {
  writeFileSync('${path('done')}', '');
  process.kill(process.ppid, 'SIGKILL');
}
writeFileSync(to, readFileSync(from));`,
    );
    const copy = `${process.execPath} ${killer} {in} {out}`;
    const odd: readonly CodecSpec[] = [
      ...specs,
      {
        kind: 'external',
        template: { name: 'absent', encode: 'a', decode: 'a', settings: [1], version: 'no-such' },
      },
      { kind: 'external', template: { name: 'killer', encode: copy, decode: copy, settings: [1] } },
      { kind: 'external', template: { name: 'failing', encode: 'false', decode: 'false', settings: [1] } },
    ];
    const measurers = await openWorkers(1, odd, options);
    const metrics = await openMetrics(['psnr']);
    const evaluation = await evaluateSteps(set, [], { metrics, measurers, environment });
    await measurers[0].close();
    expect(evaluation.failures.map(({ image, codec, message }) => [image, codec, message])).toEqual([
      [undefined, 'absent', expect.stringMatching(/no-such to be installed/)],
      ['a.png', 'failing', expect.stringMatching(/Expected false to succeed but it ended with status 1/)],
      ['a.png', 'killer', 'Expected a result but the worker process was ended by SIGKILL'],
      ['b.png', 'failing', expect.stringMatching(/Expected false to succeed/)],
    ]);
    const counts = evaluation.codecs.map(({ name, perImage }) => [name, perImage.length]);
    // The one that killed its worker lost a picture; a new worker did the rest, infinite PSNR included.
    expect(counts).toEqual([
      ['tiny rdoq', 8],
      ['jpeg', 18],
      ['killer', 1],
      ['failing', 0],
    ]);
    expect(evaluation.codecs[2].perImage[0]!.psnr).toBe(Number.POSITIVE_INFINITY);
  });

  it('may be ended while they wait, and are started again or closed all the same', async () => {
    const set = await dataset({ a: 64 });
    const [measurer] = await openWorkers(1, specs, options);
    /** Ends the worker: the one child of this process that runs the script. */
    const kill = async (): Promise<void> => {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,args=', '--ppid', `${process.pid}`]);
      const line = stdout.split('\n').find((one) => one.includes('eval/worker.js'));
      const pid = Number.parseInt(line!, 10);
      process.kill(pid, 'SIGKILL');
      // Gone once this process has heard of it.
      await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), 10_000);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await kill();
    const results: Measurement[] = [];
    await measurer.measure({ codec: 1, picture: set.images[0], settings: [50] }, async (result) => {
      results.push(result);
    });
    expect(results).toHaveLength(1);
    await kill();
    await measurer.close();
  });

  it('and the process that asked them end together with Ctrl-C, which reaches them all, in a line that says so', async () => {
    // Enough pictures that the run is interrupted in its middle.
    const { images } = await dataset(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`p${n}`, 96])));
    const folder = dirname(images[0].path);
    const command = join(packageRoot(), 'dist', 'codec', 'cli', 'main.js');
    const settings = ['-m', tinyModelPath, '--engine', 'wasm', '--jobs', '2', '--out', path('out')];
    const child = spawn(process.execPath, [command, 'eval', folder, '--competitors', 'jpeg', ...settings], {
      detached: true,
    });
    let told = '';
    child.stderr.on('data', (chunk) => {
      // The first line of progress; a group's number is that of its first process.
      if (/left/.test(chunk) && !/left/.test(told)) process.kill(-child.pid!, 'SIGINT');
      told += chunk;
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(told).toMatch(/stopped with \d+ results in .*; the same command goes on\n$/);
    expect(told).not.toContain('Node.js v');
    expect(status).toBe(1);
  });
});
