/**
 * Codes the latents of one tile: hyper-latents first, then the four context passes, in one rANS stream
 * (docs/FORMAT.md, "Entropy segments"). Everything that the coder depends on is computed by codec/exact, on both sides
 * alike; `codePasses` is the loop that encoder and decoder share, so that they cannot drift apart. It asks for what the
 * networks say, and whoever runs it answers: codec/exact where a stream is coded, any engine where integers are only drafted.
 *
 * Units: latents in quantization steps; dense form of the passes (networks/hyperprior.ts).
 */
import { quantizersOf, type StateMachine } from '../trellis/index.js';
import {
  type HyperLatentSpace,
  RansDecoder,
  RansEncoder,
  type TableIndices,
  type TableSet,
  visitHyperLatents,
} from './entropy/index.js';
import { compileExact, type ExactProgram, ExactWeights } from './exact/index.js';
import { crc32cOfIntegers } from './format/index.js';
import type { ModelParts } from './model/model-file.js';
import type { RatePoint } from './model/rate-point.js';
import { type EntropyNetwork, entropyNetworkGraph } from './networks/coder-graphs.js';
import { contextPasses } from './networks/config.js';
import { dequantizeLatents } from './quantizers/dequantize.js';
import type { Quantization } from './quantizers/registry.js';
import { type AnalysedArea, type EntropyNetworks, SizeCache } from './transform-engine.js';

/** What is known of the latents of one pass before they are coded. */
export interface PassPrediction {
  readonly means: Float32Array;
  /** Scale index of each latent. */
  readonly scaleIndices: Uint8Array;
  readonly logScales: Float32Array;
}

/** A coded or decoded tile. */
export interface CodedLatents {
  /** Dequantized latents by pass: what the synthesis gets. */
  readonly passes: readonly Float32Array[];
  /** CRC32C over all integers. */
  readonly checksum: number;
}

/** One context pass as it was coded. */
export interface CodedPass {
  readonly prediction: PassPrediction;
  /** Positions of the coded latents in the pass; the others are their means. */
  readonly positions: Int32Array;
  /** Integers of the coded latents. */
  readonly indices: Int32Array;
  /** Tables of the quantizer, and the one that each integer was coded with. */
  readonly tables: TableSet;
  readonly tableIndices: TableIndices;
  /** What was quantized: latents minus means. Encoders only. */
  readonly residuals: Float32Array;
}

/** Watches the coding of a tile, for estimates and for counting tables. */
export interface CodingObserver {
  /** `tableIndices` has the table that each integer was coded with. */
  hyperLatents?(indices: Int32Array, tableIndices: Uint16Array): void;
  pass?(pass: CodedPass): void;
}

/** Asks an entropy network, `hyperSynthesis` or the context pass of that number, for its outputs. */
interface Question {
  readonly network: EntropyNetwork;
  readonly inputs: Readonly<Record<string, Float32Array>>;
}

type Outputs = Record<string, Float32Array>;

/** Yields the integers of the coded latents of a pass, with their tables: chosen by an encoder, read by a decoder. */
type IndexSource = (
  pass: number,
  prediction: PassPrediction,
  positions: Int32Array,
) => Pick<CodedPass, 'indices' | 'tableIndices'>;

function gather<T extends Float32Array | Uint8Array>(values: T, positions: Int32Array): T {
  const picked = new (values.constructor as new (length: number) => T)(positions.length);
  for (let n = 0; n < positions.length; n++) picked[n] = values[positions[n]];
  return picked;
}

/** Table of each index: its scale's or, with a state machine, one of its scale's two. */
function tablesOf(
  scaleIndices: Uint8Array,
  indices: Int32Array,
  machine: StateMachine | undefined,
): TableIndices {
  if (!machine) return scaleIndices;
  const quantizers = quantizersOf(indices, { machine });
  // A loop: `from` with a function takes 40 times as long, 8 ms for 100,000 indices.
  const tables = new Uint16Array(quantizers.length);
  for (let n = 0; n < tables.length; n++) tables[n] = 2 * scaleIndices[n] + quantizers[n];
  return tables;
}

