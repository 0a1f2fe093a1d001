/**
 * Quantizers of network weights, measured on unit Gaussian weights: `npm run bench:weights [-- --scheme NAME --count N --search]`.
 *
 *     bpw         bits per weight with all overhead
 *     SQNR        signal to quantization noise, decibels
 *     gap         decibels below what any code of as many bits could reach: 6.02 per bit
 *     quantize    float32 input per second, one thread, best of several runs
 *     dequantize  float32 output per second, likewise
 *
 * With --search, schemes that can look for scales of least squared error do. Every scheme of the registry is there, with every width up to 4 bits where it has a choice. Calibrated schemes see white
 * inputs, for which they have nothing to make up for and do what rounding does.
 */
import { cpus } from 'node:os';
import { distortionOf, type Scheme, schemeOf, schemes, type WeightTensor } from '../src/weights/index.js';
import { seeded } from './random.js';
import { numberOption, parseOptions, runAsScript } from './script.js';
import { textTable } from './tables.js';

/** Decibels that a bit is worth at most for a Gaussian source: 20 log10(2). */
const decibelsPerBit = 20 * Math.log10(2);
/** Weights of a row. */
const columns = 1024;
/** Bits of the widest code shown of schemes with a choice. */
const widest = 4;

export interface SchemeMeasurement {
  readonly scheme: string;
  readonly bits: number;
  readonly bitsPerWeight: number;
  readonly sqnr: number;
  /** Decibels below the rate-distortion bound of a Gaussian source. */
  readonly gap: number;
  /** Bytes of float32 per second. */
  readonly quantizeSpeed: number;
  readonly dequantizeSpeed: number;
}

/** Normally distributed weights, mean 0, deviation 1, in rows of 1024. */
export function gaussianWeights(rows: number): WeightTensor {
  const uniform = seeded(17);
  const values = Float32Array.from(
    { length: rows * columns },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
  return { name: 'gaussian', shape: [rows, columns], values };
}

/** Time spent on measuring one speed, and the most runs of it. */
const enough = { milliseconds: 250, runs: 9 };

/** Best of several runs, bytes of float32 per second, and the last result. */
function timed<T>(weights: number, run: () => T): readonly [result: T, speed: number] {
  let best = Number.POSITIVE_INFINITY;
  let spent = 0;
  let result: T;
  let runs = 0;
  do {
    const start = performance.now();
    result = run();
    const time = performance.now() - start;
    best = Math.min(best, time);
    spent += time;
    runs++;
  } while (spent < enough.milliseconds && runs < enough.runs);
  return [result, (4000 * weights) / best];
}

/** Identity [columns, columns]: second moments of white inputs. */
const whiteMoments = (): Float32Array => {
  const moments = new Float32Array(columns * columns);
  for (let k = 0; k < columns; k++) moments[k * columns + k] = 1;
  return moments;
};

/** One width of a scheme on the given weights. */
export function measureSpeed(
  scheme: Scheme,
  bits: number,
  tensor: WeightTensor,
  search = false,
): SchemeMeasurement {
  const options = {
    bits,
    ...(scheme.calibrated ? { hessian: whiteMoments() } : {}),
    ...(search && scheme.options?.includes('search') ? { search } : {}),
  };
  const weights = tensor.values.length;
  const [quantized, quantizeSpeed] = timed(weights, () => scheme.quantize(tensor, options));
  const [values, dequantizeSpeed] = timed(weights, () => scheme.dequantize(quantized));
  const { sqnr } = distortionOf(tensor.values, values);
  const bitsPerWeight = quantized.bits / weights;
  const gap = decibelsPerBit * bitsPerWeight - sqnr;
  return { scheme: scheme.name, bits, bitsPerWeight, sqnr, gap, quantizeSpeed, dequantizeSpeed };
}

/** The widths of a scheme that the table shows. */
export function shownWidths({ bitWidths }: Scheme): readonly number[] {
  const narrow = bitWidths.filter((bits) => bits <= widest);
  return narrow.length > 0 ? narrow : bitWidths.slice(0, 1);
}

const megabytes = (speed: number): string => (speed / 1e6).toFixed(speed < 1e7 ? 1 : 0);

function rowOf(measurement: SchemeMeasurement): string[] {
  const { scheme, bits, bitsPerWeight, sqnr, gap, quantizeSpeed, dequantizeSpeed } = measurement;
  return [
    scheme,
    String(bits),
    bitsPerWeight.toFixed(3),
    sqnr.toFixed(2),
    gap.toFixed(2),
    megabytes(quantizeSpeed),
    megabytes(dequantizeSpeed),
  ];
}

runAsScript(import.meta.url, async (args) => {
  const values = parseOptions(args, {
    scheme: { type: 'string' },
    count: { type: 'string' },
    search: { type: 'boolean' },
  });
  const count = numberOption('count', values.count, 1 << 18, [columns, 1 << 26]);
  const tensor = gaussianWeights(Math.round(count / columns));
  const chosen = values.scheme === undefined ? schemes : [schemeOf(values.scheme)];
  console.log(
    `${cpus()[0]?.model ?? 'unknown processor'}, Node.js ${process.version}, ${tensor.values.length} weights`,
  );
  const rows = chosen.flatMap((scheme) =>
    shownWidths(scheme).map((bits) => rowOf(measureSpeed(scheme, bits, tensor, values.search))),
  );
  const titles = ['scheme', 'bits', 'bpw', 'SQNR dB', 'gap dB', 'quantize MB/s', 'dequantize MB/s'];
  console.log(textTable([titles, ...rows]));
});
