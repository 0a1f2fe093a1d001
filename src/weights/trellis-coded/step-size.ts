/**
 * Step sizes as NNR streams name them: a quantization parameter qp, a whole number, in parts of an octave.
 *
 * With density d an octave has 2^d steps, evenly spaced within it. Source: ISO/IEC 15938-17 (NNR), quantization
 * parameters.
 */
import { UsageError } from '../../errors.js';
import { powerOfTwo } from '../rounding.js';

/**
 * The step of a quantization parameter.
 *
 * @param qp whole number within ±256
 * @param density 0 to 7; 2 is usual
 * @throws UsageError for other values
 * @example
 * [0, 1, 5, -20].map((qp) => stepOfParameter(qp)); // => [1, 1.25, 2.5, 0.03125]
 */
export function stepOfParameter(qp: number, density = 2): number {
  if (!(Number.isInteger(qp) && Math.abs(qp) <= 256)) {
    throw new UsageError(`quantization parameter: expected a whole number within ±256, got ${qp}`);
  }
  if (!(Number.isInteger(density) && density >= 0 && density <= 7)) {
    throw new UsageError(`density of quantization parameters: expected 0 to 7, got ${density}`);
  }
  const perOctave = 1 << density;
  return (perOctave + (qp & (perOctave - 1))) * powerOfTwo((qp >> density) - density);
}
