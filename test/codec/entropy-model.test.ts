/**
 * The coder of latents as docs/FORMAT.md has it: for every quantizer the decoder arrives at the encoder's latents bit by
 * bit, and both at what the rules say when they are followed number by number: tables in pairs by the state of a machine
 * that starts anew with every context pass and rests where latents are skipped, values as grid integers times the step and offsets away from zero, rounded to float32, beside the means.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { visitHyperLatents } from '../../codec/entropy/index.js';
import type { CodedPass } from '../../codec/entropy-model.js';
import { EntropyModel } from '../../codec/entropy-model.js';
import { compileExact, ExactWeights } from '../../codec/exact/index.js';
import { crc32cOfIntegers } from '../../codec/format/index.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { ratePointOf } from '../../codec/model/rate-point.js';
import { entropyNetworkGraph } from '../../codec/networks/coder-graphs.js';
import { type Quantization, quantizationOf, quantizerNames } from '../../codec/quantizers/registry.js';
import { type AnalysedArea, createTransformEngine } from '../../codec/transform-engine.js';
import { CodecError } from '../../src/errors.js';
import { fitHyperContexts } from '../../src/training/fit-hyper-contexts.js';
import { Random } from '../../src/training/random.js';
import { TrellisState } from '../../trellis/index.js';
import { tinyModel } from '../golden/cases.js';

const [height, width] = [64, 192];

let model: ParsedModel;
let entropy: EntropyModel;
beforeAll(async () => {
  const tiny = await tinyModel();
  // Skips many latents, not just a few.
  model = { ...tiny, tables: { ...tiny.tables, firstCoded: 24 } };
  entropy = new EntropyModel(model);
});

/** Normal latents, a few of them huge, in the form of an analysis. */
function areaOf(seed: number, scale: number, far = 300): AnalysedArea {
  const random = Random.of(seed);
  const { latents, hyperLatents } = model.config;
  const fill = (length: number): Float32Array =>
    Float32Array.from({ length }, () => scale * random.normal() * (random.integer(200) === 0 ? far : 1));
  return {
    passes: Array.from({ length: 4 }, () => fill((latents * height * width) / 32 ** 2)),
    hyperLatents: fill((hyperLatents * height * width) / 64 ** 2),
  };
}

interface Seen extends Omit<CodedPass, 'prediction'> {
  readonly means: Float32Array;
  readonly scaleIndices: Uint8Array;
}

function encodeWatched(area: AnalysedArea, quality: number, quantization: Quantization) {
  const seen: Seen[] = [];
  const hyperLatents: Int32Array[] = [];
  const coded = entropy.encode(area, height, width, ratePointOf(model, quality), quantization, {
    hyperLatents: (indices) => hyperLatents.push(indices),
    pass: ({ prediction, ...rest }) => {
      const { means, scaleIndices } = prediction;
      seen.push({ ...rest, means: means.slice(), scaleIndices: scaleIndices.slice() });
    },
  });
  return { coded, seen, hyperLatents };
}

describe.each(quantizerNames)('%s', (name) => {
  it.each([
    [1, 0.5, 20],
    [2, 4, 100],
    [3, 0, 50],
  ])('is decoded to the same latents, seed %d, scale %d, quality %d', (seed, scale, quality) => {
    const quantization = quantizationOf(model, name);
    const { coded } = encodeWatched(areaOf(seed, scale), quality, quantization);
    const decoded = entropy.decode(coded.segment, height, width, ratePointOf(model, quality), quantization);
    expect(decoded.passes).toEqual(coded.passes);
    expect(decoded.checksum).toBe(coded.checksum);
  });

  it('makes values and tables as the format says, at any step', () => {
    const own = quantizationOf(model, name);
    const random = Random.of(10);
    const step = Math.fround(0.37);
    const offsets = own.offsets.map(() => random.normal());
    const quantization = { ...own, step, offsets };
    const { machine } = own.quantizer;
    const { coded, seen, hyperLatents } = encodeWatched(areaOf(4, 1, 1e5), 40, quantization);
    expect(seen).toHaveLength(4);
    let [escapes, skipped] = [0, 0];
    for (const [pass, { means, scaleIndices, positions, indices, tables, tableIndices }] of seen.entries()) {
      expect(tables).toBe(quantization.tables);
      const expected = means.slice();
      const state = machine && new TrellisState(machine);
      let next = 0;
      for (let n = 0; n < means.length; n++) {
        if (scaleIndices[n] < model.tables.firstCoded) {
          skipped++;
          continue;
        }
        expect(positions[next]).toBe(n);
        const table = state ? 2 * scaleIndices[n] + state.quantizer : scaleIndices[n];
        const index = indices[next];
        expect(tableIndices[next]).toBe(table);
        if (tables.symbolIndex(table, index) === tables.sizes[table] - 1) escapes++;
        const grid = state ? state.step(index) : index;
        const column = 3 * table + Math.min(Math.abs(index), 3) - 1;
        const away = index === 0 ? 0 : Math.sign(index) * offsets[column];
        const value = Math.fround(Math.fround(grid * step) + away);
        expected[n] = Math.fround(means[n] + value);
        next++;
      }
      expect(next).toBe(indices.length);
      expect(coded.passes[pass]).toEqual(expected);
    }
    expect(escapes).toBeGreaterThan(5);
    expect(skipped).toBeGreaterThan(100);
    const integers = [...hyperLatents, ...seen.map(({ indices }) => indices)];
    expect(coded.checksum).toBe(integers.reduce((crc, values) => crc32cOfIntegers(values, crc), 0));
  });

  it('comes close to the latents: within two steps, whatever they are', () => {
    const quantization = quantizationOf(model, name, 0);
    const area = areaOf(5, 30);
    const { coded, seen } = encodeWatched(area, 60, quantization);
    for (const [pass, { positions }] of seen.entries()) {
      for (const n of positions) {
        const error = Math.abs(coded.passes[pass][n] - area.passes[pass][n]);
        if (!(error <= 2 * quantization.step + 2 ** -12)) expect(error, `pass ${pass}, latent ${n}`).toBe(0);
      }
    }
  });

  it('decodes any integers that a stream may hold, to the ends of 32 bits', () => {
    const own = quantizationOf(model, name);
    const random = Random.of(6);
    const ends = [-(2 ** 31), 2 ** 31 - 1, -(2 ** 30), 2 ** 30, 1, -1, 0];
    const hostile: Quantization = {
      ...own,
      quantizer: {
        ...own.quantizer,
        quantize: ({ residuals }) => Int32Array.from(residuals, () => ends[random.integer(ends.length)]),
      },
    };
    const { coded } = encodeWatched(areaOf(7, 1), 50, hostile);
    const decoded = entropy.decode(coded.segment, height, width, ratePointOf(model, 50), own);
    expect(decoded).toEqual({ passes: coded.passes, checksum: coded.checksum });
  });
});

