/**
 * The run folder that the PyTorch program reads (engines/torch/run.py): step.onnx, the objective and its gradients for
 * one fixed batch; run.json, everything else that decides the course of the run; state.safetensors, a checkpoint.
 * Constants of the schedule and of the rate points are derived from the functions that training here uses.
 */
import { join } from 'node:path';
import { lambdaOf } from '../../codec/networks/config.js';
import type { ParameterSpec } from '../../codec/networks/parameters.js';
import { UsageError } from '../errors.js';
import { sizeOf } from '../graph/index.js';
import { lowerToOnnx } from '../graph/onnx/lower.js';
import { writeFileAtomic } from '../io/files.js';
import { rateWeight } from './batches.js';
import { type Checkpoint, checkpointFile, saveCheckpoint } from './checkpoint.js';
import { adam, slotName, slots } from './optimizer.js';
import { learningRateAt, type Schedule } from './schedule.js';
import { buildGradientGraph, type GradientGraph, type TrainingState } from './trainer.js';

/** Constants of lambda(q) = atZero * range^(q/100) and of a sample's weight (lambda / lambda(50))^exponent. */
function ratePointConstants(ratePoints: number): Record<string, number> {
  const range = lambdaOf(100) / lambdaOf(0);
  return {
    ratePoints,
    lambdaAtZero: lambdaOf(0),
    lambdaRange: range,
    weightExponent: Math.log(rateWeight(100)) / (0.5 * Math.log(range)),
  };
}

/** Schedule with the part of the learning rate that is left at its end. */
function scheduleConstants(schedule: Schedule): Record<string, number> {
  return { ...schedule, finalPart: learningRateAt(schedule, schedule.steps) / schedule.learningRate };
}

/** What one step needs: its graph, the order and shapes of data and parameters, the optimizer's constants. */
export async function writeStepFolder(
  folder: string,
  checkpoint: Checkpoint,
  { batch, height, width }: { batch: number; height: number; width: number },
  more: Readonly<Record<string, unknown>> = {},
): Promise<GradientGraph> {
  const { config, options, step } = checkpoint;
  const built = buildGradientGraph(config, { batch, height, width });
  const { metrics, gradientOf, specs, dataShapes } = built;
  checkState(checkpoint.state, specs);
  const gradients = [...gradientOf].map(([name, tensor]) => [`gradient:${name}`, tensor] as const);
  const { bytes } = lowerToOnnx({ ...metrics, ...Object.fromEntries(gradients) }, { target: 'torch' });
  await writeFileAtomic(join(folder, 'step.onnx'), bytes);
  await saveCheckpoint(join(folder, 'state.safetensors'), checkpoint, specs);
  const run = {
    kind: 'trellis-codec run 1',
    config,
    options,
    step,
    adam,
    dataShapes: Object.fromEntries(dataShapes),
    parameters: Object.fromEntries([...specs].map(([name, { shape }]) => [name, shape])),
    ...more,
  };
  await writeFileAtomic(join(folder, 'run.json'), new TextEncoder().encode(JSON.stringify(run)));
  return built;
}

function checkState(state: TrainingState, specs: ReadonlyMap<string, ParameterSpec>): void {
  for (const [name, { shape }] of specs) {
    for (const slot of slots) {
      const found = state.get(slotName(slot, name))?.length;
      if (found !== sizeOf(shape)) {
        throw new UsageError(
          `training state: expected ${sizeOf(shape)} values for ${slotName(slot, name)}, got ${found ?? 'none'}`,
        );
      }
    }
  }
}
