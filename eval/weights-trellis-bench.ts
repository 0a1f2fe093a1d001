/**
 * Trellis-coded weights, measured: `npm run bench:weights-trellis [-- --count N]`.
 *
 *     encoders  the search of src/weights/trellis-coded against that of the NNCodec encoder, both as streams that one decoder
 *               reads: bits per weight, signal to noise, and decibels above the least noise that so many bits allow
 *     schemes   the same decibels for the schemes at 2, 3 and 4 bits per weight, and weights quantized per second
 *
 * Weights are normal and independent: their least noise at R bits is 6.02 R decibels below them. One thread.
 */
import { cpus } from 'node:os';
import { elementCount } from '../src/weights/layout.js';
import { schemeOf } from '../src/weights/registry.js';
import { distortionOf } from '../src/weights/report.js';
import type { SchemeOptions } from '../src/weights/scheme.js';
import { chooseInitialSets } from '../src/weights/trellis-coded/initial-sets.js';
import { decodeLevels, encodeLevels } from '../src/weights/trellis-coded/levels.js';
import { nncodecPrice, nncodecTrellisLevels } from '../src/weights/trellis-coded/nncodec-search.js';
import { searchLevels } from '../src/weights/trellis-coded/search-fast.js';
import { dequantizeTrellis } from '../trellis/index.js';
import { seeded } from './random.js';
import { numberOption, parseOptions, runAsScript } from './script.js';

const decibelsPerBit = 20 * Math.log10(2);

export interface Measurement {
  readonly name: string;
  readonly bitsPerWeight: number;
  /** Signal to noise, decibels. */
  readonly sqnr: number;
  /** Decibels above the least noise. */
  readonly gap: number;
  /** Thousands of weights per second, of quantization. */
  readonly speed: number;
}

/** Independent normal weights of deviation 1 (Box and Muller). */
export function normalWeights(count: number, seed: number): Float32Array {
  const uniform = seeded(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

function measurement(
  name: string,
  weights: Float32Array,
  back: Float32Array,
  bits: number,
  seconds: number,
): Measurement {
  const { sqnr } = distortionOf(weights, back);
  const bitsPerWeight = bits / weights.length;
  const speed = weights.length / seconds / 1000;
  return { name, bitsPerWeight, sqnr, gap: decibelsPerBit * bitsPerWeight - sqnr, speed };
}

function timed<T>(run: () => T): readonly [T, number] {
  const start = performance.now();
  const result = run();
  return [result, (performance.now() - start) / 1000];
}

/** A way to levels, and whether its stream chooses the contexts' initial sets. */
type Encoder = (
  weights: Float32Array,
  step: number,
  lambda: number,
) => { levels: Int32Array; sets?: Uint8Array };

const search: Encoder = (weights, step, lambda) => ({
  levels: searchLevels({ weights, step, lagrangian: nncodecPrice(lambda, true) }),
});

const searchTwice: Encoder = (weights, step, lambda) => {
  const task = { weights, step, lagrangian: nncodecPrice(lambda, true) };
  const sets = chooseInitialSets(searchLevels(task), true);
  const levels = searchLevels({ ...task, sets });
  return { levels, sets: chooseInitialSets(levels, true) };
};

const reference: Encoder = (weights, step, lambda) => ({
  levels: nncodecTrellisLevels(weights, step, lambda),
});

const encoders: readonly (readonly [string, Encoder])[] = [
  ['NNCodec search', reference],
  ['this search', search],
  ['this search, initial sets', searchTwice],
];

/** Streams of all encoders at one step and lambda. */
export function compareEncoders(weights: Float32Array, step: number, lambda: number): Measurement[] {
  return encoders.map(([name, encode]) => {
    const [{ levels, sets }, seconds] = timed(() => encode(weights, step, lambda));
    const bytes = encodeLevels(levels, sets ? { dependent: true, sets } : { dependent: true });
    const decoded = decodeLevels(bytes, weights.length, { dependent: true });
    const back = dequantizeTrellis(decoded, { step, machine: 'nnc8' });
    return measurement(name, weights, back, 8 * bytes.length, seconds);
  });
}

/** A scheme on a matrix of normal weights, through its bytes. */
export function measureNormal(name: string, shape: readonly number[], options: SchemeOptions): Measurement {
  const scheme = schemeOf(name);
  const values = normalWeights(elementCount(shape), 12);
  const [quantized, seconds] = timed(() => scheme.quantize({ name: 'normal', shape, values }, options));
  const bytes = scheme.pack(quantized);
  const back = scheme.dequantize(scheme.unpack(bytes, 'normal', shape));
  const label = options.states ? `${name}, ${options.states} states` : name;
  return measurement(label, values, back, 8 * bytes.length, seconds);
}

const line = ({ name, bitsPerWeight, sqnr, gap, speed }: Measurement): string =>
  `${name.padEnd(26)} ${bitsPerWeight.toFixed(4).padStart(8)} ${sqnr.toFixed(3).padStart(8)} ${gap.toFixed(3).padStart(8)} ${speed.toFixed(0).padStart(10)}`;

runAsScript(import.meta.url, async (args) => {
  const values = parseOptions(args, { count: { type: 'string' } });
  const count = numberOption('count', values.count, 1 << 16, [4096, 1 << 24]);
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, Node.js ${process.version}, ${count} weights`);
  const head = '                               bits  SQNR dB   gap dB   1000 w/s';
  const weights = normalWeights(count, 11);
  for (const [bits, step] of [
    [1.3, 1],
    [2, 0.59],
  ]) {
    console.log(`\nstep ${step}, lambda 1: the reference encoder at about ${bits} bits per weight\n${head}`);
    const measured = compareEncoders(weights, step, 1);
    for (const one of measured) console.log(line(one));
    const [first, second, third] = measured.map(({ gap }) => gap);
    console.log(
      `gain at equal bits: ${(first - second).toFixed(2)} dB, with initial sets ${(first - third).toFixed(2)} dB`,
    );
  }
  console.log(`\nschemes, gap to the rate-distortion bound of normal weights\n${head}`);
  const rows = count / 256;
  for (const bits of [2, 3, 4]) {
    for (const name of ['tcq8', 'urq'])
      console.log(line(measureNormal(name, [Math.floor(rows), 256], { bits })));
    for (const name of ['qtip-1mad', 'qtip-3inst']) {
      for (const states of [256, 1024, 4096]) {
        console.log(line(measureNormal(name, [Math.max(16, Math.floor(rows / 4)), 256], { bits, states })));
      }
    }
  }
});