it('what scalar quantizers chose decodes alike when they share all but the quantizer', () => {
  const rate = ratePointOf(model, 50);
  const { quantizer } = quantizationOf(model, 'rdoq');
  const asRdoq: Quantization = { ...quantizationOf(model, 'round'), quantizer };
  const { segment, passes } = entropy.encode(areaOf(8, 1), height, width, rate, asRdoq);
  const decoded = entropy.decode(segment, height, width, rate, quantizationOf(model, 'round'));
  expect(decoded.passes).toEqual(passes);
});

describe('hyper-latents with contexts', () => {
  it('are decoded, with the tables that the format says, whatever they are', async () => {
    const { hyperLatents: channels } = model.config;
    const samples = Array.from({ length: 24 }, (_, k) => ({
      values: Int32Array.from(areaOf(40 + k, 2, 1).hyperLatents, Math.round),
      width: width / 64,
      ratePoint: k % 8,
    }));
    const tables = { ...model.tables, ...fitHyperContexts(model, samples, { contexts: 6 }) };
    const withContexts = new EntropyModel({ ...model, tables });
    const quantization = quantizationOf(model, 'tcq8');
    for (const [seed, quality, scale] of [
      [30, 12, 2],
      [31, 88, 60],
    ]) {
      const area = { ...areaOf(seed, 2), hyperLatents: areaOf(seed, scale, 5).hyperLatents };
      const rate = ratePointOf(model, quality);
      const seen: [Int32Array, Uint16Array][] = [];
      const coded = withContexts.encode(area, height, width, rate, quantization, {
        hyperLatents: (indices, tableIndices) => seen.push([indices, tableIndices]),
      });
      const decoded = withContexts.decode(coded.segment, height, width, rate, quantization);
      expect(decoded).toEqual({ passes: coded.passes, checksum: coded.checksum });
      const [[indices, tableIndices]] = seen;
      expect(indices).toEqual(Int32Array.from(area.hyperLatents, Math.round));
      const { hyperContexts: contexts } = tables;
      const space = { channels, width: width / 64, contexts, firstRow: rate.nearest * channels };
      visitHyperLatents(indices, space, (n, table) => expect(tableIndices[n]).toBe(table));
      const plain = entropy.encode(area, height, width, rate, quantization);
      expect(plain.passes).toEqual(coded.passes);
      const damaged = coded.segment.slice();
      damaged[20] ^= 64;
      const outcome = (): unknown => withContexts.decode(damaged, height, width, rate, quantization).checksum;
      try {
        expect(outcome()).not.toBe(coded.checksum);
      } catch (error) {
        if (!(error instanceof CodecError)) throw error;
      }
    }
  });
});

describe('a draft', () => {
  it.each(['round', 'rdoq', 'tcq64'] as const)(
    'on onnxruntime has nearly the latents that %s leaves',
    async (name) => {
      const { entropyNetworks } = await createTransformEngine(model, 'onnxruntime', 1);
      const rate = ratePointOf(model, 60);
      const quantization = quantizationOf(model, name);
      const area = areaOf(4, 3, 10);
      const expected = entropy.encode(area, height, width, rate, quantization).passes;
      const found = await entropy.draft(area, height, width, rate, quantization, entropyNetworks!);
      expect(found.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
      const all = found.flatMap((values, pass) =>
        Array.from(values, (value, n) => value - expected[pass][n]),
      );
      // A rounding near a threshold changes an integer, and a trellis then chooses others behind it.
      const apart = all.filter((difference) => !(Math.abs(difference) <= 1e-3 * quantization.step)).length;
      expect(apart / all.length).toBeLessThan(name === 'tcq64' ? 0.1 : 0.01);
    },
  );

  it('answered by the exact networks has their latents to the bit', async () => {
    const weights = new ExactWeights(model.parameters);
    const rate = ratePointOf(model, 30);
    const quantization = quantizationOf(model, 'tcq8');
    const area = areaOf(5, 2);
    const asked: unknown[] = [];
    const found = await entropy.draft(
      area,
      height,
      width,
      rate,
      quantization,
      async (network, inputs, h, w) => {
        asked.push(network);
        return compileExact(entropyNetworkGraph(model.config, network, h, w).outputs, weights).run(inputs);
      },
    );
    expect(found).toEqual(entropy.encode(area, height, width, rate, quantization).passes);
    expect(asked).toEqual(['hyperSynthesis', 0, 1, 2, 3]);
  });
});
