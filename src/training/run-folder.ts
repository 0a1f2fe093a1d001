/**
 * The run folder that the PyTorch program reads (engines/torch/run.py): step.onnx, the objective and its gradients for
 * one fixed batch; run.json, everything else that decides the course of the run; state.safetensors, a checkpoint.
 * Constants of the schedule and of the rate points are derived from the functions that training here uses.
 */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { lambdaOf, type NetworkConfig, pictureMultiple } from '../../codec/networks/config.js';
import { type ParameterSpec, Parameters } from '../../codec/networks/parameters.js';
import { torchFiles } from '../engines/torch.js';
import { FormatError, UsageError } from '../errors.js';
import { Graph, sizeOf } from '../graph/index.js';
import { lowerToOnnx } from '../graph/onnx/lower.js';
import { writeFileAtomic } from '../io/files.js';
import { defaultLeastScale, rateWeight } from './batches.js';
import { type Checkpoint, checkpointFile, loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import { type BatchSize, buildObjective } from './objective.js';
import { adam, slotName, slots } from './optimizer.js';
import { PictureFile, packCentres, packParts } from './packed-pictures.js';
import type { Photographs } from './photographs.js';
import { learningRateAt, type Schedule, scheduleOf } from './schedule.js';
import {
  buildGradientGraph,
  type GradientGraph,
  type ObjectiveBuilder,
  type TrainingState,
} from './trainer.js';
import { defaultValidation } from './validation.js';

export interface ExportOptions {
  /** Bytes of packed pictures; what a run folder may weigh depends on where it travels. */
  readonly bytes: number;
  /** Longest side of the parts of photographs, in pixels; never less than the largest crop before it is scaled down. */
  readonly side: number;
  /** Processes that will share every batch (torchrun); the graph is made for the crops of one. */
  readonly processes: number;
  /** Take weights and average along as float16 and no moments: a quarter of the bytes. */
  readonly half: boolean;
  readonly validation: {
    readonly qualities: readonly number[];
    readonly crop: number;
    readonly pictures: number;
  };
}

export const defaultExport: ExportOptions = {
  bytes: 45e6,
  side: 384,
  processes: 1,
  half: false,
  validation: defaultValidation,
};

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
  const final = learningRateAt({ ...schedule, warmup: 1 }, schedule.steps);
  return { ...schedule, finalPart: final / schedule.learningRate };
}

