/**
 * The stream of one tensor of weights: trellis-coded levels in the codec's own entropy coder, by the rules for latents
 * (docs/FORMAT.md, "Streams of weights"). A row of the tensor has a scale index, as a latent has one; it names the pair of
 * tables that its levels are coded with.
 *
 * Units: a weight is the grid integer of its level times the step. Integers but for the last product, so that every machine gets the
 * same weights. One pass without adaptation: ten times as fast to decode as the adaptive coding of NNR (trellis/stream),
 * which pays at few bits.
 */
import { CodecError, FormatError } from '../../src/errors.js';
import { dequantizeTrellis, machines, quantizersOf } from '../../trellis/index.js';
import { RansDecoder, RansEncoder, type TableSet } from '../entropy/index.js';

/** The machine of all streams: that of the quantizer `tcq8`. */
const machine = machines['av2-8'];

/** Bits that a row's scale index takes. */
const rowScaleBits = 8;
/** With smaller steps every weight is finite, whatever the level. */
const stepLimit = 2 ** 95;

/** What a stream says. */
export interface WeightLevels {
  /** Distance of neighbouring weights that some level can stand for; a float32 above 0 and below 2^95. */
  readonly step: number;
  /** Scale index of each row. */
  readonly rowScales: Uint8Array;
  /** Row by row, as many in each. */
  readonly levels: Int32Array;
}

/** The scale index of every one of `count` weights, in rows of equal length. */
export function scalesOfWeights(rowScales: Uint8Array, count: number): Uint8Array {
  const width = count / rowScales.length;
  const scales = new Uint8Array(count);
  rowScales.forEach((scale, row) => {
    scales.fill(scale, row * width, (row + 1) * width);
  });
  return scales;
}

/** The table of every level: `2 * scale index + quantizer of the state`. */
export function tablesOfLevels({ rowScales, levels }: WeightLevels): Uint16Array {
  const scales = scalesOfWeights(rowScales, levels.length);
  return Uint16Array.from(quantizersOf(levels, { machine }), (quantizer, n) => 2 * scales[n] + quantizer);
}

/** The weights that levels stand for. */
export function weightsOfLevels({ step, levels }: WeightLevels): Float32Array {
  return dequantizeTrellis(levels, { step, machine });
}

const halves = new DataView(new ArrayBuffer(4));

/**
 * The bytes of a tensor's levels.
 *
 * @param tables two for each scale index
 * @throws UsageError for scale indices that have no tables
 * @example
 * const tables = normalTables('tcq8', [4, 16], 1);
 * const weights = { step: 0.5, rowScales: Uint8Array.of(0, 1), levels: Int32Array.of(1, 0, -9, 12) };
 * const bytes = writeWeightStream(weights, tables);
 * Array.from(readWeightStream(bytes, 2, 4, tables, 'w').levels); // => [1, 0, -9, 12]
 */
export function writeWeightStream(weights: WeightLevels, tables: TableSet): Uint8Array {
  const coder = new RansEncoder();
  halves.setFloat32(0, weights.step);
  coder.putBits(halves.getUint16(0), 16);
  coder.putBits(halves.getUint16(2), 16);
  for (const scale of weights.rowScales) coder.putBits(scale, rowScaleBits);
  const { levels } = weights;
  coder.putIndices(tables, tablesOfLevels(weights), levels, 0, levels.length);
  return coder.finish();
}

function read(bytes: Uint8Array, rows: number, count: number, tables: TableSet): WeightLevels {
  const coder = new RansDecoder(bytes);
  halves.setUint16(0, coder.getBits(16));
  halves.setUint16(2, coder.getBits(16));
  const step = halves.getFloat32(0);
  if (!(step > 0 && step < stepLimit)) {
    throw new FormatError(`expected a step above 0 and below 2^95, got ${step}`);
  }
  const scales = tables.count / 2;
  const rowScales = Uint8Array.from({ length: rows }, () => coder.getBits(rowScaleBits));
  const wrong = rowScales.find((scale) => scale >= scales);
  if (wrong !== undefined) {
    throw new FormatError(`expected scale indices below ${scales}, got ${wrong}`);
  }
  const levels = new Int32Array(count);
  coder.getIndices(tables, scalesOfWeights(rowScales, count), levels, 0, count, machine);
  coder.finish();
  return { step, rowScales, levels };
}

/**
 * What the bytes of a tensor say.
 *
 * @param rows of the tensor, and `count` weights in all of them
 * @param tables two for each scale index
 * @param name of the tensor, for errors
 * @throws FormatError for bytes that are no stream of so many weights
 */
export function readWeightStream(
  bytes: Uint8Array,
  rows: number,
  count: number,
  tables: TableSet,
  name: string,
): WeightLevels {
  try {
    return read(bytes, rows, count, tables);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new FormatError(`parameter ${name}: ${error.message}`);
  }
}
