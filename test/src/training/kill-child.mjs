/**
 * A training run in a process of its own, for kill.test.ts, with the compiled code:
 *
 *     node kill-child.mjs IMAGES CHECKPOINT STEPS INTERVAL [resume]
 *
 * Prints a line "step NUMBER LOSS" per step and "saved NUMBER" per checkpoint.
 */
import { networkConfigs } from '../../../dist/codec/networks/config.js';
import { loadOnnxRuntime } from '../../../dist/src/engines/onnxruntime.js';
import { loadCheckpoint } from '../../../dist/src/training/checkpoint.js';
import { Photographs } from '../../../dist/src/training/photographs.js';
import { defaultRunOptions, train } from '../../../dist/src/training/train.js';

const [images, checkpointPath, steps, interval, resume] = process.argv.slice(2);
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
  onStep: (step, { loss }) => process.stdout.write(`step ${step} ${loss}\n`),
  onCheckpoint: (step) => process.stdout.write(`saved ${step}\n`),
});
