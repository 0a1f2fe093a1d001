/**
 * What the tests of training share: a folder of small synthetic photographs, and the options of a run that takes
 * milliseconds per step (`tiny`, crops of 64 pixels, two per batch, one thread so that sums have one order).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { networkConfigs } from '../../../codec/networks/config.js';
import { loadOnnxRuntime } from '../../../src/engines/onnxruntime.js';
import { encodePng } from '../../../src/io/png.js';
import type { RunOptions } from '../../../src/training/checkpoint.js';
import { Photographs } from '../../../src/training/photographs.js';
import { defaultRunOptions, type TrainingRun } from '../../../src/training/train.js';
import { picture } from '../../golden/pictures.js';

export interface Workplace {
  readonly folder: string;
  readonly images: string;
  path(name: string): string;
  remove(): void;
}

/** A temporary folder with `count` photographs in a subfolder. */
export function workplace(count = 4, width = 96, height = 80): Workplace {
  const folder = mkdtempSync(join(tmpdir(), 'training-'));
  const images = mkdtempSync(join(folder, 'images-'));
  for (let k = 0; k < count; k++) {
    const image = picture(k % 2 ? 'texture' : 'mixed', width, height, 3, k);
    writeFileSync(join(images, `picture-${k}.png`), encodePng(image, { deflate: deflateSync }));
  }
  return {
    folder,
    images,
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const runOptions: RunOptions = { ...defaultRunOptions, seed: 3, batch: 2, crop: 64, steps: 30 };

/** A run of `tiny` in a workplace; `change` says what differs. */
export async function runIn(place: Workplace, change: Partial<TrainingRun> = {}): Promise<TrainingRun> {
  return {
    runtime: await loadOnnxRuntime(),
    config: networkConfigs.tiny,
    options: runOptions,
    images: await Photographs.open(place.images, { leastSide: 64 }),
    checkpointPath: place.path('run/checkpoint.safetensors'),
    checkpointEvery: 1000,
    validateEvery: 1000,
    threads: 1,
    ...change,
  };
}
