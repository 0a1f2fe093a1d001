/**
 * Runs killed without warning (kill -9) in the middle of a step or of a checkpoint: what is on disk is a whole checkpoint,
 * at most one interval old, and the resumed run has the losses that an uninterrupted one has.
 *
 * The runs are processes of their own (kill-child.mjs) with the compiled code, so dist/ must be there; `npm test` makes it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../../../src/training/checkpoint.js';
import { type Workplace, workplace } from './support.js';

const steps = 30;
const interval = 4;
const child = fileURLToPath(new URL('kill-child.mjs', import.meta.url));
const compiled = fileURLToPath(new URL('../../../dist/src/training/train.js', import.meta.url));

interface Outcome {
  /** Losses by step, as the process printed them. */
  readonly losses: ReadonlyMap<number, string>;
  readonly saved: readonly number[];
  readonly signal: string | null;
}

/** Runs the child until it ends, or until it kills itself behind the line `killAt`. */
async function runChild(place: Workplace, name: string, resume: boolean, killAt = ''): Promise<Outcome> {
  const path = place.path(`${name}/checkpoint.safetensors`);
  const given = [child, place.images, path, String(steps), String(interval), killAt];
  if (resume) given.push('resume');
  const running = spawn(process.execPath, given, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<string | null>((resolve) => running.on('close', (_, signal) => resolve(signal)));
  const losses = new Map<number, string>();
  const saved: number[] = [];
  for await (const line of createInterface({ input: running.stdout })) {
    const [what, step, loss] = line.split(' ');
    if (what === 'step') losses.set(Number(step), loss);
    else saved.push(Number(step));
  }
  return { losses, saved, signal: await ended };
}

describe.runIf(existsSync(compiled))('a run that is killed', { timeout: 120_000 }, () => {
  let place: Workplace;
  let whole: Outcome;
  beforeAll(async () => {
    place = workplace();
    whole = await runChild(place, 'whole', false);
  }, 120_000);
  afterAll(() => place.remove());

  it('is compared with one that was not', () => {
    expect([...whole.losses.keys()]).toEqual(Array.from({ length: steps }, (_, k) => k + 1));
    expect(whole.saved).toEqual([4, 8, 12, 16, 20, 24, 28, 30]);
    expect(whole.signal).toBeNull();
  });

  it.each([
    ['between two checkpoints', 'step 7 ', 4],
    ['while a checkpoint is written', 'step 8 ', 4],
    ['right after a checkpoint', 'saved 8', 8],
  ])('%s loses at most one interval and continues with the same losses', async (name, killAt, least) => {
    const killed = await runChild(place, name, false, killAt);
    expect(killed.signal).toBe('SIGKILL');
    expect(killed.losses.size).toBeLessThan(steps);
    const { step } = await loadCheckpoint(place.path(`${name}/checkpoint.safetensors`));
    expect(step % interval).toBe(0);
    expect(step).toBeGreaterThanOrEqual(least);
    expect(Math.max(...killed.losses.keys()) - step).toBeLessThanOrEqual(interval);

    const resumed = await runChild(place, name, true);
    expect(Math.min(...resumed.losses.keys())).toBe(step + 1);
    expect(Math.max(...resumed.losses.keys())).toBe(steps);
    for (const [k, loss] of [...killed.losses, ...resumed.losses]) expect(loss).toBe(whole.losses.get(k));
  });
});
