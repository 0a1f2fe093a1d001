/**
 * Model files: what is written comes back, the id covers exactly what a decoder uses, and files that are damaged, of
 * another kind or inconsistent are refused by a FormatError that names what was expected.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type HyperContexts, TableSet } from '../../../codec/entropy/index.js';
import { isTrellisCoded, quantizerIds } from '../../../codec/format/index.js';
import { loadModel } from '../../../codec/model/load.js';
import { type ParsedModel, serializeModel } from '../../../codec/model/model-file.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { networkConfigs } from '../../../codec/networks/config.js';
import { CodecError, FormatError, UsageError } from '../../../src/errors.js';
import { parseSafetensors, type SafeTensor, serializeSafetensors } from '../../../src/io/safetensors.js';
import { Random } from '../../../src/training/random.js';
import { damageBytes } from '../../fuzz/mutations.js';
import { tinyModelBytes } from '../../golden/cases.js';
import { hash, hashStream } from '../../golden/pictures.js';

const bytes = tinyModelBytes();
let model: ParsedModel;

beforeAll(async () => {
  model = await loadModel(bytes);
});

type Tensors = Map<string, SafeTensor>;
type Metadata = Record<string, string>;

/** The model's bytes after a change of its tensors or metadata. */
function changed(change: (tensors: Tensors, metadata: Metadata) => void): Uint8Array {
  const { tensors, metadata } = parseSafetensors(bytes.slice());
  const copy = { ...metadata };
  change(tensors, copy);
  return serializeSafetensors(tensors, copy);
}

const withConfig = (change: Record<string, unknown>): Uint8Array =>
  changed((_, metadata) => {
    metadata.config = JSON.stringify({ ...JSON.parse(metadata.config), ...change });
  });

describe('serializeModel and loadModel', () => {
  it('give the same bytes again', () => {
    expect(Buffer.compare(serializeModel(model, coderSpecs(model.config)), bytes)).toBe(0);
  });

  it('hold the networks, the tables and the card', () => {
    expect(model.config.name).toBe('tiny');
    expect(model.tables.scales).toBe(64);
    expect([...model.tables.quantizers.keys()]).toEqual(Object.keys(quantizerIds));
    for (const [name, { tables, step, offsets, lagrangian }] of model.tables.quantizers) {
      expect(tables.count, name).toBe(isTrellisCoded(name) ? 128 : 64);
      expect(offsets.length, name).toBe(3 * tables.count);
      expect([Math.fround(step), Math.fround(lagrangian)], name).toEqual([step, lagrangian]);
    }
    expect(model.tables.hyperLatents.count).toBe(model.config.ratePoints * model.config.hyperLatents);
    expect(Object.keys(model.card)).toContain('steps');
    for (const [name, { shape }] of coderSpecs(model.config)) {
      const size = shape.reduce((product, side) => product * side, 1);
      expect(model.parameters.get(name)?.length, name).toBe(size);
    }
  });

  it('keep a file loaded by path, but not one that failed', async () => {
    const path = new URL('../../golden/tiny.safetensors', import.meta.url).pathname;
    expect(await loadModel(path)).toBe(await loadModel(path));
    await expect(loadModel('/nowhere/model.safetensors')).rejects.toBeInstanceOf(UsageError);
    await expect(loadModel('no-such-model')).rejects.toBeInstanceOf(UsageError);
  });
});

