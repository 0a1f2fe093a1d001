/**
 * The schemes `qtip-1mad` and `qtip-3inst`: fixed-rate trellis coding of incoherent weights, 1 to 4 bits each.
 *
 * A tensor, as `[rows, columns]`, goes through a random Hadamard transform and is scaled to the spread of the
 * code's values. Blocks of columns, 16 wide (wider where there are fewer than 16 rows, so that a block has 256
 * weights), are read row by row and cut into sequences of 256 weights; the last one of a block is shorter, filled
 * with values that do not matter where it would be shorter than a state. Each sequence is a ring of codes. With a
 * Hessian of the layer's inputs, earlier blocks make up for the errors of later ones; without one, the scale is
 * fitted to what came back.
 * Packed form: bits of a code, bits of a state (a byte each), seed (uint32), scale (float32), then the rings' bits,
 * highest first.
 * Source: A. Tseng et al., "QTIP", 2024.
 */
import { FormatError, UsageError } from '../../errors.js';
import { layoutOf } from '../layout.js';
import { checkOptions, checkTensor, parameterOf } from '../recipe.js';
import type { QuantizedTensor, Scheme, SchemeOptions } from '../scheme.js';
import { type BitshiftCode, codeTable } from './bitshift-codes.js';
import { BitshiftSearch } from './bitshift-search.js';
import { leastLength, readRing, ringStates, stateBitsRange, writeRing } from './bitshift-trellis.js';
import { cutToFloat32 } from './finite.js';
import { inverseRandomHadamard, randomHadamard, randomSigns, transformHessian } from './hadamard.js';
import { quantizeBlocks } from './ldlq.js';

const sequenceLength = 256;
const blockWidth = 16;
const defaultBits = 2;
const defaultStates = 4096;
const defaultDamping = 0.01;
const headerBytes = 10;

/** What a packed tensor says of itself, but for its scale. */
interface Form {
  readonly bits: number;
  readonly stateBits: number;
  readonly seed: number;
}

interface Sequence {
  /** First weight within its block, and how many there are. */
  readonly start: number;
  readonly count: number;
  /** First code within all codes, and how many there are. */
  readonly code: number;
  readonly codes: number;
}

interface Block {
  readonly first: number;
  readonly end: number;
  readonly sequences: readonly Sequence[];
}

/** Blocks of columns by their first one. */
interface Plan {
  readonly rows: number;
  readonly columns: number;
  readonly width: number;
  readonly blocks: ReadonlyMap<number, Block>;
  readonly codes: number;
}

function planOf(shape: readonly number[], { bits, stateBits }: Form): Plan {
  const { rows, columns } = layoutOf(shape, 'tensor');
  const width = rows >= blockWidth ? blockWidth : Math.ceil(sequenceLength / Math.max(1, rows));
  const least = leastLength(stateBits, bits);
  const blocks = new Map<number, Block>();
  let code = 0;
  for (let first = 0; first < columns; first += width) {
    const end = Math.min(columns, first + width);
    const total = rows * (end - first);
    const sequences: Sequence[] = [];
    for (let start = 0; start < total; start += sequenceLength) {
      const count = Math.min(sequenceLength, total - start);
      const codes = Math.max(least, count);
      sequences.push({ start, count, code, codes });
      code += codes;
    }
    blocks.set(first, { first, end, sequences });
  }
  return { rows, columns, width, blocks, codes: code };
}

function rootMeanSquare(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return values.length === 0 ? 0 : Math.sqrt(sum / values.length);
}

function formFrom(scheme: string, options: SchemeOptions): Form {
  const { bits = defaultBits, states = defaultStates, seed = 0 } = options;
  const stateBits = Math.log2(states);
  const [least, most] = stateBitsRange;
  if (![1, 2, 3, 4].includes(bits))
    throw new UsageError(`${scheme}: expected bits among 1, 2, 3, 4, got ${bits}`);
  if (!(Number.isInteger(stateBits) && stateBits >= least && stateBits <= most)) {
    throw new UsageError(`${scheme}: expected a power of two from 64 to 65536 for states, got ${states}`);
  }
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new UsageError(`${scheme}: expected a seed from 0 to 2^32 - 1, got ${seed}`);
  }
  return { bits, stateBits, seed };
}

