/**
 * Quantizers of network weights, measured on unit Gaussian weights: `npm run bench:weights [-- --scheme NAME --count N --write]`.
 *
 *     bpw         bits per weight with all overhead
 *     SQNR        signal to quantization noise, decibels
 *     gap         decibels below what any code of as many bits could reach: 6.02 per bit
 *     searched    SQNR with scales of least squared error, of schemes that can look for them
 *     quantize    float32 input per second, one thread, best of several runs; dequantize: float32 output, likewise
 *
 * Every scheme of the registry is there, with every width up to 4 bits where it has a choice. Calibrated schemes see white
 * inputs, for which they have nothing to make up for and do what rounding does. --write puts the tables into docs/WEIGHTS.md.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { FormatError } from '../src/errors.js';
import { packageRoot, writeFileAtomic } from '../src/io/files.js';
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

/** A row of the table: a scheme at one width, and with searched scales where it can have them. */
export interface BenchRow {
  readonly plain: SchemeMeasurement;
  readonly searched?: SchemeMeasurement;
}

function benchRow(scheme: Scheme, bits: number, tensor: WeightTensor): BenchRow {
  const plain = measureSpeed(scheme, bits, tensor);
  if (!scheme.options?.includes('search')) return { plain };
  return { plain, searched: measureSpeed(scheme, bits, tensor, true) };
}

/** Rows of text with their titles: one per scheme and width. */
export function speedTable(rows: readonly BenchRow[]): string[][] {
  const titles = ['scheme', 'bits', 'bpw', 'SQNR dB', 'gap dB', 'quantize MB/s', 'dequantize MB/s'];
  const search = ['searched dB', 'search MB/s'];
  return [
    [...titles, ...search],
    ...rows.map(({ plain, searched }) => [
      plain.scheme,
      String(plain.bits),
      plain.bitsPerWeight.toFixed(3),
      plain.sqnr.toFixed(2),
      plain.gap.toFixed(2),
      megabytes(plain.quantizeSpeed),
      megabytes(plain.dequantizeSpeed),
      ...(searched ? [searched.sqnr.toFixed(2), megabytes(searched.quantizeSpeed)] : ['', '']),
    ]),
  ];
}

/**
 * The gap of every scheme at 2, 3 and 4 bits and what comes on top for scales, up to two thirds of a bit, with the bits per
 * weight that it is at: the fewest ones of the scheme there, and with searched scales where that is better.
 */
export function gapTable(rows: readonly BenchRow[]): string[][] {
  const widths = [2, 3, 4];
  const measured = rows.flatMap(({ plain, searched }) => (searched ? [plain, searched] : [plain]));
  const names = [...new Set(measured.map(({ scheme }) => scheme))];
  const lines = names.flatMap((name) => {
    const cells = widths.map((width) => {
      const near = measured.filter(({ scheme, bitsPerWeight }) => {
        const extra = bitsPerWeight - width;
        return scheme === name && extra > -0.05 && extra < 0.67;
      });
      const [best] = near.sort((a, b) => a.bits - b.bits || a.gap - b.gap);
      return best ? `${best.gap.toFixed(2)} (${best.bitsPerWeight.toFixed(2)})` : '';
    });
    return cells.some((cell) => cell !== '') ? [[name, ...cells]] : [];
  });
  return [['gap in dB (bits per weight)', ...widths.map((width) => `${width} bits`)], ...lines];
}

const markdownTable = ([titles, ...lines]: readonly (readonly string[])[]): string =>
  [titles, titles.map((_, column) => (column === 0 ? '---' : '---:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

const markers = { begin: '<!-- bench:weights begins -->', end: '<!-- bench:weights ends -->' } as const;

/**
 * A document with other text between its marks.
 * @throws FormatError where it has no marks
 */
export function withMeasured(document: string, measured: string): string {
  const [begin, end] = [document.indexOf(markers.begin), document.indexOf(markers.end)];
  if (begin < 0 || end < begin) {
    throw new FormatError(`docs/WEIGHTS.md: expected ${markers.begin} and ${markers.end}, got no such lines`);
  }
  return `${document.slice(0, begin + markers.begin.length)}\n${measured}\n${document.slice(end)}`;
}

runAsScript(import.meta.url, async (args) => {
  const values = parseOptions(args, {
    scheme: { type: 'string' },
    count: { type: 'string' },
    write: { type: 'boolean' },
  });
  const count = numberOption('count', values.count, 1 << 18, [columns, 1 << 26]);
  const tensor = gaussianWeights(Math.round(count / columns));
  const chosen = values.scheme === undefined ? schemes : [schemeOf(values.scheme)];
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, Node.js ${process.version}, ${tensor.values.length} weights in rows of ${columns}`;
  console.log(machine);
  const rows = chosen.flatMap((scheme) => shownWidths(scheme).map((bits) => benchRow(scheme, bits, tensor)));
  const tables = [speedTable(rows), gapTable(rows)];
  for (const table of tables) console.log(`${textTable(table)}\n`);
  if (!values.write) return;
  const path = join(packageRoot(), 'docs', 'WEIGHTS.md');
  const measured = [`One core: ${machine}.`, ...tables.map(markdownTable)].join('\n\n');
  const document = withMeasured(await readFile(path, 'utf8'), measured);
  await writeFileAtomic(path, new TextEncoder().encode(document));
});
