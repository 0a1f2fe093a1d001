/**
 * The schemes `tcq8` and `urq`: levels of dependent (8 states) and of uniform quantization, entropy coded as NNR
 * does it.
 *
 * Packed form: the step as float32, then the stream of levels. A weight's value is its grid integer times the step.
 * The step is chosen by the caller, relative to the tensor's standard deviation, or searched for the number of bits
 * per weight, header included, that the caller wants. Levels are searched twice: the first pass tells with which
 * initial sets of contexts a stream of such levels is short, the second one goes by them.
 */
import { gridIntegers } from '../../../trellis/dequantize.js';
import { FormatError, UsageError } from '../../errors.js';
import { elementCount } from '../layout.js';
import { checkOptions, checkTensor, parameterOf } from '../recipe.js';
import type { QuantizedTensor, Scheme, SchemeOptions, WeightTensor } from '../scheme.js';
import { cutToFloat32, largestFloat32 } from './finite.js';
import { chooseInitialSets } from './initial-sets.js';
import { decodeLevels, encodeLevels, largestLevel } from './levels.js';
import type { LevelTask } from './search.js';
import { searchLevels } from './search-fast.js';
import { uniformLevels } from './uniform-search.js';

/** What tells the two schemes apart. */
interface Coding {
  readonly name: string;
  readonly summary: string;
  readonly dependent: boolean;
  /** Squared steps that a bit must save: what the slope of distortion over rate is where steps are small. */
  readonly lagrangian: number;
  /** About log2 of the step, in standard deviations, that takes no bits per weight by the rule for small steps. */
  readonly offset: number;
  readonly levels: (task: LevelTask) => Int32Array;
}

const defaultBits = 4;
const headerBytes = 4;
/** Bits per weight that tables and help list, and the least and most that can be asked for. */
const listedBits = [1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 5, 6, 7, 8];
const [fewestBits, mostBits] = [0.05, 8];
/** Relative deviation from the bits that were asked for. */
const tolerance = 0.004;
const searchSteps = 10;
/** Steps tried about the best one after that, each farther off by this part of an octave. */
const [nearbySteps, nearbyDistance] = [14, 0.0015];
/** Of longer tensors a sample is searched first. */
const sampleThreshold = 1 << 17;
const sampleRuns = 16;
const sampleRun = 1 << 12;

interface Coded {
  readonly levels: Int32Array;
  readonly bits: number;
}

interface Source {
  readonly weights: Float32Array;
  readonly importance?: Float32Array | undefined;
}

function streamOf(levels: Int32Array, dependent: boolean): Uint8Array {
  return encodeLevels(levels, { dependent, sets: chooseInitialSets(levels, dependent) });
}

/** Initial sets for levels at a step: by a first search, in runs of a long tensor. */
function setsAt({ dependent, levels }: Coding, source: Source, step: number, lagrangian: number): Uint8Array {
  return chooseInitialSets(levels({ ...sampleOf(source), step, lagrangian }), dependent);
}

/** Levels and bits at a step. */
function codeAt(coding: Coding, source: Source, step: number, lagrangian: number): Coded {
  const sets = setsAt(coding, source, step, lagrangian);
  const levels = coding.levels({ ...source, step, lagrangian, sets });
  return { levels, bits: 8 * (headerBytes + streamOf(levels, coding.dependent).length) };
}

/** Standard deviation; root mean square where all weights are equal, 1 where all are 0. */
function spreadOf(weights: Float32Array): number {
  let [sum, squares] = [0, 0];
  for (const weight of weights) sum += weight;
  const mean = sum / weights.length;
  for (const weight of weights) squares += (weight - mean) ** 2;
  return Math.sqrt(squares / weights.length) || Math.abs(weights[0] ?? 0) || 1;
}

