/** A small Llama through whole runs: interrupted, resumed, into every format, checked with other readers. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GGMLQuantizationType, gguf } from '@huggingface/gguf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../../src/errors.js';
import { parseSafetensors } from '../../../../src/io/safetensors.js';
import { compareCheckpoints } from '../../../../src/weights/files/compare.js';
import { entriesFromConfig, ggufOutput } from '../../../../src/weights/files/gguf-output.js';
import { type OutputFormat, safetensorsOutput, tlwOutput } from '../../../../src/weights/files/output.js';
import { planTensors } from '../../../../src/weights/files/plan.js';
import { journalFolder, quantizeCheckpoint } from '../../../../src/weights/files/quantize.js';
import { meetTarget } from '../../../../src/weights/files/target-rate.js';
import { parseRule } from '../../../../src/weights/filter.js';
import { elementCount } from '../../../../src/weights/layout.js';
import { parseScheme } from '../../../../src/weights/registry.js';
import { llamaTensors, smallLlama, writeLlama } from './llama.js';
import {
  checksums,
  contents,
  decodeGguf,
  floatsFile,
  sameBytes,
  signalToNoise,
  valuesOf,
  withCheckpoint,
  workplace,
} from './support.js';

// Machines that test are busy: runs read and write many small pieces.
const timeout = 180_000;

const place = workplace();
afterAll(() => place.remove());
const source = place.path('llama');
let original: Map<string, Float32Array>;
beforeAll(async () => {
  await writeLlama(source, smallLlama);
  original = await valuesOf(source);
});

const plain = { isFolder: false, packed: false, metadata: { format: 'pt' } };
const gguf32 = (): OutputFormat =>
  ggufOutput(entriesFromConfig({ model_type: 'llama', hidden_size: 256 }, 'small'));

interface Run {
  readonly format: OutputFormat;
  readonly scheme?: string;
  readonly rules?: readonly string[];
  readonly input?: string;
  readonly resume?: boolean;
  /** Ends with an error after so many tensors, as a run that is killed does. */
  readonly dieAfter?: number;
  readonly stopAfter?: number;
}

async function quantize(output: string, run: Run) {
  const computed: string[] = [];
  const stop = new AbortController();
  const result = await withCheckpoint(run.input ?? source, (checkpoint) => {
    const planned = planTensors(checkpoint, run.format, {
      rules: (run.rules ?? []).map(parseRule),
      fallback: parseScheme(run.scheme ?? 'int4'),
    });
    return quantizeCheckpoint(checkpoint, planned, {
      output,
      format: run.format,
      resume: run.resume,
      signal: stop.signal,
      onTensor({ tensor }) {
        computed.push(tensor.name);
        if (computed.length === run.stopAfter) stop.abort();
        if (computed.length === run.dieAfter) throw new Error('killed');
      },
    });
  });
  return { ...result, computed };
}

