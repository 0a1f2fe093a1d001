/**
 * Model files: what is written comes back, the id covers exactly what a decoder uses, and files that are damaged, of
 * another kind or inconsistent are refused by a FormatError that names what was expected.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../codec/model/load.js';
import { type ParsedModel, serializeModel } from '../../../codec/model/model-file.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { CodecError, FormatError, UsageError } from '../../../src/errors.js';
import { parseSafetensors, type SafeTensor, serializeSafetensors } from '../../../src/io/safetensors.js';
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
    expect(model.tables.latents.count).toBe(64);
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

describe('the model id', () => {
  const idWithout = async (name: string): Promise<string> => {
    const other = changed((tensors) => {
      const data = tensors.get(name)!.data;
      data[0] = (Number(data[0]) ^ 1) as never;
    });
    return (await loadModel(other)).id;
  };

  it.each(['analysis.in.weight', 'hyperAnalysis.out.bias', 'rate.analysisLatents'])(
    'does not depend on %s, which only encoders use',
    async (name) => {
      expect(await idWithout(name)).toBe(model.id);
    },
  );

  it.each(['synthesis.out.weight', 'hyperSynthesis.in.weight', 'context.3.in.bias', 'rate.synthesisLatents'])(
    'depends on %s',
    async (name) => {
      expect(await idWithout(name)).not.toBe(model.id);
    },
  );

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
      'missing tables',
      () => changed((tensors) => tensors.delete('tables.latents.first')),
      /tables\.latents\.first/,
    ],
    [
      'tables that do not add up',
      () =>
        changed((tensors) => {
          (tensors.get('tables.latents.frequencies')!.data as Uint16Array)[3] ^= 1;
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
        const [from, to] = ['tables.latents', 'tables.hyperLatents'];
        return changed((tensors) => {
          for (const part of ['frequencies', 'first', 'sizes']) {
            tensors.set(`${to}.${part}`, tensors.get(`${from}.${part}`)!);
          }
        });
      },
      /8 times 16 tables/,
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