/** Evenly spaced runs of a long tensor; a short one itself. */
function sampleOf(source: Source): Source {
  const { weights, importance } = source;
  if (weights.length <= sampleThreshold) return source;
  const pick = (values: Float32Array): Float32Array => {
    const sample = new Float32Array(sampleRuns * sampleRun);
    for (let run = 0; run < sampleRuns; run++) {
      const start = Math.floor(((values.length - sampleRun) * run) / (sampleRuns - 1));
      sample.set(values.subarray(start, start + sampleRun), run * sampleRun);
    }
    return sample;
  };
  return { weights: pick(weights), importance: importance && pick(importance) };
}

/** The largest float32 that is no step too small for levels to hold the weights. */
function leastStep(weights: Float32Array): number {
  let largest = 0;
  for (const weight of weights) largest = Math.max(largest, Math.abs(weight));
  return Math.max(2 ** -149, Math.fround((largest / largestLevel) * 1.001));
}

/**
 * The step nearest to the wanted bits, with its levels: by secants over the logarithm of the step, within what is
 * known to be too fine and too coarse. `start` is a guess.
 */
function searchStep(
  coding: Coding,
  source: Source,
  lagrangian: number,
  wanted: number,
  start: number,
): Coded & { readonly step: number } {
  const least = leastStep(source.weights);
  const at = (logarithm: number) => {
    const step = Math.max(least, Math.fround(cutToFloat32(2 ** logarithm)));
    const coded = codeAt(coding, source, step, lagrangian);
    return { ...coded, step, excess: coded.bits / source.weights.length - wanted };
  };
  let logarithm = Math.log2(start);
  let tried = at(logarithm);
  let best = tried;
  let [fine, coarse] = [-Infinity, Infinity];
  // Bits fall by one per octave where steps are small.
  let slope = -1;
  for (let i = 0; i < searchSteps && Math.abs(best.excess) > tolerance * wanted; i++) {
    if (tried.excess > 0) fine = logarithm;
    else coarse = logarithm;
    let next = logarithm - Math.min(4, Math.max(-4, tried.excess / slope));
    if (!(next > fine && next < coarse)) next = (fine + coarse) / 2;
    const before = tried;
    tried = at(next);
    if (tried.step === before.step) break;
    slope = Math.min(-0.2, Math.max(-3, (tried.excess - before.excess) / (next - logarithm)));
    logarithm = next;
    if (Math.abs(tried.excess) < Math.abs(best.excess)) best = tried;
  }
  const centre = Math.log2(best.step);
  for (let i = 1; i <= nearbySteps && Math.abs(best.excess) > tolerance * wanted; i++) {
    tried = at(centre + (i % 2 ? i : -i) * nearbyDistance);
    if (Math.abs(tried.excess) < Math.abs(best.excess)) best = tried;
  }
  return best;
}

function checkNumber(scheme: string, option: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) {
    throw new UsageError(`${scheme}: expected ${option} from ${least} to ${most}, got ${value}`);
  }
}

/** Importance scaled to a mean of 1, so that prices keep their size. */
function importanceOf(scheme: string, { name, values }: WeightTensor, given: Float32Array | undefined) {
  if (!given) return undefined;
  let sum = 0;
  for (const factor of given) sum += factor >= 0 ? factor : Number.NaN;
  if (given.length !== values.length || !Number.isFinite(sum)) {
    throw new UsageError(
      `${scheme}: expected ${values.length} finite factors of 0 or more for the importance of tensor ${name}, got ${given.length}`,
    );
  }
  return sum > 0 ? given.map((factor) => (factor * given.length) / sum) : undefined;
}

