/**
 * Weights before the first step: the networks start as a block-transform codec instead of noise, which saves hours
 * (docs/TRAINING.md has the measurement).
 *
 * - The first 1x1 layer is an orthonormal luma/chroma rotation times the 8x8 DCT, rows by expected energy.
 * - 1/8 to 1/16 is a 2x2 Haar transform of every frequency; the (frequency, Haar) pairs of the highest expected energy
 *   under a 1/f^2 model are kept.
 * - The last analysis layer is the identity; the synthesis mirrors all of it with transposes.
 * - Residual branches end in zeros (layers.ts), so that all blocks are the identity.
 * - Latent gains are 255/step with step = sqrt(stepFactor / lambda) grey levels, as the high-rate theory of uniform
 *   quantization has it up to the factor.
 */
import { lambdaOf, type NetworkConfig } from '../../codec/networks/config.js';
import type { ParameterSpec, ParameterValues } from '../../codec/networks/parameters.js';
import { patch, patchValues } from '../../codec/networks/transforms.js';
import { sizeOf } from '../graph/index.js';
import { Random } from './random.js';

/** Orthonormal rotation of RGB: luma, blue-yellow-like, green-magenta-like; with the energy each is expected to hold. */
const colourAxes = [
  { direction: [1 / Math.sqrt(3), 1 / Math.sqrt(3), 1 / Math.sqrt(3)], energy: 1 },
  { direction: [1 / Math.sqrt(2), 0, -1 / Math.sqrt(2)], energy: 0.06 },
  { direction: [1 / Math.sqrt(6), -2 / Math.sqrt(6), 1 / Math.sqrt(6)], energy: 0.02 },
];

/** step^2 * lambda; high-rate theory says 26, less is better before the entropy networks have learnt. */
const stepFactor = 18;

interface Frequency {
  readonly colour: number;
  readonly u: number;
  readonly v: number;
  readonly energy: number;
}

function expectedEnergy(colour: number, u: number, v: number): number {
  return colourAxes[colour].energy / (1 + u * u + v * v) ** 1.1;
}

/** All colour-frequency pairs of an 8x8 patch, the highest expected energy first. */
function frequencies(): Frequency[] {
  const all: Frequency[] = [];
  for (let colour = 0; colour < 3; colour++) {
    for (let u = 0; u < patch; u++) {
      for (let v = 0; v < patch; v++)
        all.push({ colour, u, v, energy: expectedEnergy(colour, 2 * u, 2 * v) });
    }
  }
  return all.sort((a, b) => b.energy - a.energy);
}

function cosine(frequency: number, position: number): number {
  const scale = frequency === 0 ? Math.sqrt(1 / patch) : Math.sqrt(2 / patch);
  return scale * Math.cos(((2 * position + 1) * frequency * Math.PI) / (2 * patch));
}

/** [channels, 192]: each row is one colour-frequency basis picture in the channel order of spaceToDepth. */
function patchTransform(channels: number): Float32Array {
  const rows = frequencies();
  const matrix = new Float32Array(channels * patchValues);
  for (let row = 0; row < Math.min(channels, rows.length); row++) {
    const { colour, u, v } = rows[row];
    for (let y = 0; y < patch; y++) {
      for (let x = 0; x < patch; x++) {
        for (let c = 0; c < 3; c++) {
          const column = (y * patch + x) * 3 + c;
          matrix[row * patchValues + column] = colourAxes[colour].direction[c] * cosine(u, y) * cosine(v, x);
        }
      }
    }
  }
  return matrix;
}

const haar = [
  [1, 1, 1, 1],
  [1, -1, 1, -1],
  [1, 1, -1, -1],
  [1, -1, -1, 1],
];

/** [outputs, 4*channels]: the best (frequency, Haar) pairs, the highest expected energy first. */
function haarTransform(channels: number, outputs: number): Float32Array {
  const pairs = frequencies()
    .slice(0, channels)
    .flatMap(({ colour, u, v }, row) =>
      haar.map((_, h) => ({ row, h, energy: expectedEnergy(colour, 2 * u + (h >> 1), 2 * v + (h & 1)) })),
    )
    .sort((a, b) => b.energy - a.energy);
  const matrix = new Float32Array(outputs * 4 * channels);
  pairs.slice(0, outputs).forEach(({ row, h }, output) => {
    for (let phase = 0; phase < 4; phase++) {
      matrix[output * 4 * channels + phase * channels + row] = haar[h][phase] / 2;
    }
  });
  return matrix;
}

function identity(rows: number, columns: number): Float32Array {
  const matrix = new Float32Array(rows * columns);
  for (let k = 0; k < Math.min(rows, columns); k++) matrix[k * columns + k] = 1;
  return matrix;
}

function transposed(matrix: Float32Array, rows: number): Float32Array {
  const columns = matrix.length / rows;
  return Float32Array.from(matrix, (_, k) => matrix[(k % rows) * columns + Math.floor(k / rows)]);
}

/** Natural logarithm of the latents' gain at each rate point. */
export function initialLogGains(config: NetworkConfig): number[] {
  return Array.from({ length: config.ratePoints }, (_, point) => {
    const lambda = lambdaOf((100 * point) / (config.ratePoints - 1));
    return Math.log(255 / Math.sqrt(stepFactor / lambda));
  });
}

/** [ratePoints, columns] with one value per rate point. */
export function ratePointTable(values: readonly number[], columns: number): Float32Array {
  return Float32Array.from({ length: values.length * columns }, (_, k) => values[Math.floor(k / columns)]);
}

/** Values of every parameter before training. */
export function initialWeights(
  specs: ReadonlyMap<string, ParameterSpec>,
  config: NetworkConfig,
  seed: number,
): ParameterValues {
  const values: ParameterValues = new Map();
  let index = 0;
  for (const [name, { shape, initial }] of specs) {
    const random = Random.of(seed, index++);
    const data = new Float32Array(sizeOf(shape));
    if ('value' in initial) data.fill(initial.value);
    else for (let k = 0; k < data.length; k++) data[k] = initial.deviation * random.normal();
    values.set(name, data);
  }
  const first = patchTransform(config.channels);
  const down = haarTransform(config.channels, config.deepChannels);
  const out = identity(config.latents, config.deepChannels);
  const logGains = initialLogGains(config);
  values.set('analysis.in.weight', first);
  values.set('analysis.down.weight', down);
  values.set('analysis.out.weight', out);
  values.set('synthesis.in.weight', transposed(out, config.latents));
  values.set('synthesis.up.weight', transposed(down, config.deepChannels));
  values.set('synthesis.out.weight', transposed(first, config.channels));
  values.set('rate.analysisLatents', ratePointTable(logGains, config.latents));
  values.set(
    'rate.synthesisLatents',
    ratePointTable(
      logGains.map((g) => -g),
      config.latents,
    ),
  );
  return values;
}