describe('contexts of hyper-latents', () => {
  const { hyperLatents: channels, ratePoints } = networkConfigs.tiny;
  const random = Random.of(3);
  const whole = (most: number): number => random.integer(2 * most + 1) - most;
  const hyperContexts = {
    weights: Int16Array.from({ length: 3 * channels * channels }, () => whole(2 ** 15 - 1)),
    thresholds: Int32Array.from(
      { length: 2 * channels },
      (_, n) => (n % 2 ? 1 : -1) * random.integer(2 ** 31),
    ),
  };
  const tables = (count: number): TableSet => {
    const one = { firstSymbol: -1, frequencies: Uint32Array.of(16384, 32768, 8192, 8192) };
    return TableSet.fromTables(Array.from({ length: count }, () => one));
  };
  const count = 3 * ratePoints * channels;
  const withContexts = (change: Partial<HyperContexts> = {}, tableCount = count): Uint8Array => {
    const changedContexts = { ...hyperContexts, ...change };
    const own = { ...model.tables, hyperLatents: tables(tableCount), hyperContexts: changedContexts };
    return serializeModel({ ...model, tables: own }, coderSpecs(model.config));
  };

  it('are in the file, and make another model', async () => {
    const found = await loadModel(withContexts());
    expect(found.tables.hyperContexts).toEqual(hyperContexts);
    expect(found.tables.hyperLatents.count).toBe(count);
    expect(found.id).not.toBe(model.id);
    const weights = hyperContexts.weights.slice();
    weights[0] ^= 1;
    expect((await loadModel(withContexts({ weights }))).id).not.toBe(found.id);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'too few weights',
      () => {
        const { tensors, metadata } = parseSafetensors(withContexts());
        tensors.set('hyperContexts.weights', { dtype: 'I16', shape: [48], data: new Int16Array(48) });
        return serializeSafetensors(tensors, metadata);
      },
      /768 values for hyperContexts\.weights, got 48/,
    ],
    [
      'thresholds that fall',
      () => withContexts({ thresholds: hyperContexts.thresholds.map((value) => -value) }),
      /16 ascending rows of at most 255/,
    ],
    ['tables of other contexts', () => withContexts({}, 128), /8 times 16 times 3 tables .*, got 128/],
    [
      'more contexts than a table index can say',
      () => withContexts({ thresholds: new Int32Array(channels * 256) }, 8 * 16 * 257),
      /16 ascending rows of at most 255/,
    ],
  ])('with %s are refused', async (_, file, message) => {
    await expect((async () => loadModel(file()))()).rejects.toThrow(message);
  });
});

describe('the model id', () => {
  const idWithout = async (name: string): Promise<string> => {
    const other = changed((tensors) => {
      const data = tensors.get(name)!.data;
      data[0] = (data instanceof Float32Array ? 2 * data[0] + 1 : Number(data[0]) ^ 1) as never;
    });
    return (await loadModel(other)).id;
  };

  it.each([
    'analysis.in.weight',
    'hyperAnalysis.out.bias',
    'rate.analysisLatents',
    'quantizers.rdoq.lagrangian',
    'quantizers.tcq8.lagrangian',
  ])('does not depend on %s, which only encoders use', async (name) => {
    expect(await idWithout(name)).toBe(model.id);
  });

  it.each([
    'synthesis.out.weight',
    'hyperSynthesis.in.weight',
    'context.3.in.bias',
    'rate.synthesisLatents',
    'quantizers.tcq8.step',
    'quantizers.round.step',
    'quantizers.tcq8.offsets',
    'quantizers.round.offsets',
  ])('depends on %s', async (name) => {
    expect(await idWithout(name)).not.toBe(model.id);
  });

  it('depends on the tables of every quantizer', async () => {
    const ids = new Set([model.id]);
    for (const name of Object.keys(quantizerIds)) {
      const file = changed((tensors) => {
        const { data } = tensors.get(`quantizers.${name}.frequencies`)!;
        const sizes = tensors.get(`quantizers.${name}.sizes`)!.data as Int32Array;
        // The middle of the last table can spare a unit for its neighbour.
        const middle = data.length - (sizes[sizes.length - 1] >> 1);
        data[middle] = (Number(data[middle]) - 1) as never;
        data[middle + 1] = (Number(data[middle + 1]) + 1) as never;
      });
      ids.add((await loadModel(file)).id);
    }
    expect(ids.size).toBe(1 + Object.keys(quantizerIds).length);
  });

  it('depends on the tables and not on the card', async () => {
    const tables = changed((tensors) => {
      (tensors.get('tables.firstCoded')!.data as Int32Array)[0] = 1;
    });
    expect((await loadModel(tables)).id).not.toBe(model.id);
    const card = changed((_, metadata) => {
      metadata.card = '{"name":"renamed"}';
    });
    expect((await loadModel(card)).id).toBe(model.id);
  });
});

