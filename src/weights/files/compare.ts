/**
 * Compares a checkpoint with what became of it, tensor by tensor, and adds up: errors over all weights, and bits with all
 * that files take (headers, padding, kept tensors).
 */

import { FormatError } from '../../errors.js';
import { elementCount } from '../layout.js';
import { distortionOf, type QuantizationReport } from '../report.js';
import type { Checkpoint, StoredTensor } from './checkpoint.js';

/** A tensor of both checkpoints. */
export interface ComparedTensor extends QuantizationReport {
  /** How it is stored now. */
  readonly type: string;
  /** Whether anything changed in how it is stored or what it holds. */
  readonly quantized: boolean;
}

/** Sums over tensors. */
export interface ComparisonTotal {
  readonly weights: number;
  readonly bits: number;
  readonly bitsPerWeight: number;
  readonly meanSquaredError: number;
  readonly sqnr: number;
  readonly cosine: number;
  readonly saturation: number;
}

export interface Comparison {
  readonly tensors: readonly ComparedTensor[];
  /** Tensors that cannot be compared, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  readonly quantized: ComparisonTotal;
  /** Over all tensors; bits are those of the files. */
  readonly whole: ComparisonTotal;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** Energies from what reports hold: both SQNR and cosine of a sum follow from them. */
class Sums {
  weights = 0;
  bits = 0;
  #error = 0;
  #energy = 0;
  #energyAfter = 0;
  #product = 0;
  #clipped = 0;

  add(report: QuantizationReport, before: Float32Array, after: Float32Array): void {
    this.weights += report.weights;
    this.bits += report.bits;
    this.#error += report.meanSquaredError * report.weights;
    this.#clipped += report.saturation * report.weights;
    for (let i = 0; i < before.length; i++) {
      this.#energy += before[i] * before[i];
      this.#energyAfter += after[i] * after[i];
      this.#product += before[i] * after[i];
    }
  }

  /** @param all elements that the bits are for, those included that are no weights. */
  total(bits = this.bits, all = this.weights): ComparisonTotal {
    const share = (value: number): number => (this.weights === 0 ? 0 : value / this.weights);
    const norm = Math.sqrt(this.#energy * this.#energyAfter);
    return {
      weights: all,
      bits,
      bitsPerWeight: all === 0 ? 0 : bits / all,
      meanSquaredError: share(this.#error),
      sqnr: this.#error === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(this.#energy / this.#error),
      cosine: norm === 0 ? 1 : this.#product / norm,
      saturation: share(this.#clipped),
    };
  }
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  // A GGUF file has no shape without sides.
  elementCount(a) === elementCount(b) &&
  (a.length === b.length ? a.every((side, i) => side === b[i]) : a.length === 0 || b.length === 0);

/**
 * Compares all tensors of `before` with those of the same name in `after`.
 *
 * @param onTensor called before each
 * @throws FormatError where a tensor is missing or has another shape
 */
export async function compareCheckpoints(
  before: Checkpoint,
  after: Checkpoint,
  onTensor?: (number: number, name: string) => void,
): Promise<Comparison> {
  const byName = new Map(after.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors: ComparedTensor[] = [];
  const skipped: { name: string; reason: string }[] = [];
  const quantizedSums = new Sums();
  const allSums = new Sums();
  for (const [number, tensor] of before.tensors.entries()) {
    onTensor?.(number, tensor.name);
    const other = byName.get(tensor.name);
    if (!other) throw new FormatError(`${after.path}: expected tensor ${tensor.name}, found none`);
    if (!sameShape(tensor.shape, other.shape)) {
      throw new FormatError(
        `${after.path}: expected [${tensor.shape}] for tensor ${tensor.name}, got [${other.shape}]`,
      );
    }
    const unreadable = [
      before.isReadable(tensor) ? [] : [tensor.type],
      after.isReadable(other) ? [] : [other.type],
    ];
    if (unreadable.flat().length > 0) {
      skipped.push({
        name: tensor.name,
        reason: `values of ${unreadable.flat().join(' and ')} are not read`,
      });
      continue;
    }
    const values = await before.readFloat32(tensor);
    const restored = await after.readFloat32(other);
    const compared = compareTensor(tensor, other, values, restored);
    tensors.push(compared);
    allSums.add(compared, values, restored);
    if (compared.quantized) quantizedSums.add(compared, values, restored);
  }
  return {
    tensors,
    skipped,
    quantized: quantizedSums.total(),
    whole: allSums.total(
      8 * after.fileBytes,
      after.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    ),
    bytesBefore: before.fileBytes,
    bytesAfter: after.fileBytes,
  };
}

function compareTensor(
  tensor: StoredTensor,
  other: StoredTensor,
  values: Float32Array,
  restored: Float32Array,
): ComparedTensor {
  const distortion = distortionOf(values, restored);
  const bits = 8 * other.bytes;
  return {
    name: tensor.name,
    scheme: other.quantization?.scheme ?? other.type,
    type: other.type,
    quantized: other.quantization !== undefined || distortion.meanSquaredError > 0,
    bits,
    bitsPerWeight: distortion.weights === 0 ? 0 : bits / distortion.weights,
    ...distortion,
  };
}