/** What one step needs: its graph, the order and shapes of data and parameters, the optimizer's constants. */
export async function writeStepFolder(
  folder: string,
  checkpoint: Checkpoint,
  size: BatchSize & { readonly objective?: ObjectiveBuilder },
  more: Readonly<Record<string, unknown>> = {},
  half = false,
): Promise<GradientGraph> {
  const { config, options, step } = checkpoint;
  const built = buildGradientGraph(config, size, size.objective);
  const { metrics, gradientOf, specs, dataShapes } = built;
  checkState(checkpoint.state, specs);
  const gradients = [...gradientOf].map(([name, tensor]) => [`gradient:${name}`, tensor] as const);
  const { bytes } = lowerToOnnx({ ...metrics, ...Object.fromEntries(gradients) }, { target: 'torch' });
  await writeFileAtomic(join(folder, 'step.onnx'), bytes);
  await saveCheckpoint(join(folder, 'state.safetensors'), checkpoint, specs, half);
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

function specsOf(config: NetworkConfig): ReadonlyMap<string, ParameterSpec> {
  const graph = new Graph();
  const p = new Parameters(graph);
  const size = { batch: 1, height: pictureMultiple, width: pictureMultiple };
  buildObjective(graph, p, config, { ...size, quantized: true });
  return p.specs;
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

/** Writes validation.onnx, the objective on rounded latents; returns its entry of run.json. */
async function writeValidation(
  folder: string,
  { config }: Checkpoint,
  file: PictureFile,
  photographs: Photographs,
  { qualities, crop, pictures }: ExportOptions['validation'],
): Promise<Record<string, unknown>> {
  const graph = new Graph();
  const p = new Parameters(graph);
  const objective = buildObjective(graph, p, config, {
    batch: qualities.length,
    height: crop,
    width: crop,
    quantized: true,
  });
  const { loss, distortion, rate } = objective;
  const { bytes, inputs } = lowerToOnnx({ loss, distortion, rate }, { target: 'torch' });
  await writeFileAtomic(join(folder, 'validation.onnx'), bytes);
  const dataShapes = Object.fromEntries([...inputs].filter(([name]) => !p.specs.has(name)));
  return { qualities, dataShapes, pictures: await packCentres(file, photographs, crop, pictures) };
}

/**
 * Writes a run folder that `python3 run.py FOLDER` trains without Node: batch, crop, schedule and seed are those of the
 * checkpoint's options, the run goes on from its step. run.py is copied into the folder, with the files that it needs.
 *
 * @throws UsageError for a folder that cannot be written, pictures that are too small, or a batch that the processes
 *   cannot share.
 * @example
 * const checkpoint = await firstCheckpoint({ runtime, config, options, images });
 * await exportRun('run', checkpoint, { images, validation });
 * // python3 run/run.py run --minutes 9 --precision bf16 --device cuda --out out
 * const trained = await importRun('out');
 */
export async function exportRun(
  folder: string,
  checkpoint: Checkpoint,
  data: { readonly images: Photographs; readonly validation?: Photographs },
  options: Partial<ExportOptions> = {},
): Promise<void> {
  const { bytes, side, processes, half, validation } = { ...defaultExport, ...options };
  const { batch, crop, seed } = checkpoint.options;
  if (batch % processes) {
    throw new UsageError(`export: expected a batch that ${processes} processes can share, got ${batch}`);
  }
  await mkdir(folder, { recursive: true });
  const file = new PictureFile();
  const validated =
    data.validation && (await writeValidation(folder, checkpoint, file, data.validation, validation));
  const pictures = await packParts(file, data.images, {
    seed,
    bytes,
    side: Math.max(side, Math.ceil(crop / defaultLeastScale)),
    leastSide: crop,
  });
  await writeFileAtomic(join(folder, 'pictures.bin'), Buffer.concat(file.parts));
  await writeStepFolder(
    folder,
    checkpoint,
    { batch: batch / processes, height: crop, width: crop },
    {
      schedule: scheduleConstants(scheduleOf(checkpoint.options)),
      rate: ratePointConstants(checkpoint.config.ratePoints),
      leastScale: defaultLeastScale,
      pictures,
      ...(validated ? { validation: validated } : {}),
    },
    half,
  );
  for (const file of torchFiles()) await copyFile(file, join(folder, basename(file)));
}

/** `checkpoint-2.safetensors`: a part of a half-precision checkpoint. */
const partName = /^checkpoint-\d+\.safetensors$/;

/**
 * The checkpoint that run.py left in its output folder, whole or in half-precision parts; the newer where both are.
 *
 * @throws UsageError where there is none, FormatError where parts are missing or differ in their step.
 */
export async function importRun(folder: string): Promise<Checkpoint> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`import: expected a readable folder, got ${folder} (${error.code})`);
  });
  const found: Checkpoint[] = [];
  if (names.includes(basename(checkpointFile(folder))))
    found.push(await loadCheckpoint(checkpointFile(folder)));
  const parts = names.filter((name) => partName.test(name)).sort();
  if (parts.length > 0) {
    const loaded = await Promise.all(parts.map((name) => loadCheckpoint(join(folder, name))));
    found.push(joinParts(folder, loaded));
  }
  if (found.length === 0) throw new UsageError(`import: expected a checkpoint in ${folder}, found none`);
  const newest = found.reduce((best, other) => (other.step > best.step ? other : best));
  checkState(newest.state, specsOf(newest.config));
  return newest;
}

function joinParts(folder: string, parts: readonly Checkpoint[]): Checkpoint {
  const steps = new Set(parts.map(({ step }) => step));
  if (steps.size > 1) {
    throw new FormatError(
      `import: expected parts of one step in ${folder}, got those of steps ${[...steps].join(', ')}`,
    );
  }
  return { ...parts[0], state: new Map(parts.flatMap(({ state }) => [...state])) };
}