/** The integers that a quantizer chooses for the latents of an area; `done` sees every pass. */
function quantizing(
  area: AnalysedArea,
  { quantizer, tables, step, lagrangian }: Quantization,
  done: (pass: CodedPass) => void = () => {},
): IndexSource {
  return (pass, prediction, positions) => {
    const scaleIndices = gather(prediction.scaleIndices, positions);
    const residuals = new Float32Array(positions.length);
    const latents = area.passes[pass];
    for (let n = 0; n < positions.length; n++) {
      residuals[n] = latents[positions[n]] - prediction.means[positions[n]];
    }
    const indices = quantizer.quantize({ residuals, scaleIndices, tables, step, lagrangian });
    const tableIndices = tablesOf(scaleIndices, indices, quantizer.machine);
    done({ prediction, positions, indices, tables, tableIndices, residuals });
    return { indices, tableIndices };
  };
}

export class EntropyModel {
  readonly #model: ModelParts;
  readonly #programs: SizeCache<(network: EntropyNetwork) => ExactProgram>;

  constructor(model: ModelParts) {
    this.#model = model;
    const weights = new ExactWeights(model.parameters);
    this.#programs = new SizeCache(4, (height, width) => {
      const programs = new Map<EntropyNetwork, ExactProgram>();
      const compile = (network: EntropyNetwork): ExactProgram =>
        compileExact(entropyNetworkGraph(model.config, network, height, width).outputs, weights);
      return (network) => {
        const program = programs.get(network) ?? compile(network);
        programs.set(network, program);
        return program;
      };
    });
  }

  /**
   * Quantizes and codes the latents of a tile of that padded size.
   */
  encode(
    area: AnalysedArea,
    height: number,
    width: number,
    rate: RatePoint,
    quantization: Quantization,
    observer: CodingObserver = {},
  ): CodedLatents & { readonly segment: Uint8Array } {
    const coder = new RansEncoder();
    const { tables } = this.#model;
    const hyperLatents = Int32Array.from(area.hyperLatents, Math.round);
    const hyperTables = new Uint16Array(hyperLatents.length);
    visitHyperLatents(hyperLatents, this.#hyperLatentSpace(width, rate), (n, table) => {
      coder.putValue(tables.hyperLatents, table, hyperLatents[n]);
      hyperTables[n] = table;
    });
    observer.hyperLatents?.(hyperLatents, hyperTables);
    const source = quantizing(area, quantization, (pass) => {
      coder.putIndices(pass.tables, pass.tableIndices, pass.indices, 0, pass.indices.length);
      observer.pass?.(pass);
    });
    const coded = this.#codeExactly(hyperLatents, height, width, rate, quantization, source);
    return { ...coded, segment: coder.finish() };
  }

  /**
   * The latents that `encode` would leave to a decoder, to the rounding of the networks: no stream is written, so the networks
   * may be asked on any engine. Means and scale indices near a threshold can differ, and the integers with them.
   *
   * @param height padded, in pixels, as the width
   * @param ask answers for the entropy networks; what it throws is thrown
   * @returns dequantized latents by pass, in the dense form
   */
  async draft(
    area: AnalysedArea,
    height: number,
    width: number,
    rate: RatePoint,
    quantization: Quantization,
    ask: EntropyNetworks,
  ): Promise<readonly Float32Array[]> {
    const hyperLatents = Int32Array.from(area.hyperLatents, Math.round);
    const coding = this.#codePasses(hyperLatents, rate, quantization, quantizing(area, quantization));
    let step = coding.next();
    while (!step.done) {
      step = coding.next(await ask(step.value.network, step.value.inputs, height, width));
    }
    return step.value.passes;
  }

  /**
   * Decodes the latents of a tile of that padded size.
   * @throws FormatError or IntegrityError where the segment is damaged.
   */
  decode(
    segment: Uint8Array,
    height: number,
    width: number,
    rate: RatePoint,
    quantization: Quantization,
  ): CodedLatents {
    const coder = new RansDecoder(segment);
    const { config, tables } = this.#model;
    const hyperLatents = new Int32Array((config.hyperLatents * height * width) / 64 ** 2);
    visitHyperLatents(hyperLatents, this.#hyperLatentSpace(width, rate), (n, table) => {
      hyperLatents[n] = coder.getValue(tables.hyperLatents, table);
    });
    const { quantizer, tables: latentTables } = quantization;
    const source: IndexSource = (_pass, prediction, positions) => {
      const indices = new Int32Array(positions.length);
      const scaleIndices = gather(prediction.scaleIndices, positions);
      coder.getIndices(latentTables, scaleIndices, indices, 0, indices.length, quantizer.machine);
      return { indices, tableIndices: tablesOf(scaleIndices, indices, quantizer.machine) };
    };
    const coded = this.#codeExactly(hyperLatents, height, width, rate, quantization, source);
    coder.finish();
    return coded;
  }

  #codeExactly(
    hyperLatents: Int32Array,
    height: number,
    width: number,
    rate: RatePoint,
    quantization: Quantization,
    source: IndexSource,
  ): CodedLatents {
    const program = this.#programs.get(height, width);
    const coding = this.#codePasses(hyperLatents, rate, quantization, source);
    let step = coding.next();
    while (!step.done) step = coding.next(program(step.value.network).run(step.value.inputs));
    return step.value;
  }

  *#codePasses(
    hyperLatents: Int32Array,
    rate: RatePoint,
    quantization: Quantization,
    source: IndexSource,
  ): Generator<Question, CodedLatents, Outputs> {
    const { features } = yield {
      network: 'hyperSynthesis',
      inputs: { hyperLatents: Float32Array.from(hyperLatents), bias: rate.features },
    };
    const inputs: Record<string, Float32Array> = { features };
    const passes: Float32Array[] = [];
    let checksum = crc32cOfIntegers(hyperLatents);
    for (let pass = 0; pass < contextPasses; pass++) {
      inputs.bias = rate.logScales[pass];
      const { means, logScales } = yield { network: pass, inputs };
      const scaleIndices = this.#scaleIndices(logScales);
      const positions = this.#codedPositions(scaleIndices);
      const { indices, tableIndices } = source(pass, { means, scaleIndices, logScales }, positions);
      const { machine } = quantization.quantizer;
      const values = dequantizeLatents(indices, tableIndices, quantization, machine);
      for (let n = 0; n < positions.length; n++) means[positions[n]] += values[n];
      passes.push(means);
      inputs[`pass${pass}`] = means;
      checksum = crc32cOfIntegers(indices, checksum);
    }
    return { passes, checksum };
  }

  /** Comparable on every machine: float32 subtraction and product, then floor and clamp. */
  #scaleIndices(logScales: Float32Array): Uint8Array {
    const { scales, scaleOffset, scaleFactor } = this.#model.tables;
    const last = scales - 1;
    const indices = new Uint8Array(logScales.length);
    for (let n = 0; n < logScales.length; n++) {
      const index = Math.floor(Math.fround(Math.fround(logScales[n] - scaleOffset) * scaleFactor));
      // Written so that NaN, too, gives 0.
      if (index > 0) indices[n] = Math.min(index, last);
    }
    return indices;
  }

  #codedPositions(scaleIndices: Uint8Array): Int32Array {
    const { firstCoded } = this.#model.tables;
    const positions = new Int32Array(scaleIndices.length);
    let count = 0;
    for (let n = 0; n < scaleIndices.length; n++) if (scaleIndices[n] >= firstCoded) positions[count++] = n;
    return positions.subarray(0, count);
  }

  /** @param width of the tile, padded, in pixels */
  #hyperLatentSpace(width: number, rate: RatePoint): HyperLatentSpace {
    const { config, tables } = this.#model;
    return {
      channels: config.hyperLatents,
      width: width / 64,
      contexts: tables.hyperContexts,
      firstRow: rate.nearest * config.hyperLatents,
    };
  }
}
