/**
 * GPTQ: whole numbers chosen column by column; the error of a column moves into the columns still to come, weighed by the
 * inverse of the Hessian of the layer's squared output error (the inputs' second moments). `gptq` has zero points,
 * `gptq-sym` is symmetric.
 *
 * Groups take scale and zero from the running weights, which have seen the errors of earlier blocks of 128 columns, as in the
 * reference; with `actOrder`, or one scale for the whole tensor, from the weights as they were. With `search` the range
 * shrinks in hundredths to where the sum of |error|^2.4 is least. Fits run in float32 as in the reference, because exact ties
 * fall differently in float64.
 * Source: Frantar et al., GPTQ (arXiv 2210.17323) and its released code.
 */
import { UsageError } from '../../errors.js';
import { inverseUpper } from '../cholesky.js';
import { groupCount } from '../layout.js';
import {
  defineScheme,
  parameterOf,
  type QuantizationTask,
  type QuantizedParts,
  type Recipe,
} from '../recipe.js';
import { roundHalfEven } from '../rounding.js';
import { roundScale, roundScales, type ScaleFormat } from '../scales.js';

const { fround } = Math;

/** Columns whose errors reach later fits together. */
const block = 128;
const defaultDamping = 0.01;
const shrinkSteps = 80;
const errorPower = 2.4;

interface Fit {
  readonly scale: number;
  readonly zero: number;
}

interface FitRule {
  readonly most: number;
  readonly symmetric: boolean;
  readonly search: boolean;
  readonly scales: ScaleFormat;
}

function codeOf(value: number, { scale, zero }: Fit, most: number): number {
  const code = roundHalfEven(fround(fround(value) / scale)) + zero;
  return code > most ? most : code < 0 ? 0 : code;
}

/** Scale and zero for a range that holds 0; symmetric ranges have their zero in the middle. */
function fitOfRange(low: number, high: number, { most, symmetric, scales }: FitRule): Fit {
  const scale = roundScale(fround(fround(high - low) / most), scales) || 1;
  return { scale, zero: symmetric ? (most + 1) / 2 : Math.min(most, roundHalfEven(fround(-low / scale))) };
}

function fitGroup(values: ArrayLike<number>, start: number, end: number, rule: FitRule): Fit {
  let low = 0;
  let high = 0;
  for (let i = start; i < end; i++) {
    low = Math.min(low, fround(values[i]));
    high = Math.max(high, fround(values[i]));
  }
  if (rule.symmetric) {
    high = Math.max(high, -low);
    if (low < 0) low = -high;
  }
  if (low === 0 && high === 0) [low, high] = [-1, 1];
  const full = fitOfRange(low, high, rule);
  if (!rule.search) return full;
  let best = full;
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step < shrinkSteps; step++) {
    const part = 1 - step / 100;
    const fit = fitOfRange(part * low, part * high, rule);
    let error = 0;
    for (let i = start; i < end; i++) {
      error += Math.abs((codeOf(values[i], fit, rule.most) - fit.zero) * fit.scale - values[i]) ** errorPower;
    }
    if (error < least) [best, least] = [fit, error];
  }
  return best;
}

interface Plan {
  /** Columns in the order of their quantization. */
  readonly order: Uint32Array;
  /** Columns without inputs: their weights do not matter and become 0. */
  readonly dead: Uint8Array;
  /** Upper factor of the inverse Hessian, in that order. */
  readonly upper: Float64Array;
}

function planOf({ tensor, layout, options }: QuantizationTask): Plan {
  const { columns } = layout;
  const { hessian, damping = defaultDamping, actOrder = false } = options;
  const where = `tensor ${tensor.name}`;
  if (hessian?.length !== columns * columns) {
    const found = hessian ? `${hessian.length} values` : 'none';
    throw new UsageError(`${where}: expected a Hessian [${columns},${columns}] for gptq, got ${found}`);
  }
  if (!(damping >= 0 && damping < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`damping: expected a number of at least 0, got ${damping}`);
  }
  const diagonal = Float64Array.from({ length: columns }, (_, j) => hessian[j * columns + j]);
  const dead = Uint8Array.from(diagonal, (moment) => (moment === 0 ? 1 : 0));
  // Twice the moments, as in the reference: it gives dead columns a one.
  const full = Float64Array.from(diagonal, (moment) => (moment === 0 ? 1 : 2 * moment));
  const mean = full.reduce((sum, moment) => sum + moment, 0) / Math.max(1, columns);
  const order = Uint32Array.from(diagonal.keys());
  if (actOrder) order.sort((a, b) => full[b] - full[a] || a - b);
  const matrix = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) {
    const from = order[i] * columns;
    for (let j = 0; j < columns; j++) matrix[i * columns + j] = 2 * hessian[from + order[j]];
    matrix[i * columns + i] = full[order[i]] + damping * mean;
  }
  const upper = inverseUpper(matrix, columns);
  if (!upper) {
    throw new UsageError(
      `${where}: expected a Hessian that is positive definite with damping ${damping}, it is not`,
    );
  }
  return { order, dead, upper };
}