/** The transformed Hessian, its diagonal raised by a part of its mean. */
function dampedHessian(
  scheme: string,
  hessian: Float32Array,
  columns: number,
  damping: number,
  signs: { readonly rows: Int8Array; readonly columns: Int8Array },
): Float64Array {
  if (hessian.length !== columns * columns || !hessian.every(Number.isFinite)) {
    throw new UsageError(
      `${scheme}: expected ${columns} x ${columns} finite numbers for the hessian, got ${hessian.length}`,
    );
  }
  if (!(damping >= 0 && damping <= 1e6)) {
    throw new UsageError(`${scheme}: expected damping of 0 or more, got ${damping}`);
  }
  const transformed = transformHessian(hessian, signs);
  let trace = 0;
  for (let i = 0; i < columns; i++) trace += transformed[i * columns + i];
  // A layer without inputs: any metric will do.
  const added = trace > 0 ? (damping * trace) / columns : 1;
  for (let i = 0; i < columns; i++) transformed[i * columns + i] += added;
  return transformed;
}

/** Values that codes stand for, in units of the code's, row by row within blocks. */
function blockValues(
  values: Float32Array,
  codes: Uint8Array,
  { sequences }: Block,
  form: Form,
  out: Float64Array,
): void {
  for (const { start, count, code, codes: length } of sequences) {
    const states = ringStates(codes.subarray(code, code + length), form.stateBits, form.bits);
    for (let i = 0; i < count; i++) out[start + i] = values[states[i]];
  }
}

