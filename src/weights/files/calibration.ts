/**
 * Inputs of a network's layers from a file of tensors, for schemes that weigh errors with them (GPTQ). Any program that runs
 * the network can write one: for the weight NAME [rows, columns] either
 *
 *     NAME.inputs   [samples, columns]   inputs of the layer, F32, F16 or BF16
 *     NAME.hessian  [columns, columns]   or their second moments, mean of x x^T (times any factor)
 *
 * where columns are all axes of the weight but the first; of a convolution [O,I,kh,kw] inputs are unfolded patches. They are
 * read for one tensor at a time.
 */
import { stat } from 'node:fs/promises';
import { UsageError } from '../../errors.js';
import { SecondMoments } from '../hessian.js';
import { elementCount } from '../layout.js';
import type { SchemeChoice } from '../registry.js';
import { type Checkpoint, floatBytes, rowsOf, type StoredTensor } from './checkpoint.js';

const columnsOf = ({ shape }: StoredTensor): number => elementCount(shape) / Math.max(1, rowsOf(shape));

/** Layers' inputs in an open file. */
export class Calibration {
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  constructor(readonly file: Checkpoint) {
    this.#tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** @throws UsageError where the file lacks what a weight needs, or has it in another shape */
  check(weight: StoredTensor): void {
    this.#find(weight);
  }

  /** What a plan that used this file was made with. */
  async identity(): Promise<readonly unknown[]> {
    const { size, mtimeMs } = await stat(this.file.path);
    return [size, mtimeMs];
  }

  /** A scheme with the second moments of a weight's inputs, where it needs them; else as it is. */
  async completed(choice: SchemeChoice, weight: StoredTensor): Promise<SchemeChoice> {
    if (!choice.scheme.calibrated || choice.options.hessian) return choice;
    return { ...choice, options: { ...choice.options, hessian: await this.#hessian(weight) } };
  }

  async #hessian(weight: StoredTensor): Promise<Float32Array> {
    const { tensor, isInputs } = this.#find(weight);
    const values = await this.file.readFloat32(tensor);
    const broken = values.find((value) => !Number.isFinite(value));
    if (broken !== undefined) throw this.#refusal(tensor.name, 'finite values', String(broken));
    if (!isInputs) return values;
    const moments = new SecondMoments(columnsOf(weight));
    moments.add(values);
    return moments.mean();
  }

  #find(weight: StoredTensor): { readonly tensor: StoredTensor; readonly isInputs: boolean } {
    const columns = columnsOf(weight);
    const [inputs, hessian] = [`${weight.name}.inputs`, `${weight.name}.hessian`];
    const tensor = this.#tensors.get(inputs) ?? this.#tensors.get(hessian);
    if (!tensor) throw this.#refusal(weight.name, `${inputs} or ${hessian}`, 'neither');
    const isInputs = tensor.name === inputs;
    const [rows, width] = tensor.shape;
    const fits = isInputs ? rows >= 1 : rows === columns;
    if (tensor.shape.length !== 2 || width !== columns || !fits) {
      const wanted = isInputs ? `samples x ${columns}` : `${columns} x ${columns}`;
      throw this.#refusal(tensor.name, wanted, tensor.shape.join(' x '));
    }
    if (!Object.hasOwn(floatBytes, tensor.type)) {
      throw this.#refusal(tensor.name, Object.keys(floatBytes).join(', '), tensor.type);
    }
    return { tensor, isInputs };
  }

  #refusal(name: string, expected: string, got: string): UsageError {
    return new UsageError(`${this.file.path}: ${name}: expected ${expected}, got ${got}`);
  }
}