function quantizeWith(task: QuantizationTask, symmetric: boolean): QuantizedParts {
  const { values, layout, form, options } = task;
  const { rows, columns, starts } = layout;
  const { order, dead, upper } = planOf(task);
  const groups = groupCount(layout);
  const most = 2 ** form.bits - 1;
  const rule: FitRule = { most, symmetric, search: options.search ?? false, scales: form.scales };
  const isStatic = Boolean(options.actOrder) || form.granularity === 'tensor';
  const fits: Fit[] = [];
  if (isStatic) for (let g = 0; g < groups; g++) fits.push(fitGroup(values, starts[g], starts[g + 1], rule));
  const perRow = form.granularity === 'tensor' ? 0 : groups / rows;
  const length = perRow > 0 ? Math.min(columns, starts[1]) : columns;
  const codes = new Uint8Array(values.length);
  const running = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let k = 0; k < columns; k++) running[k] = dead[order[k]] ? 0 : values[start + order[k]];
    let fitted = running.slice();
    for (let k = 0; k < columns; k++) {
      if (k % block === 0) fitted = running.slice();
      const column = order[k];
      const group = perRow * row + Math.floor(column / length);
      if (!isStatic && k % length === 0) {
        fits[group] = fitGroup(fitted, k, Math.min(columns, k + length), rule);
      }
      const fit = fits[group];
      const code = codeOf(running[k], fit, most);
      codes[start + column] = code;
      const diagonal = k * columns;
      const error = (running[k] - fround((code - fit.zero) * fit.scale)) / upper[diagonal + k];
      for (let later = k + 1; later < columns; later++) running[later] -= error * upper[diagonal + later];
    }
  }
  const scales = roundScales(
    Float32Array.from(fits, ({ scale }) => scale),
    form.scales,
  );
  if (symmetric) return { codes, parameters: { scales } };
  return { codes, parameters: { scales, zeros: Uint8Array.from(fits, ({ zero }) => zero) } };
}

function recipe(symmetric: boolean): Recipe {
  return {
    name: symmetric ? 'gptq-sym' : 'gptq',
    summary: `Whole numbers that make up for each other's errors on calibration inputs (GPTQ)${symmetric ? ', symmetric' : ''}`,
    bitWidths: [2, 3, 4, 5, 6, 7, 8],
    defaultBits: 4,
    defaultGranularity: { group: 128 },
    calibrated: true,
    options: ['hessian', 'damping', 'actOrder', 'search'],
    parts: ({ bits }, layout) => {
      const count = groupCount(layout);
      const zeros = { name: 'zeros', kind: 'bits', width: bits, count } as const;
      return [
        { name: 'scales', kind: 'scales', count },
        ...(symmetric ? [] : [zeros]),
        { name: 'codes', kind: 'bits', width: bits, count: layout.rows * layout.columns },
      ];
    },
    quantize: (task) => quantizeWith(task, symmetric),
    dequantize: (quantized, { starts }, { bits }, out) => {
      const scales = parameterOf<Float32Array>(quantized, 'scales');
      const zeros = symmetric
        ? new Uint8Array(scales.length).fill(2 ** (bits - 1))
        : parameterOf<Uint8Array>(quantized, 'zeros');
      for (let g = 0; g < scales.length; g++) {
        for (let i = starts[g]; i < starts[g + 1]; i++) out[i] = (quantized.codes[i] - zeros[g]) * scales[g];
      }
    },
  };
}

/** Fits ranges with zero points. */
export const gptqScheme = defineScheme(recipe(false));
/** Fits ranges symmetric about 0. */
export const symmetricGptqScheme = defineScheme(recipe(true));