/** What is made by the first test that asks for it, so that each one runs alone too. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

describe('gguf', { timeout }, () => {
  const output = place.path('small.gguf');
  const rules = ['.*v_proj.*=q6_k', '.*layers\\.1\\..*up_proj.*=q4_0', '.*layers\\.1\\..*down_proj.*=q8_0'];
  const written = once(() => quantize(output, { format: gguf32(), scheme: 'q4_k', rules }));

  it('is read by another program, with the values that an independent decoder gives', async () => {
    const { reports, bytes } = await written();
    const file = readFileSync(output);
    expect(file.length).toBe(bytes);
    const { metadata, tensorInfos, tensorDataOffset } = await gguf(output, { allowLocalFile: true });
    expect(metadata).toMatchObject({
      version: 3,
      'general.architecture': 'llama',
      'general.quantization_version': 2,
      'general.alignment': 32,
      'llama.config.hidden_size': 256,
    });
    const own = await valuesOf(output);
    const seen = new Set<string>();
    expect(tensorInfos.map(({ name }) => name)).toEqual(llamaTensors(smallLlama).map(({ name }) => name));
    for (const { name, shape, dtype, offset } of tensorInfos) {
      const expected = llamaTensors(smallLlama).find((tensor) => tensor.name === name)!;
      expect(shape.map(Number).reverse()).toEqual(expected.shape);
      const type = GGMLQuantizationType[dtype];
      seen.add(type);
      const values = decodeGguf(
        type,
        file,
        Number(tensorDataOffset) + Number(offset),
        elementCount(expected.shape),
      );
      expect(sameBytes(own.get(name), values), name).toBe(true);
      const least = { Q4_0: 20.5, Q4_K: 22, Q6_K: 34, Q8_0: 44.5, F32: 1000, BF16: 1000 }[type]!;
      expect(signalToNoise(original.get(name)!, values), name).toBeGreaterThan(least);
    }
    expect([...seen].sort()).toEqual(['BF16', 'F32', 'Q4_0', 'Q4_K', 'Q6_K', 'Q8_0']);
    expect(reports).toHaveLength(14);
  });

  it('goes to another GGUF file with its metadata, and to .tlw without a change of values', async () => {
    await written();
    const tlw = place.path('from-gguf.tlw');
    await quantize(tlw, { format: tlwOutput({}), input: output });
    const values = await valuesOf(output);
    for (const [name, restored] of await valuesOf(tlw)) {
      expect(sameBytes(restored, values.get(name)), name).toBe(true);
    }
    const again = place.path('again.gguf');
    await withCheckpoint(output, async (checkpoint) => {
      const format = ggufOutput((checkpoint as unknown as { entries: never[] }).entries);
      const planned = planTensors(checkpoint, format, { rules: [] });
      await quantizeCheckpoint(checkpoint, planned, { output: again, format });
    });
    const { metadata } = await gguf(again, { allowLocalFile: true });
    expect(metadata).toMatchObject({ 'general.architecture': 'llama', 'general.name': 'small' });
    for (const [name, restored] of await valuesOf(again)) {
      expect(sameBytes(restored, values.get(name)), name).toBe(true);
    }
  });

  it('takes narrower blocks for rows that do not fit, and says so', async () => {
    const input = place.path('odd.safetensors');
    writeFileSync(
      input,
      floatsFile({ a: [[2, 96], new Array(192).fill(0.5)], b: [[2, 10], new Array(20).fill(1)] }),
    );
    await withCheckpoint(input, async (checkpoint) => {
      const plan = (rules: string[]) =>
        planTensors(checkpoint, gguf32(), { rules: rules.map(parseRule), fallback: parseScheme('q4_k') });
      const [a] = plan(['b=none']);
      expect([a.choice!.scheme.name, a.instead]).toEqual(['q5_0', 'q4_k']);
      expect(() => plan([])).toThrow(/tensor b: expected rows of a multiple of 32 for Q4_K, got 10; keep it/);
    });
    await expect(quantize(place.path('x.gguf'), { format: gguf32(), scheme: 'int4' })).rejects.toThrow(
      /gguf: expected a scheme with a GGUF type/,
    );
  });
});

const kinds = [
  ['gguf', 'q8_0', gguf32],
  ['tlw', 'int4', () => tlwOutput({ format: 'pt' })],
  ['safetensors', 'int3::32', () => safetensorsOutput(plain)],
  ['packed', 'nf4', () => safetensorsOutput({ ...plain, packed: true })],
  ['words', 'int4', () => safetensorsOutput({ ...plain, isFolder: true, packed: true })],
  ['folder', 'nf4', () => safetensorsOutput({ ...plain, isFolder: true })],
] as const;

/** A run of each kind that nothing disturbs. */
const wholes = Object.fromEntries(
  kinds.map(([kind, scheme, format]) => [
    kind,
    once(async () => {
      const path = place.path(`whole-${kind}`);
      return { path, ...(await quantize(path, { format: format(), scheme })) };
    }),
  ]),
);

