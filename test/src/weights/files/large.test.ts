/**
 * A checkpoint of WEIGHTS_LARGE gigabytes (at least 1; three times that much room on the disk of temporary files): killed
 * in the middle, resumed, within a gigabyte of memory above its largest tensor. Needs dist/, which `npm test` makes.
 *
 *     npm run build && WEIGHTS_LARGE=1 npx vitest run test/src/weights/files/large.test.ts
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gguf } from '@huggingface/gguf';
import { afterAll, describe, expect, it } from 'vitest';
import { llamaTensors, writeLlama } from './llama.js';
import { workplace } from './support.js';

const gigabytes = Number(process.env.WEIGHTS_LARGE ?? 0);
const child = fileURLToPath(new URL('quantize-child.mjs', import.meta.url));
const compiled = fileURLToPath(new URL('../../../../dist/codec/cli/program.js', import.meta.url));

interface Ended {
  readonly signal: string | null;
  readonly said: string;
  readonly result?: { readonly code: number; readonly peak: number };
}

/** Runs the child, which is killed when it says `killAt`. */
function start(args: readonly string[], killAt?: string): Promise<Ended> {
  const running = spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let out = '';
  running.stdout.on('data', (part) => {
    out += part;
  });
  running.stderr.on('data', (part) => {
    said += part;
    if (killAt !== undefined && said.includes(killAt)) running.kill('SIGKILL');
  });
  return new Promise((resolve) => {
    running.on('close', (_, signal) => {
      resolve({ signal, said, ...(out === '' ? {} : { result: JSON.parse(out) }) });
    });
  });
}

describe.runIf(gigabytes >= 1 && existsSync(compiled))('a large checkpoint', { timeout: 3_600_000 }, () => {
  const place = workplace();
  afterAll(() => place.remove());

  it('is quantized within a gigabyte above its largest tensor, also after a kill', async () => {
    const size = { hidden: 2048, intermediate: 5632, vocabulary: 32000, keyValue: 256, shards: 3, seed: 7 };
    const perLayer = 2 * size.hidden * (2 * size.hidden + 2 * size.keyValue + 3 * size.intermediate);
    const layers = Math.ceil((gigabytes * 1e9 - 4 * size.vocabulary * size.hidden) / perLayer);
    const began = performance.now();
    const bytes = await writeLlama(place.path('large'), { ...size, layers });
    const made = performance.now();
    expect(bytes).toBeGreaterThanOrEqual(gigabytes * 1e9);
    const output = place.path('large.gguf');
    const args = ['weights', 'quantize', place.path('large'), output, '--scheme', 'q8_0'];
    const options = ['--filter', '.*mlp.*=q4_0', '--worst', '1', '-v'];
    const killed = await start([...args, ...options], `model.layers.${layers >> 1}.mlp.up_proj.weight`);
    expect(killed.signal).toBe('SIGKILL');
    const { result, said } = await start([...args, ...options, '--resume']);
    expect(result?.code, said).toBe(0);
    const largest = 2 * size.vocabulary * size.hidden;
    console.info(
      `${(bytes / 1e9).toFixed(2)} GB in ${((made - began) / 1000).toFixed(0)} s, ` +
        `quantized in ${((performance.now() - made) / 1000).toFixed(0)} s, ` +
        `peak ${(result!.peak / 1e6).toFixed(0)} MB, largest tensor ${(largest / 1e6).toFixed(0)} MB; ` +
        said.split('\n').slice(-3).join(' '),
    );
    expect(result!.peak).toBeLessThan(largest + 1e9);
    const { tensorInfos } = await gguf(output, { allowLocalFile: true });
    expect(tensorInfos.map(({ name }) => name)).toEqual(
      llamaTensors({ ...size, layers }).map(({ name }) => name),
    );
  });
});