function quantizeWith(
  coding: Coding,
  tensor: WeightTensor,
  options: SchemeOptions,
): Coded & { step: number } {
  const { name } = coding;
  checkOptions(name, options, ['bits', 'step', 'lagrangian', 'importance']);
  checkTensor(tensor);
  const { bits = defaultBits, step: relative, lagrangian = coding.lagrangian } = options;
  checkNumber(name, 'bits', bits, fewestBits, mostBits);
  checkNumber(name, 'lagrangian', lagrangian, 0, 100);
  const source = {
    weights: tensor.values,
    importance: importanceOf(name, tensor, options.importance),
  };
  const spread = spreadOf(tensor.values);
  if (relative !== undefined) {
    if (options.bits !== undefined) throw new UsageError(`${name}: expected bits or step, got both`);
    checkNumber(name, 'step', relative, 2 ** -24, 2 ** 24);
    const step = Math.max(2 ** -149, Math.fround(cutToFloat32(relative * spread)));
    if (step < leastStep(tensor.values)) {
      throw new UsageError(
        `${name}: expected a step of which tensor ${tensor.name} holds less than 2^29, got ${relative}`,
      );
    }
    return { step, ...codeAt(coding, source, step, lagrangian) };
  }
  let start = spread * 2 ** (coding.offset - bits);
  if (tensor.values.length > sampleThreshold) {
    start = searchStep(coding, sampleOf(source), lagrangian, bits, start).step;
  }
  return searchStep(coding, source, lagrangian, bits, start);
}

/** The scheme of a coding. */
function entropyCodedScheme(coding: Coding): Scheme {
  const { name: scheme, dependent } = coding;
  const assemble = (
    { name, shape }: { readonly name: string; readonly shape: readonly number[] },
    levels: Int32Array,
    step: number,
    bits: number,
  ): QuantizedTensor => ({
    scheme,
    name,
    shape,
    codes: levels,
    parameters: new Map([['step', Float32Array.of(step)]]),
    bits,
  });
  const stepOf = (quantized: QuantizedTensor): number => {
    if (quantized.scheme !== scheme) {
      throw new UsageError(
        `tensor ${quantized.name}: expected one of scheme ${scheme}, got ${quantized.scheme}`,
      );
    }
    return parameterOf<Float32Array>(quantized, 'step')[0];
  };

  return {
    name: scheme,
    summary: coding.summary,
    bitWidths: listedBits,
    defaultGranularity: 'tensor',

    quantize(tensor, options = {}) {
      const { levels, step, bits } = quantizeWith(coding, tensor, options);
      return assemble(tensor, levels, step, bits);
    },

    dequantize(quantized) {
      const step = stepOf(quantized);
      const levels = quantized.codes as Int32Array;
      const grid = dependent ? gridIntegers(levels, { machine: 'nnc8' }) : levels;
      return Float32Array.from(grid, (integer) => cutToFloat32(integer * step));
    },

    pack(quantized) {
      const step = stepOf(quantized);
      const stream = streamOf(quantized.codes as Int32Array, dependent);
      const bytes = new Uint8Array(headerBytes + stream.length);
      new DataView(bytes.buffer).setFloat32(0, step, true);
      bytes.set(stream, headerBytes);
      return bytes;
    },

    unpack(bytes, name, shape) {
      const where = `tensor ${name} of scheme ${scheme}`;
      if (bytes.length <= headerBytes) {
        throw new FormatError(`Expected a step and a stream for ${where}, got ${bytes.length} bytes`);
      }
      const step = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
      if (!(step > 0 && step <= largestFloat32)) {
        throw new FormatError(`Expected a finite step above 0 for ${where}, got ${step}`);
      }
      const levels = decodeLevels(bytes.subarray(headerBytes), elementCount(shape), { dependent });
      return assemble({ name, shape }, levels, step, 8 * bytes.length);
    },
  };
}

/**
 * Dependent quantization, then uniform quantization for comparison. Their `bits` are any number, not only those
 * listed.
 */
export const entropyCodedSchemes: readonly Scheme[] = [
  entropyCodedScheme({
    name: 'tcq8',
    summary: 'trellis-coded quantization with 8 states and adaptive arithmetic coding (NNR); any rate',
    dependent: true,
    lagrangian: 0.36,
    offset: 1.06,
    levels: searchLevels,
  }),
  entropyCodedScheme({
    name: 'urq',
    summary: 'uniform rate-distortion optimised quantization and adaptive arithmetic coding (NNR); any rate',
    dependent: false,
    lagrangian: Math.LN2 / 6,
    offset: 2.05,
    levels: uniformLevels,
  }),
];