describe.each(kinds)('a run into %s', { timeout }, (kind, scheme, format) => {
  it('that is stopped, killed and damaged goes on with the same bytes', async () => {
    const all = await wholes[kind]();
    expect(all.finished).toBe(true);
    const output = place.path(`resumed-${kind}`);
    const stopped = await quantize(output, { format: format(), scheme, stopAfter: 7 });
    expect(stopped.finished).toBe(false);
    expect(stopped.computed).toHaveLength(7);
    const partial = journalFolder(output);
    await expect(quantize(output, { format: format(), scheme })).rejects.toThrow(/holds an interrupted run/);
    await expect(quantize(output, { format: format(), scheme: 'int8', resume: true })).rejects.toThrow(
      UsageError,
    );
    await expect(quantize(output, { format: format(), scheme, resume: true, dieAfter: 16 })).rejects.toThrow(
      'killed',
    );
    // What a kill in the middle of a write leaves: bytes without a record, and half a record.
    appendFileSync(
      join(partial, existsSync(join(partial, 'data-1.bin')) ? 'data-1.bin' : 'data-0.bin'),
      'half a tensor',
    );
    appendFileSync(join(partial, 'records.jsonl'), '{"tensor":16,"part":{"na');
    const resumed = await quantize(output, { format: format(), scheme, resume: true });
    expect(resumed.finished).toBe(true);
    expect(resumed.reports).toEqual(all.reports);
    expect(resumed.bytes).toBe(all.bytes);
    expect(checksums(output)).toEqual(checksums(all.path));
    expect(existsSync(partial)).toBe(false);
  });

  it('keeps what is kept, and holds the values that its report says', async () => {
    const { path, reports } = await wholes[kind]();
    const values = await valuesOf(path);
    expect([...values.keys()].sort()).toEqual([...original.keys()].sort());
    const kept = ['model.embed_tokens.weight', 'lm_head.weight', 'model.norm.weight'];
    for (const name of kept) expect(sameBytes(values.get(name), original.get(name)), name).toBe(true);
    const name = 'model.layers.1.mlp.up_proj.weight';
    const { sqnr } = reports.find((report) => report.name === name)!;
    // Dequantized values are rounded to bf16 on their way into safetensors.
    expect(Math.abs(signalToNoise(original.get(name)!, values.get(name)!) - sqnr)).toBeLessThan(0.01);
  });

  it('compares with its source', async () => {
    const { path } = await wholes[kind]();
    await withCheckpoint(source, (before) =>
      withCheckpoint(path, async (after) => {
        const { tensors, skipped, quantized, whole } = await compareCheckpoints(before, after);
        expect(skipped).toEqual([]);
        expect(tensors).toHaveLength(original.size);
        expect(tensors.filter((tensor) => tensor.quantized)).toHaveLength(14);
        expect(whole.bits).toBe(8 * after.fileBytes);
        expect(quantized.weights).toBe(quantizedWeights());
        expect(quantized.sqnr).toBeGreaterThan(12);
        expect(quantized.sqnr).toBeLessThan(46);
        expect(whole.sqnr).toBeGreaterThan(quantized.sqnr);
        expect(quantized.cosine).toBeCloseTo(Math.sqrt(1 - 10 ** (-quantized.sqnr / 10)), 2);
      }),
    );
  });
});

const quantizedWeights = (): number =>
  llamaTensors(smallLlama)
    .filter(({ name }) => name.includes('proj'))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);

