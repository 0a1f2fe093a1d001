/**
 * A training run in a process of its own, for kill.test.ts, with the compiled code:
 *
 *     node kill-child.mjs IMAGES CHECKPOINT STEPS INTERVAL KILL-AT [resume]
 *
 * Prints a line "step NUMBER LOSS" per step and "saved NUMBER" per checkpoint. Behind the line that begins with KILL-AT (never
 * where it is empty) it kills itself; behind that of a step, as soon as what follows it has begun.
 */
import { networkConfigs } from '../../../dist/codec/networks/config.js';
import { loadOnnxRuntime } from '../../../dist/src/engines/onnxruntime.js';
import { loadCheckpoint } from '../../../dist/src/training/checkpoint.js';
import { Photographs } from '../../../dist/src/training/photographs.js';
import { defaultRunOptions, train } from '../../../dist/src/training/train.js';

const [images, checkpointPath, steps, interval, killAt, resume] = process.argv.slice(2);
const kill = () => process.kill(process.pid, 'SIGKILL');
/** Pipes are written at once, so the line is out before the end. */
const print = (line) => {
  process.stdout.write(`${line}\n`);
  if (killAt && line.startsWith(killAt)) killAt.startsWith('step') ? setImmediate(kill) : kill();
};
await train({
  runtime: await loadOnnxRuntime(),
  config: networkConfigs.tiny,
  options: { ...defaultRunOptions, seed: 3, batch: 2, crop: 64, steps: Number(steps) },
  images: await Photographs.open(images, { leastSide: 64 }),
  checkpointPath,
  checkpointEvery: Number(interval),
  validateEvery: 1000,
  threads: 1,
  resume: resume ? await loadCheckpoint(checkpointPath) : undefined,
  onStep: (step, { loss }) => print(`step ${step} ${loss}`),
  onCheckpoint: (step) => print(`saved ${step}`),
});
