/**
 * Second moments of a layer's inputs, mean of x x^T: what calibrated schemes weigh the errors of a layer's columns with.
 * Convolutions are matrix products with unfolded inputs: one vector [channels * kh * kw] per output position, in the order
 * of the weights [O,I,kh,kw]. Sums run in float64; the matrix is symmetric.
 */
import { UsageError } from '../errors.js';

/** Where the patches of a convolution lie; padding [top, left, bottom, right] as in src/graph. */
export interface ConvolutionPatches {
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  readonly padding?: readonly [number, number, number, number];
}

/**
 * Sums second moments over any number of calls.
 *
 * @example
 * const moments = new SecondMoments(2);
 * moments.add(Float32Array.of(1, 2, 3, 0));
 * Array.from(moments.mean()); // => [5, 1, 1, 2]
 */
export class SecondMoments {
  readonly #sums: Float64Array;
  #samples = 0;

  constructor(readonly columns: number) {
    if (!(Number.isInteger(columns) && columns >= 1)) {
      throw new UsageError(`second moments: expected at least one column, got ${columns}`);
    }
    this.#sums = new Float64Array(columns * columns);
  }

  /** Vectors seen so far. */
  get samples(): number {
    return this.#samples;
  }

  /**
   * Adds inputs [samples, columns].
   *
   * @throws UsageError where they are no whole number of vectors
   */
  add(inputs: Float32Array): void {
    if (inputs.length % this.columns !== 0) {
      throw new UsageError(
        `second moments: expected vectors of ${this.columns} columns, got ${inputs.length} values`,
      );
    }
    for (let start = 0; start < inputs.length; start += this.columns) {
      this.#addVector(inputs.subarray(start, start + this.columns));
    }
  }

  /**
   * Adds all patches of a picture [channels, height, width] that a convolution sees; zeros lie outside.
   *
   * @throws UsageError where channels * kh * kw is not the number of columns
   */
  addPatches(
    image: Float32Array,
    [channels, height, width]: readonly [number, number, number],
    { kernel: [kh, kw], stride = 1, padding }: ConvolutionPatches,
  ): void {
    if (channels * kh * kw !== this.columns || image.length !== channels * height * width) {
      throw new UsageError(
        `second moments: expected patches of ${this.columns} values, got ${channels}x${kh}x${kw} of ${image.length}`,
      );
    }
    const [top, left, bottom, right] = padding ?? [(kh - 1) >> 1, (kw - 1) >> 1, kh >> 1, kw >> 1];
    const patch = new Float32Array(this.columns);
    for (let y = -top; y + kh <= height + bottom; y += stride) {
      for (let x = -left; x + kw <= width + right; x += stride) {
        for (let c = 0, at = 0; c < channels; c++) {
          for (let row = y; row < y + kh; row++) {
            for (let column = x; column < x + kw; column++) {
              const inside = row >= 0 && row < height && column >= 0 && column < width;
              patch[at++] = inside ? image[(c * height + row) * width + column] : 0;
            }
          }
        }
        this.#addVector(patch);
      }
    }
  }

  /** The mean of x x^T, [columns, columns]; zeros where nothing was added. */
  mean(): Float32Array {
    const { columns } = this;
    const mean = new Float32Array(columns * columns);
    const share = this.#samples > 0 ? 1 / this.#samples : 0;
    for (let i = 0; i < columns; i++) {
      for (let j = i; j < columns; j++) {
        mean[i * columns + j] = this.#sums[i * columns + j] * share;
        mean[j * columns + i] = mean[i * columns + j];
      }
    }
    return mean;
  }

  #addVector(vector: Float32Array): void {
    const { columns } = this;
    for (let i = 0; i < columns; i++) {
      const factor = vector[i];
      if (factor === 0) continue;
      const row = i * columns;
      for (let j = i; j < columns; j++) this.#sums[row + j] += factor * vector[j];
    }
    this.#samples++;
  }
}