describe('a folder of shards', { timeout }, () => {
  it('keeps its files and what lies beside them', async () => {
    const written = contents((await wholes.folder()).path);
    expect(Object.keys(written).sort()).toEqual([
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    const index = JSON.parse(written['model.safetensors.index.json'].toString());
    const before = JSON.parse(contents(source)['model.safetensors.index.json'].toString());
    expect(Object.keys(index.weight_map).sort()).toEqual(Object.keys(before.weight_map).sort());
    expect(index.metadata).toEqual(before.metadata);
  });
});

describe('packed whole numbers', { timeout }, () => {
  it('have the names and the layout of compressed-tensors', async () => {
    const { path: folder } = await wholes.words();
    const config = JSON.parse(contents(folder)['config.json'].toString());
    expect(config.model_type).toBe('llama');
    expect(config.quantization_config).toMatchObject({
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      config_groups: {
        group_0: { weights: { num_bits: 4, strategy: 'group', group_size: 64, symmetric: true } },
      },
      ignore: ['model.embed_tokens', 'lm_head'],
    });
    const shard = contents(folder)['model-00002-of-00002.safetensors'];
    const { tensors } = parseSafetensors(new Uint8Array(shard));
    const name = 'model.layers.1.mlp.down_proj.weight';
    const [packed, scale, shape] = ['_packed', '_scale', '_shape'].map(
      (suffix) => tensors.get(name + suffix)!,
    );
    expect([packed.dtype, packed.shape]).toEqual(['I32', [256, 64]]);
    expect([scale.dtype, scale.shape]).toEqual(['F32', [256, 8]]);
    expect(Array.from(shape.data as BigInt64Array)).toEqual([256n, 512n]);
    const values = (await valuesOf(folder)).get(name)!;
    for (let i = 0; i < values.length; i += 97) {
      const [row, column] = [Math.floor(i / 512), i % 512];
      const word = (packed.data as Int32Array)[row * 64 + (column >> 3)];
      const code = ((word >>> (4 * (column & 7))) & 15) - 8;
      expect(values[i]).toBe(Math.fround(code * (scale.data as Float32Array)[row * 8 + (column >> 6)]) + 0);
    }
  });

  it("are left to the scheme's own packing where groups do not divide rows, and count what the file has", async () => {
    const input = place.path('odd.safetensors');
    const columns = { odd: 96, even: 128 };
    const values = (count: number): number[] =>
      Array.from({ length: count }, (_, i) => Math.sin(i * i) * (i % 96 < 48 ? 1 : 20));
    const tensors = Object.entries(columns).map(([name, width]) => [
      `${name}.weight`,
      [[4, width], values(4 * width)],
    ]);
    writeFileSync(input, floatsFile(Object.fromEntries(tensors)));
    const output = place.path('odd-packed.safetensors');
    const { reports } = await quantize(output, {
      input,
      format: safetensorsOutput({ ...plain, packed: true }),
    });
    const [before, after] = [await valuesOf(input), await valuesOf(output)];
    for (const { name, sqnr, bits } of reports) {
      expect(signalToNoise(before.get(name)!, after.get(name)!), name).toBeCloseTo(sqnr, 4);
      await withCheckpoint(output, async ({ tensors }) => {
        expect(8 * tensors.find((tensor) => tensor.name === name)!.bytes, name).toBe(bits);
      });
    }
    // Four rows of sixteen words, two scales each, and the shape.
    expect(reports.find(({ name }) => name === 'even.weight')!.bits).toBe(8 * (4 * 16 * 4 + 4 * 2 * 4 + 16));
    const again = place.path('odd.tlw');
    const rules = ['.*=tcq8:3'];
    await quantize(again, { input: output, format: tlwOutput({}), rules });
    expect([...(await valuesOf(again)).keys()].sort()).toEqual(['even.weight', 'odd.weight']);
  });
});

it('an output that is the input by another name is refused, and the input left as it is', async () => {
  const folder = place.path('own');
  mkdirSync(folder);
  const input = join(folder, 'model.safetensors');
  writeFileSync(input, floatsFile({ 'a.weight': [[2, 64], Array.from({ length: 128 }, (_, i) => i)] }));
  symlinkSync(folder, place.path('link'));
  const before = checksums(folder);
  const whole = safetensorsOutput({ ...plain, isFolder: true });
  const own = /expected another place than the input's, which it would replace/;
  await expect(quantize(folder, { input, format: whole })).rejects.toThrow(own);
  await expect(quantize(place.path('link'), { input: folder, format: whole })).rejects.toThrow(own);
  await expect(
    quantize(join(place.path('link'), 'model.safetensors'), { input, format: safetensorsOutput(plain) }),
  ).rejects.toThrow(own);
  expect(checksums(folder)).toEqual(before);
});

describe('a target of bits per weight', { timeout }, () => {
  const planFor = (scheme: string, target: number, format: OutputFormat = safetensorsOutput(plain)) =>
    withCheckpoint(source, async (checkpoint) =>
      meetTarget(
        checkpoint,
        format,
        planTensors(checkpoint, format, { rules: [], fallback: parseScheme(scheme) }),
        target,
      ),
    );

  it('mixes widths of one scheme, and schemes of one family', async () => {
    for (const [scheme, target, format] of [
      ['hqq', 4, undefined],
      ['int4', 4.5, undefined],
      ['q4_k', 5, gguf32()],
      // Scales of four bytes, where the scheme counts two: what counts is what the file has.
      ['int4', 5, safetensorsOutput({ ...plain, packed: true })],
    ] as const) {
      const all = await planFor(scheme, target, format);
      const planned = all.filter(({ choice }) => choice);
      const output = place.path(`target-${scheme}-${target}`);
      const total = await withCheckpoint(source, async (checkpoint) => {
        const own = all.map((one) => ({ ...one, tensor: checkpoint.tensors[one.index] }));
        return quantizeCheckpoint(checkpoint, own, { output, format: format ?? safetensorsOutput(plain) });
      });
      const bits = total.reports.reduce((sum, report) => sum + report.bits, 0);
      expect(bits / quantizedWeights()).toBeLessThanOrEqual(target);
      expect(bits / quantizedWeights()).toBeGreaterThan(target - 0.3);
      expect(
        new Set(planned.map(({ choice }) => choice!.options.bits ?? choice!.scheme.name)).size,
      ).toBeGreaterThan(1);
    }
  });

  it('refuses fewer bits than there are', async () => {
    await expect(planFor('int4', 1)).rejects.toThrow(
      /--target-bpw: expected at least 2\.\d+ bits per weight/,
    );
  });
});

it('refuses weights that are not finite, with the name of the tensor', async () => {
  const input = place.path('nan.safetensors');
  writeFileSync(
    input,
    floatsFile({
      'fine.weight': [
        [1, 4],
        [1, 2, 3, 4],
      ],
      'bad.weight': [
        [2, 2],
        [1, 2, Number.NaN, 4],
      ],
    }),
  );
  const run = quantize(place.path('nan.tlw'), { format: tlwOutput({}), input });
  await expect(run).rejects.toThrow(/tensor bad\.weight: expected finite weights, got NaN at 2/);
});
