/**
 * Training steps on PyTorch: the same step as Trainer's, made by a Python process (engines/torch.ts). Graph and state go
 * to it, and the state comes back, through files in a temporary folder that is removed on release.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkConfig } from '../../codec/networks/config.js';
import { type FrameHeader, type TorchOptions, TorchProcess } from '../engines/torch.js';
import { UsageError } from '../errors.js';
import { sizeOf } from '../graph/index.js';
import { parseSafetensors, toFloat32 } from '../io/safetensors.js';
import { type Slot, slotName } from './optimizer.js';
import { writeStepFolder } from './run-folder.js';
import type {
  Batch,
  StepEngine,
  StepMetrics,
  StepOptions,
  TrainerOptions,
  TrainingState,
} from './trainer.js';

/** A number or list of an answer; null stands for what is not finite. */
const numbers = (value: unknown): Float32Array =>
  Float32Array.from([value].flat(), (number) => (number === null ? Number.NaN : (number as number)));

/**
 * @example
 * const trainer = await TorchTrainer.create(networkConfigs.base, options, state, { precision: 'bf16' });
 * const metrics = await trainer.step(batch, { learningRate: 4e-4, emaDecay: 0.999, step: 1 });
 */
export class TorchTrainer implements StepEngine {
  readonly dataShapes: ReadonlyMap<string, readonly number[]>;
  readonly #process: TorchProcess;
  readonly #folder: string;

  private constructor(process: TorchProcess, folder: string, dataShapes: TorchTrainer['dataShapes']) {
    this.#process = process;
    this.#folder = folder;
    this.dataShapes = dataShapes;
  }

  /**
   * @throws UnsupportedError where Python, torch or the device is missing, UsageError for a state that does not fit.
   */
  static async create(
    config: NetworkConfig,
    options: TrainerOptions,
    state: TrainingState,
    torch: TorchOptions = {},
  ): Promise<TorchTrainer> {
    const folder = await mkdtemp(join(tmpdir(), 'trellis-torch-'));
    try {
      // Rates, decays and step numbers come with the requests.
      const unused = { seed: 0, steps: 0, learningRate: 0, emaDecay: 0 };
      const runOptions = {
        ...unused,
        batch: options.batch,
        crop: options.height,
        clipNorm: options.clipNorm,
        optimizer: options.optimizer,
      };
      const checkpoint = { config, options: runOptions, step: 0, state };
      const { dataShapes } = await writeStepFolder(folder, checkpoint, options);
      const process = await TorchProcess.start(folder, { threads: options.threads, ...torch });
      // Python has read all of it, and who is killed cannot clean up: only the place where states are saved stays.
      await rm(folder, { recursive: true });
      await mkdir(folder);
      return new TorchTrainer(process, folder, dataShapes);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async step(batch: Batch, { learningRate, emaDecay, step }: StepOptions): Promise<StepMetrics> {
    const payload = [...this.dataShapes].map(([name, shape]) => {
      const values = batch.get(name);
      if (values?.length !== sizeOf(shape)) {
        throw new UsageError(
          `torch: expected ${sizeOf(shape)} values for ${name} [${shape}], got ${values?.length ?? 'none'}`,
        );
      }
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    });
    const request = { do: 'step', rate: learningRate, decay: emaDecay, step };
    const answer: FrameHeader = await this.#process.ask(request, payload);
    return {
      loss: numbers(answer.loss)[0],
      distortion: numbers(answer.distortion),
      rate: numbers(answer.rate),
      hyperRate: numbers(answer.hyperRate),
      gradientNorm: numbers(answer.gradientNorm)[0],
    };
  }

  async values(slot: Slot): Promise<Map<string, Float32Array>> {
    const prefix = slotName(slot, '');
    const saved = await this.#save([slot]);
    return new Map([...saved].map(([key, values]) => [key.slice(prefix.length), values]));
  }

  state(): Promise<TrainingState> {
    return this.#save();
  }

  async release(): Promise<void> {
    await this.#process.end();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Slots by slot name, or the whole state, by way of a file: pipes are slow for this much. */
  async #save(wanted?: readonly Slot[]): Promise<TrainingState> {
    const path = join(this.#folder, 'saved.safetensors');
    await this.#process.ask({ do: 'save', path, slots: wanted });
    const { tensors } = parseSafetensors(new Uint8Array(await readFile(path)));
    await rm(path);
    return new Map([...tensors].map(([key, tensor]) => [key, Float32Array.from(toFloat32(tensor))]));
  }
}