describe('quantizers', () => {
  const without = (name: string): Uint8Array =>
    changed((tensors) => {
      for (const tensor of [...tensors.keys()]) {
        if (tensor.startsWith(`quantizers.${name}.`)) tensors.delete(tensor);
      }
    });

  it('may be missing: such a model loads, and says so when it is asked for them', async () => {
    const file = without('tcq8');
    const fewer = await loadModel(file);
    expect([...fewer.tables.quantizers.keys()]).toEqual(
      Object.keys(quantizerIds).filter((name) => name !== 'tcq8'),
    );
    expect(fewer.id).not.toBe(model.id);
    expect(Buffer.compare(serializeModel(fewer, coderSpecs(fewer.config)), file)).toBe(0);
  });

  it('of a later version are left alone, but count for the id', async () => {
    const file = changed((tensors) => {
      for (const part of ['frequencies', 'first', 'sizes', 'step', 'offsets', 'lagrangian']) {
        tensors.set(`quantizers.tcq2048.${part}`, tensors.get(`quantizers.tcq64.${part}`)!);
      }
    });
    const later = await loadModel(file);
    expect([...later.tables.quantizers.keys()]).toEqual([...model.tables.quantizers.keys()]);
    expect(later.id).not.toBe(model.id);
  });
});

const settingOf =
  (name: string, value: number): (() => Uint8Array) =>
  () =>
    changed((tensors) => {
      tensors.get(name)!.data[0] = value as never;
    });

