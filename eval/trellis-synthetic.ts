/**
 * What trellis-coded quantization gains where everything else is ideal: normal latents whose standard deviations the
 * coder knows, ideal arithmetic coding, mean squared error. BD-rates against rate-distortion optimised scalar
 * quantization (RDOQ), for comparison with published simulations and between machines; real latents gain about half.
 *
 * Latents: N(0, sigma^2), sigma log-normal (median 0.3, log-sd 1.2, clipped to 0.02..6), tables per 32 logarithmic bins.
 * Seven slopes; per slope and method the step with the least distortion + slope * rate on a part of the fitting set.
 * Latents with sigma below 0.2 of the slope's scalar step are not coded. `fixed`: tables of the normal distribution.
 * `refitted`: tables and reconstruction points counted on what the search chose on the fitting set; all is measured on
 * an independent test set. Units: a latent's own; rates in bits per latent, skipped ones included.
 * To be expected with 2^19 latents (fixed, refitted): rounding +7.4, -0.7; RDOQ 0, -3.5; VVC-4 -4.6, -9.7; AV2-8 -6.5,
 * -10.5. Rates of rounding: 0.27 to 2.2 bits.
 */
import {
  countedRates,
  type GaussianModel,
  gaussianRates,
  gridIntegers,
  type MachineName,
  quantizersOf,
  type RateTables,
  searchTrellis,
} from '../trellis/index.js';
import { bdRate, type CurvePoint } from './bd-rate.js';
import { seeded } from './random.js';

const bins = 32;
const [least, most] = [0.02, 6];
const logRange = Math.log(most / least);
const binSigma = (bin: number): number => least * Math.exp(((bin + 0.5) / bins) * logRange);

/** Scalar steps whose high-rate slopes are used: scalar rates of about 0.27 to 2.2 bits. */
const scalarSteps: readonly number[] = [0.3, 0.43, 0.62, 0.89, 1.27, 1.82, 2.6];
const skipBelow = 0.2;
const refits = 8;

/** What is compared: a search with its first tables. */
export interface SyntheticMethod {
  readonly name: string;
  readonly machine: MachineName;
  readonly model: GaussianModel;
  /** Nearest point instead of a search; machine `scalar` only. */
  readonly round?: boolean;
}

export const syntheticMethods: readonly SyntheticMethod[] = [
  { name: 'rounding', machine: 'scalar', model: 'cell', round: true },
  { name: 'RDOQ', machine: 'scalar', model: 'cell' },
  { name: 'VVC-4', machine: 'vvc4', model: 'grid' },
  { name: 'Ungerboeck-4', machine: 'ungerboeck4', model: 'grid' },
  { name: 'NNC-8', machine: 'nnc8', model: 'grid' },
  { name: 'AV2-8', machine: 'av2-8', model: 'grid' },
  { name: 'Ungerboeck-16', machine: 'ungerboeck16', model: 'grid' },
  { name: 'Ungerboeck-32', machine: 'ungerboeck32', model: 'grid' },
  { name: 'Ungerboeck-64', machine: 'ungerboeck64', model: 'grid' },
];

export interface SyntheticResult {
  readonly name: string;
  /** BD-rates against RDOQ with fixed tables, per cent. */
  readonly fixed: number;
  readonly refitted: number;
}

interface Source {
  readonly latents: Float32Array;
  readonly sigmas: Float32Array;
  readonly bins: Uint8Array;
}

