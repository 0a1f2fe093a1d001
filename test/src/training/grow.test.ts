/** Growing a run: the larger network computes what the smaller one did, learns, and codes files on both engines. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../../codec/decode.js';
import { encode } from '../../../codec/encode.js';
import { loadModel } from '../../../codec/model/load.js';
import type { NetworkConfig } from '../../../codec/networks/config.js';
import { UsageError } from '../../../src/errors.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { drawBatch } from '../../../src/training/batches.js';
import { type Checkpoint, loadCheckpoint } from '../../../src/training/checkpoint.js';
import { exportModel } from '../../../src/training/export-model.js';
import { grow } from '../../../src/training/grow.js';
import { slotName, slots } from '../../../src/training/optimizer.js';
import { parameterSpecs, type TrainingRun, train } from '../../../src/training/train.js';
import { Trainer } from '../../../src/training/trainer.js';
import { picture } from '../../golden/pictures.js';
import { runIn, type Workplace, workplace } from './support.js';

let place: Workplace;
let run: TrainingRun;
let trained: Checkpoint;
let larger: NetworkConfig;

beforeAll(async () => {
  place = workplace();
  run = await runIn(place);
  await train({ ...run, options: { ...run.options, steps: 8 } });
  trained = await loadCheckpoint(run.checkpointPath);
  larger = { ...run.config, blocks: 2, deepBlocks: 3, contextBlocks: 2 };
});
afterAll(() => place.remove());

/** The loss of one and the same batch, before anything moves. */
async function lossOf({ config, state }: Checkpoint): Promise<number> {
  const options = { batch: 2, height: 64, width: 64, clipNorm: 1, optimizer: 'adam', threads: 1 } as const;
  const trainer = await Trainer.create(run.runtime, config, options, state);
  const drawing = { seed: 1, batch: 2, crop: 64, leastScale: 1, ratePoints: config.ratePoints };
  const batch = await drawBatch(run.images, trainer.dataShapes, 1, drawing);
  const { loss } = await trainer.step(batch, { learningRate: 0, emaDecay: 1, step: 1 });
  await trainer.release();
  return loss;
}

describe('grow', () => {
  it('keeps what the run has, in every slot, and the loss to the last digits', async () => {
    const grown = grow(trained, larger);
    expect(grown).toMatchObject({ config: larger, step: 8, options: { ...trained.options, restart: 8 } });
    for (const name of parameterSpecs(run.config).keys()) {
      for (const slot of slots) {
        const key = slotName(slot, name);
        expect(grown.state.get(key), key).toEqual(trained.state.get(key));
      }
    }
    expect(grown.state.size).toBe(4 * parameterSpecs(larger).size);
    const before = await lossOf(trained);
    expect(Math.abs((await lossOf(grown)) - before)).toBeLessThan(1e-6 * before);
  });

  it('trains the new blocks, in a model that codes pictures the same on every engine', async () => {
    const checkpointPath = place.path('grown/checkpoint.safetensors');
    const options = { ...run.options, steps: 16 };
    const start = grow(trained, larger);
    await train({ ...run, config: larger, options, checkpointPath, resume: start });
    const grown = await loadCheckpoint(checkpointPath);
    for (const name of ['analysis.block.1', 'synthesis.deep.2', 'context.3.block.1']) {
      expect(grown.state.get(`${name}.reduce.weight`)!.some((weight) => weight !== 0)).toBe(true);
    }
    const model = await loadModel(exportModel(grown, { name: 'grown' }));
    const image = picture('texture', 100, 70);
    const bytes = await encode(image, { model, engine: 'wasm', quality: 80 });
    const decoded = await decode(bytes, { model, engine: 'onnxruntime' });
    expect(psnr(image, decoded)).toBeGreaterThan(20);
    expect(psnr(await decode(bytes, { model, engine: 'wasm' }), decoded)).toBeGreaterThan(50);
  });

  it('refuses networks with other widths or fewer blocks', () => {
    const wider = { ...larger, channels: 64 };
    expect(() => grow(trained, wider)).toThrow(UsageError);
    expect(() => grow(trained, wider)).toThrow(
      /grow: expected tiny to have the 256 values of rate\.analysisFeatures, got 512/,
    );
    expect(() => grow(grow(trained, larger), run.config)).toThrow(
      /values of analysis\.block\.1\.mix\.weight, got none/,
    );
  });
});