describe('loadModel refuses', () => {
  const cases: [what: string, file: () => Uint8Array, message: RegExp][] = [
    ['no bytes', () => new Uint8Array(0), /safetensors/],
    ['a truncated file', () => bytes.subarray(0, 100_000), /safetensors/],
    ['another kind of file', () => serializeSafetensors(new Map(), { kind: 'x' }), /expected a file of kind/],
    ['a file without kind', () => serializeSafetensors(new Map()), /got none/],
    [
      'a missing configuration',
      () =>
        changed((_, metadata) => {
          delete metadata.config;
        }),
      /configuration: .*got none/,
    ],
    [
      'a configuration that is no JSON',
      () =>
        changed((_, metadata) => {
          metadata.config = '{';
        }),
      /configuration: .*got "\{"/,
    ],
    [
      'a model card that is no JSON',
      () =>
        changed((_, metadata) => {
          metadata.card = 'made by hand';
        }),
      /model card/,
    ],
    [
      'latents that are no multiple of 4',
      () => withConfig({ latents: 50 }),
      /multiple of 4.*latents, got 50/,
    ],
    ['a size that is no number', () => withConfig({ channels: '32' }), /channels, got "32"/],
    ['a missing size', () => withConfig({ context: undefined }), /context, got undefined/],
    ['one rate point', () => withConfig({ ratePoints: 1 }), /ratePoints, got 1/],
    ['an absurd size', () => withConfig({ blocks: 1e9 }), /blocks, got 1000000000/],
    ['a size that does not fit the tensors', () => withConfig({ channels: 16 }), /values for analysis\.in/],
    [
      'a missing tensor',
      () => changed((tensors) => tensors.delete('synthesis.out.bias')),
      /synthesis\.out\.bias .*got none/,
    ],
    [
      'a weight that is no number',
      () =>
        changed((tensors) => {
          (tensors.get('context.0.in.bias')!.data as Uint16Array)[1] = 0x7e00;
        }),
      /finite values for context\.0\.in\.bias, got NaN at 1/,
    ],
    [
      'an infinite gain',
      () =>
        changed((tensors) => {
          const { data } = tensors.get('rate.synthesisLatents')!;
          data[0] = data instanceof Uint16Array ? 0x7c00 : Number.POSITIVE_INFINITY;
        }),
      /finite values for rate\.synthesisLatents, got Infinity at 0/,
    ],
    [
      'missing tables',
      () => changed((tensors) => tensors.delete('quantizers.tcq8.first')),
      /quantizers\.tcq8\.first/,
    ],
    [
      'a missing step',
      () => changed((tensors) => tensors.delete('quantizers.tcq8.step')),
      /quantizers\.tcq8\.step of type F32, got none/,
    ],
    ['a step of 0', settingOf('quantizers.tcq8.step', 0), /step of tcq8 above 0, got 0/],
    ['a negative step', settingOf('quantizers.round.step', -1), /step of round above 0, got -1/],
    ['an infinite step', settingOf('quantizers.rdoq.step', Infinity), /step of rdoq above 0, got Infinity/],
    ['a step that is no number', settingOf('quantizers.tcq64.step', Number.NaN), /step of tcq64/],
    [
      'missing offsets',
      () => changed((tensors) => tensors.delete('quantizers.tcq8.offsets')),
      /quantizers\.tcq8\.offsets of type F32, got none/,
    ],
    [
      'offsets of fewer tables',
      () =>
        changed((tensors) => {
          tensors.set('quantizers.tcq8.offsets', tensors.get('quantizers.rdoq.offsets')!);
        }),
      /3 finite offsets for every table of tcq8/,
    ],
    [
      'an offset that is no number',
      settingOf('quantizers.tcq8.offsets', Number.NaN),
      /3 finite offsets for every table of tcq8/,
    ],
    [
      'a negative price of a bit',
      settingOf('quantizers.tcq4.lagrangian', -1),
      /Lagrangian of tcq4 of at least 0, got -1/,
    ],
    [
      'a price of a bit that is no number',
      settingOf('quantizers.tcq4.lagrangian', Number.NaN),
      /Lagrangian of tcq4 of at least 0, got NaN/,
    ],
    ['no scales', settingOf('tables.scales', 0), /1 to 256 scales, got 0/],
    ['more scales than bytes can say', settingOf('tables.scales', 257), /1 to 256 scales, got 257/],
    ['tables of another number of scales', settingOf('tables.scales', 63), /63 tables of round, got 64/],
    [
      'a trellis-coded quantizer with one table per scale',
      () =>
        changed((tensors) => {
          for (const part of ['frequencies', 'first', 'sizes']) {
            tensors.set(`quantizers.tcq16.${part}`, tensors.get(`quantizers.rdoq.${part}`)!);
          }
        }),
      /128 tables of tcq16, got 64/,
    ],
    [
      'a model of the first kind',
      () =>
        changed((_, metadata) => {
          metadata.kind = 'trellis-codec model 1';
        }),
      /kind "?trellis-codec model 2"?.*got.*model 1/,
    ],
    [
      'tables that do not add up',
      () =>
        changed((tensors) => {
          (tensors.get('quantizers.tcq8.frequencies')!.data as Uint16Array)[3] ^= 1;
        }),
      /sum|frequency/,
    ],
    [
      'the first coded index beyond the tables',
      () =>
        changed((tensors) => {
          (tensors.get('tables.firstCoded')!.data as Int32Array)[0] = 65;
        }),
      /firstCoded, got 65/,
    ],
    [
      'scale indices that are no numbers',
      () =>
        changed((tensors) => {
          (tensors.get('tables.scaleIndex')!.data as Float32Array)[1] = Number.NaN;
        }),
      /scaleIndex/,
    ],
    [
      'tables of another number of rate points',
      () => {
        const [from, to] = ['quantizers.rdoq', 'tables.hyperLatents'];
        return changed((tensors) => {
          for (const part of ['frequencies', 'first', 'sizes']) {
            tensors.set(`${to}.${part}`, tensors.get(`${from}.${part}`)!);
          }
        });
      },
      /8 times 16 times 1 tables/,
    ],
  ];

  it.each(cases)('%s', async (_, file, message) => {
    const refused = loadModel(file());
    await expect(refused).rejects.toBeInstanceOf(FormatError);
    await expect(refused).rejects.toThrow(message);
  });

  it('or accepts 300 damaged files, but never fails otherwise', async () => {
    for (let index = 0; index < 300; index++) {
      const next = hashStream(hash(11, index));
      // The first 8 kB are header: names, types, shapes, metadata.
      const start = index % 2 ? 8192 : bytes.length;
      const head = damageBytes(bytes.subarray(0, start), next, bytes);
      const damaged = new Uint8Array(head.length + bytes.length - start);
      damaged.set(head);
      damaged.set(bytes.subarray(start), head.length);
      await loadModel(damaged).catch((error) => {
        if (!(error instanceof CodecError)) throw new Error(`case ${index}: ${error}`, { cause: error });
      });
    }
  });
});