function drawSource(count: number, seed: number): Source {
  const uniform = seeded(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const sigmas = Float32Array.from({ length: count }, () =>
    Math.min(most, Math.max(least, 0.3 * Math.exp(1.2 * normal()))),
  );
  return {
    sigmas,
    latents: sigmas.map((sigma) => sigma * normal()),
    bins: Uint8Array.from(sigmas, (sigma) =>
      Math.min(bins - 1, Math.max(0, Math.floor((Math.log(sigma / least) / logRange) * bins))),
    ),
  };
}

const part = ({ latents, sigmas, bins }: Source, count: number): Source => ({
  latents: latents.subarray(0, count),
  sigmas: sigmas.subarray(0, count),
  bins: bins.subarray(0, count),
});

/** Indices and what they stand for, of one source at one step. */
interface Quantized {
  readonly indices: Int32Array;
  readonly skip: Uint8Array;
}

interface Setting {
  readonly method: SyntheticMethod;
  /** Distance of grid points. */
  readonly step: number;
  readonly scalarStep: number;
  readonly slope: number;
}

function quantize(
  source: Source,
  { method, step, slope, scalarStep }: Setting,
  tables: RateTables,
): Quantized {
  const skip = Uint8Array.from(source.sigmas, (sigma) => (sigma < skipBelow * scalarStep ? 1 : 0));
  const { latents, bins: tableIndices } = source;
  if (method.round) {
    return { skip, indices: Int32Array.from(latents, (x, n) => (skip[n] ? 0 : Math.round(x / (2 * step)))) };
  }
  const { machine } = method;
  const task = { latents, step, lagrangian: slope, tables, tableIndices, skip, machine };
  return { skip, indices: searchTrellis(task).indices };
}

/** Mean shifts of reconstruction points away from zero, in steps, for small indices; per bin, quantizer and |k|. */
type Shifts = Float64Array;
const shiftedIndices = 16;
const shiftAt = (bin: number, q: number, k: number): number => (2 * bin + q) * shiftedIndices + Math.abs(k);

function meanShifts(source: Source, { method, step }: Setting, { indices, skip }: Quantized): Shifts {
  const options = { machine: method.machine, skip };
  const grid = gridIntegers(indices, options);
  const quantizers = quantizersOf(indices, options);
  const sums = new Float64Array(2 * bins * shiftedIndices);
  const counts = new Float64Array(sums.length).fill(8);
  for (let n = 0; n < indices.length; n++) {
    if (indices[n] === 0 || Math.abs(indices[n]) >= shiftedIndices) continue;
    const at = shiftAt(source.bins[n], quantizers[n], indices[n]);
    sums[at] += Math.sign(indices[n]) * (source.latents[n] / step - grid[n]);
    counts[at]++;
  }
  return sums.map((sum, at) => sum / counts[at]);
}

/** Rate and distortion of indices under given tables and reconstruction points. */
function measure(
  source: Source,
  { method, step }: Setting,
  { indices, skip }: Quantized,
  tables: RateTables,
  shifts: Shifts | undefined,
): { rate: number; distortion: number } {
  const options = { machine: method.machine, skip };
  const grid = gridIntegers(indices, options);
  const quantizers = quantizersOf(indices, options);
  let bits = 0;
  let error = 0;
  for (let n = 0; n < indices.length; n++) {
    const [k, q, bin] = [indices[n], quantizers[n], source.bins[n]];
    if (!skip[n]) bits += tables.bits(bin, q, k);
    const shift = shifts && k !== 0 && Math.abs(k) < shiftedIndices ? shifts[shiftAt(bin, q, k)] : 0;
    error += (source.latents[n] - (grid[n] + Math.sign(k) * shift) * step) ** 2;
  }
  return { rate: bits / indices.length, distortion: error / indices.length };
}

const normalTables = ({ method, step }: Setting): RateTables =>
  gaussianRates(
    Array.from({ length: bins }, (_, bin) => binSigma(bin) / step),
    method.model,
  );

/** Tables and points after rounds of searching and counting. */
function refit(source: Source, setting: Setting): { tables: RateTables; shifts: Shifts } {
  let tables = normalTables(setting);
  let quantized = quantize(source, setting, tables);
  const rounds = setting.method.round ? 1 : refits;
  for (let round = 0; round < rounds; round++) {
    if (round > 0) quantized = quantize(source, setting, tables);
    const { machine } = setting.method;
    tables = countedRates(quantized.indices, {
      prior: tables,
      tableIndices: source.bins,
      skip: quantized.skip,
      machine,
    });
  }
  return { tables, shifts: meanShifts(source, setting, quantize(source, setting, tables)) };
}

/** The better steps of a search by eye, in scalar steps of the slope; grid steps are half of a scalar method's. */
function stepsOf({ machine, round }: SyntheticMethod, refitted: boolean): readonly number[] {
  if (round) return refitted ? [0.45, 0.5, 0.55, 0.6] : [0.5, 0.55, 0.6, 0.65];
  if (machine === 'scalar') return refitted ? [0.4, 0.45, 0.5, 0.55] : [0.45, 0.5, 0.55];
  return refitted ? [0.44, 0.48, 0.52, 0.56, 0.6] : [0.54, 0.58, 0.62, 0.66, 0.7, 0.74];
}

function curve(method: SyntheticMethod, refitted: boolean, fit: Source, test: Source): CurvePoint[] {
  const few = part(fit, fit.latents.length >> 2);
  return scalarSteps.map((scalarStep) => {
    const slope = (scalarStep * scalarStep * Math.LN2) / 6;
    const attempt = (step: number, fitted: Source, measured: Source) => {
      const setting = { method, step, scalarStep, slope };
      const { tables, shifts } = refitted
        ? refit(fitted, setting)
        : { tables: normalTables(setting), shifts: undefined };
      return measure(measured, setting, quantize(measured, setting, tables), tables, shifts);
    };
    const steps = stepsOf(method, refitted).map((factor) => factor * scalarStep);
    const costs = steps.map((step) => {
      const { rate, distortion } = attempt(step, few, few);
      return distortion + slope * rate;
    });
    const { rate, distortion } = attempt(steps[costs.indexOf(Math.min(...costs))], fit, test);
    return { bpp: rate, psnr: -10 * Math.log10(distortion) };
  });
}

/**
 * BD-rates of methods against RDOQ with fixed tables.
 *
 * @param count latents to fit on, and as many to test on
 * @param onResult called after each method
 */
export function compareSynthetic(
  count: number,
  methods: readonly SyntheticMethod[] = syntheticMethods,
  onResult?: (result: SyntheticResult) => void,
): SyntheticResult[] {
  const [fit, test] = [drawSource(count, 1), drawSource(count, 2)];
  const rdoq = syntheticMethods.find(({ name }) => name === 'RDOQ') as SyntheticMethod;
  const anchor = curve(rdoq, false, fit, test);
  return methods.map((method) => {
    const percent = (refitted: boolean): number =>
      method === rdoq && !refitted ? 0 : bdRate(anchor, curve(method, refitted, fit, test)).percent;
    const result = { name: method.name, fixed: percent(false), refitted: percent(true) };
    onResult?.(result);
    return result;
  });
}