/** The scheme of a code. */
function bitshiftScheme(code: BitshiftCode): Scheme {
  const scheme = `qtip-${code}`;
  const assemble = (
    { name, shape }: { readonly name: string; readonly shape: readonly number[] },
    { bits, stateBits, seed }: Form,
    codes: Uint8Array,
    scale: number,
  ): QuantizedTensor => ({
    scheme,
    name,
    shape,
    codes,
    parameters: new Map<string, Int32Array | Float32Array>([
      ['form', Int32Array.of(bits, stateBits, seed)],
      ['scale', Float32Array.of(scale)],
    ]),
    bits: 8 * headerBytes + bits * codes.length,
  });
  const formOf = (quantized: QuantizedTensor): Form => {
    if (quantized.scheme !== scheme) {
      throw new UsageError(
        `tensor ${quantized.name}: expected one of scheme ${scheme}, got ${quantized.scheme}`,
      );
    }
    const [bits, stateBits, seed] = parameterOf<Int32Array>(quantized, 'form');
    return { bits, stateBits, seed: seed >>> 0 };
  };

  return {
    name: scheme,
    summary: `trellis of 64 to 65536 states with the computed code ${code.toUpperCase()} after a random Hadamard transform (QTIP)`,
    bitWidths: [1, 2, 3, 4],
    defaultGranularity: 'tensor',

    quantize(tensor, options = {}) {
      checkOptions(scheme, options, ['bits', 'states', 'seed', 'hessian', 'damping']);
      const form = formFrom(scheme, options);
      checkTensor(tensor);
      const { bits, stateBits, seed } = form;
      const plan = planOf(tensor.shape, form);
      const { rows, columns, width, blocks } = plan;
      const codes = new Uint8Array(plan.codes);
      const signs = randomSigns(seed, rows, columns);
      const weights = Float64Array.from(tensor.values);
      randomHadamard(weights, signs);
      const { hessian, damping = defaultDamping } = options;
      const metric = hessian && dampedHessian(scheme, hessian, columns, damping, signs);
      const values = codeTable(code, stateBits);
      const scale = Math.fround(cutToFloat32(rootMeanSquare(weights) / rootMeanSquare(values)));
      if (scale === 0) return assemble(tensor, form, codes, 0);
      const search = new BitshiftSearch({ values, stateBits, valueBits: bits, longest: sequenceLength });

      const quantizeBlock = (block: Float64Array, first: number): Float64Array => {
        const place = blocks.get(first) as Block;
        for (const { start, count, code: at, codes: length } of place.sequences) {
          const sequence = new Float32Array(length).fill(Number.NaN);
          for (let i = 0; i < count; i++) sequence[i] = block[start + i] / scale;
          codes.set(search.codesOf(sequence), at);
        }
        const back = new Float64Array(block.length);
        blockValues(values, codes, place, form, back);
        return back.map((value) => value * scale);
      };
      const back = quantizeBlocks(weights, rows, columns, width, quantizeBlock, metric);
      return assemble(tensor, form, codes, metric ? scale : fittedScale(scale, weights, back));
    },

    dequantize(quantized) {
      const form = formOf(quantized);
      const scale = parameterOf<Float32Array>(quantized, 'scale')[0];
      const { rows, columns, blocks } = planOf(quantized.shape, form);
      const values = codeTable(code, form.stateBits);
      const weights = new Float64Array(rows * columns);
      if (scale === 0) return Float32Array.from(weights);
      for (const block of blocks.values()) {
        const { first, end } = block;
        const part = new Float64Array(rows * (end - first));
        blockValues(values, quantized.codes as Uint8Array, block, form, part);
        for (let row = 0, at = 0; row < rows; row++) {
          for (let column = first; column < end; column++, at++)
            weights[row * columns + column] = part[at] * scale;
        }
      }
      inverseRandomHadamard(weights, randomSigns(form.seed, rows, columns));
      return Float32Array.from(weights, cutToFloat32);
    },

    pack(quantized) {
      const form = formOf(quantized);
      const codes = quantized.codes as Uint8Array;
      const bytes = new Uint8Array(Math.ceil(quantized.bits / 8));
      const view = new DataView(bytes.buffer);
      view.setUint8(0, form.bits);
      view.setUint8(1, form.stateBits);
      view.setUint32(2, form.seed, true);
      view.setFloat32(6, parameterOf<Float32Array>(quantized, 'scale')[0], true);
      for (const { sequences } of planOf(quantized.shape, form).blocks.values()) {
        for (const { code: at, codes: length } of sequences) {
          const ring = codes.subarray(at, at + length);
          writeRing(ring, form.stateBits, form.bits, bytes, 8 * headerBytes + at * form.bits);
        }
      }
      return bytes;
    },

    unpack(bytes, name, shape) {
      const where = `tensor ${name} of scheme ${scheme}`;
      if (bytes.length < headerBytes) {
        throw new FormatError(`Expected a header of ${headerBytes} bytes for ${where}, got ${bytes.length}`);
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const form = { bits: view.getUint8(0), stateBits: view.getUint8(1), seed: view.getUint32(2, true) };
      const scale = view.getFloat32(6, true);
      const [least, most] = stateBitsRange;
      if (!(form.bits >= 1 && form.bits <= 4 && form.stateBits >= least && form.stateBits <= most)) {
        throw new FormatError(
          `Expected 1 to 4 bits and states of ${least} to ${most} bits for ${where}, got ${form.bits} and ${form.stateBits}`,
        );
      }
      if (!(scale >= 0 && scale < Infinity)) {
        throw new FormatError(`Expected a finite scale of 0 or more for ${where}, got ${scale}`);
      }
      const plan = planOf(shape, form);
      const end = 8 * headerBytes + form.bits * plan.codes;
      if (bytes.length !== Math.ceil(end / 8)) {
        throw new FormatError(`Expected ${Math.ceil(end / 8)} bytes for ${where}, got ${bytes.length}`);
      }
      if (end % 8 > 0 && bytes[bytes.length - 1] & (0xff >> (end % 8))) {
        throw new FormatError(`Expected zeros after the last code for ${where}, got set bits`);
      }
      const codes = new Uint8Array(plan.codes);
      for (const { sequences } of plan.blocks.values()) {
        for (const { code: at, codes: length } of sequences) {
          const ring = readRing(bytes, 8 * headerBytes + at * form.bits, length, form.stateBits, form.bits);
          codes.set(ring, at);
        }
      }
      return assemble({ name, shape }, form, codes, scale);
    },
  };
}

/** The scale of least squared error for codes that were chosen with another one. */
function fittedScale(scale: number, weights: Float64Array, back: Float64Array): number {
  let [product, energy] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    product += weights[i] * back[i];
    energy += back[i] * back[i];
  }
  return energy > 0 && product > 0 ? Math.fround(cutToFloat32((scale * product) / energy)) : scale;
}

/** QTIP's computed codes. */
export const bitshiftSchemes: readonly Scheme[] = [bitshiftScheme('1mad'), bitshiftScheme('3inst')];
