/** Headers and indices of safetensors, GGUF and .tlw: what is read, and what is refused with one line. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CodecError, FormatError, IntegrityError, UnsupportedError } from '../../../../src/errors.js';
import { crc32c } from '../../../../src/io/crc32c.js';
import { type SafeTensor, safetensorsHeader, serializeSafetensors } from '../../../../src/io/safetensors.js';
import {
  type GgufEntry,
  ggufHeader,
  ggufTypes,
  parseGgufHeader,
} from '../../../../src/weights/files/gguf.js';
import { openCheckpoint } from '../../../../src/weights/files/open.js';
import { tlwOutput } from '../../../../src/weights/files/output.js';
import { planTensors } from '../../../../src/weights/files/plan.js';
import { quantizeCheckpoint } from '../../../../src/weights/files/quantize.js';
import {
  chunkEnd,
  chunkHead,
  chunkStart,
  chunkTail,
  type TlwEntry,
  type TlwHead,
  tlwEnd,
  tlwHeadBytes,
  tlwStart,
  typeChecksum,
} from '../../../../src/weights/files/tlw.js';
import { parseScheme, schemeOf } from '../../../../src/weights/registry.js';
import { floatsFile, valuesOf, withCheckpoint, workplace } from './support.js';

const place = workplace();
afterAll(() => place.remove());

/** Opens bytes as a file; the error of that, if there is one. */
async function refused(name: string, bytes: Uint8Array): Promise<Error | undefined> {
  writeFileSync(place.path(name), bytes);
  try {
    await (await openCheckpoint(place.path(name))).close();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

describe('safetensors', () => {
  const header = (text: string, data: number): Uint8Array => {
    const bytes = new Uint8Array(8 + text.length + data);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(new TextEncoder().encode(text), 8);
    return bytes;
  };
  const tensor = (name: string, begin: number, end: number) =>
    `"${name}":{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]}`;

  it.each([
    [
      'a hole',
      `{${tensor('a', 0, 4)},${tensor('b', 8, 12)}}`,
      12,
      /"b" to begin at byte 4 but it begins at 8/,
    ],
    [
      'an overlap',
      `{${tensor('a', 0, 8)},${tensor('b', 4, 12)}}`,
      12,
      /"b" to begin at byte 8 but it begins at 4/,
    ],
    [
      'missing data',
      `{${tensor('a', 0, 8)}}`,
      4,
      /Expected 8 bytes of safetensors data but the file holds 4/,
    ],
    ['other text', '{"a":', 0, /Expected JSON/],
  ])('with %s are refused', async (_, text, data, reason) => {
    const error = await refused('bad.safetensors', header(text, data));
    expect(error).toBeInstanceOf(FormatError);
    expect(error!.message).toMatch(/^\S+bad\.safetensors: [^\n]*$/);
    expect(error!.message).toMatch(reason);
  });

  it('with a header longer than the file or the limit are refused before it is read', async () => {
    const bytes = header('{}', 0);
    new DataView(bytes.buffer).setBigUint64(0, 2n ** 62n, true);
    expect((await refused('long.safetensors', bytes))!.message).toMatch(
      /header of at most 2 bytes, the file declares/,
    );
    expect((await refused('short.safetensors', bytes.subarray(0, 5)))!.message).toMatch(
      /at least 8 bytes, got 5/,
    );
  });

  it('of other element types go through untouched', async () => {
    const data: [string, SafeTensor][] = [
      ['count', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-5n, 7n) }],
      ['eight', { dtype: 'F8_E4M3', shape: [2, 2], data: Uint8Array.of(1, 2, 3, 4) }],
      ['w', { dtype: 'F16', shape: [2, 2], data: Uint16Array.of(0x3c00, 0x4000, 0, 0xbc00) }],
    ];
    writeFileSync(place.path('mixed.safetensors'), serializeSafetensors(new Map(data)));
    const output = place.path('mixed.tlw');
    await withCheckpoint(place.path('mixed.safetensors'), async (source) => {
      const format = tlwOutput(source.metadata);
      const planned = planTensors(source, format, { rules: [], fallback: parseScheme('int8') });
      expect(planned.filter(({ choice }) => choice).map(({ tensor }) => tensor.name)).toEqual(['w']);
      await quantizeCheckpoint(source, planned, { output, format });
    });
    await withCheckpoint(output, async (checkpoint) => {
      for (const [name, { data: values }] of data.slice(0, 2)) {
        const stored = checkpoint.tensors.find((one) => one.name === name)!;
        const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
        const pieces: Uint8Array[] = [];
        for await (const piece of checkpoint.pieces(stored)) pieces.push(piece.slice());
        expect(Buffer.concat(pieces)).toEqual(bytes);
      }
    });
  });

  it('in shards are read by their index, which has to agree with them', async () => {
    const folder = place.path('shards');
    mkdirSync(folder);
    const put = (name: string, bytes: Uint8Array | string) =>
      writeFileSync(place.path('shards', name), bytes);
    put('model-00001-of-00002.safetensors', floatsFile({ a: [[2], [1, 2]] }));
    put(
      'model-00002-of-00002.safetensors',
      floatsFile({
        b: [
          [1, 2],
          [3, 4],
        ],
      }),
    );
    const index = (map: Record<string, unknown>) =>
      put('model.safetensors.index.json', JSON.stringify({ metadata: {}, weight_map: map }));
    const [one, two] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    index({ a: one, b: two });
    expect([...(await valuesOf(folder))]).toEqual([
      ['a', Float32Array.of(1, 2)],
      ['b', Float32Array.of(3, 4)],
    ]);
    const fails = async (reason: RegExp) => expect(openCheckpoint(folder)).rejects.toThrow(reason);
    index({ a: two, b: two });
    await fails(/expected tensor b|expected tensor a/);
    index({ a: one, b: two, c: two });
    await fails(/expected tensor c in model-00002-of-00002.safetensors, which does not have it/);
    index({ a: one, b: '../b.safetensors' });
    await fails(/expected the name of a file for tensor b/);
    index({ a: one, b: 'none.safetensors' });
    await fails(/none\.safetensors: cannot be read/);
    put('model.safetensors.index.json', '{"weight_map":[]}');
    await fails(/expected an object for weight_map/);
    put('model.safetensors.index.json', '{');
    await fails(/expected JSON/);
  });

  it('write a header for names that look like numbers, and none twice', () => {
    const one = { name: '10', dtype: 'U8', shape: [1], bytes: 1 };
    expect(() => safetensorsHeader([one, one], {})).toThrow(/name of its own for tensor "10"/);
  });
});

const metadata: GgufEntry[] = [
  { key: 'general.architecture', type: 'string', value: 'llama' },
  { key: 'a.u8', type: 'uint8', value: 200 },
  { key: 'a.i8', type: 'int8', value: -100 },
  { key: 'a.u16', type: 'uint16', value: 60000 },
  { key: 'a.i16', type: 'int16', value: -30000 },
  { key: 'a.i32', type: 'int32', value: -2000000000 },
  { key: 'a.f32', type: 'float32', value: 0.5 },
  { key: 'a.bool', type: 'bool', value: true },
  { key: 'a.u64', type: 'uint64', value: 2n ** 60n },
  { key: 'a.i64', type: 'int64', value: -(2n ** 60n) },
  { key: 'a.f64', type: 'float64', value: 1e-300 },
  { key: 'a.words', type: 'array', value: { type: 'string', values: ['ein', 'zwei ü'] } },
  {
    key: 'a.nested',
    type: 'array',
    value: {
      type: 'array',
      values: [
        { type: 'int32', values: [1, -2] },
        { type: 'int32', values: [] },
      ],
    },
  },
];
const q8 = ggufTypes.find(({ name }) => name === 'Q8_0')!;
const f32 = ggufTypes.find(({ name }) => name === 'F32')!;
const tensors = [
  { name: 'a.weight', shape: [3, 32], type: q8, bytes: 102 },
  { name: 'b', shape: [5], type: f32, bytes: 20 },
  { name: 'c', shape: [], type: f32, bytes: 4 },
];

function ggufFile(alignment = 32): Uint8Array {
  const entry: GgufEntry = { key: 'general.alignment', type: 'uint32', value: alignment };
  const header = ggufHeader([...metadata, entry], tensors, alignment);
  const data = tensors.reduce((sum, { bytes }) => Math.ceil((sum + bytes) / alignment) * alignment, 0);
  const bytes = new Uint8Array(header.length + data);
  bytes.set(header);
  return bytes;
}

describe('gguf', () => {
  it.each([1, 8, 32, 64])('gives back metadata of every type and tensors, aligned to %d', (alignment) => {
    const bytes = ggufFile(alignment);
    const header = parseGgufHeader(bytes, bytes.length)!;
    expect(header.metadata.slice(0, -1)).toEqual(metadata);
    expect(header.tensors.map(({ name, shape, type }) => [name, shape, type.name])).toEqual([
      ['a.weight', [3, 32], 'Q8_0'],
      ['b', [5], 'F32'],
      ['c', [1], 'F32'],
    ]);
    expect(header.dataOffset % alignment).toBe(0);
  });

  it('reads the same as @huggingface/gguf', async () => {
    writeFileSync(place.path('meta.gguf'), ggufFile());
    const read = await gguf(place.path('meta.gguf'), { allowLocalFile: true });
    for (const { key, value } of metadata) {
      if (key === 'a.nested') continue;
      const plain = typeof value === 'object' ? value.values : value;
      expect((read.metadata as Record<string, unknown>)[key], key).toEqual(plain);
    }
    expect(
      read.tensorInfos.map(({ name, shape, offset }) => [name, shape.map(Number), Number(offset)]),
    ).toEqual([
      ['a.weight', [32, 3], 0],
      ['b', [5], 128],
      ['c', [1], 160],
    ]);
  });

  it('asks for more bytes where a header does not end in those at hand', () => {
    const bytes = ggufFile();
    expect(parseGgufHeader(bytes.subarray(0, 100), bytes.length)).toBeUndefined();
    expect(() => parseGgufHeader(bytes.subarray(0, 100), 100)).toThrow(/file's 100 bytes: it is truncated/);
  });

  it('refuses other files, versions, holes, overlaps and truncation in one line', async () => {
    const bytes = ggufFile();
    const changed = (at: number, value: number): Uint8Array => {
      const copy = bytes.slice();
      new DataView(copy.buffer).setUint32(at, value, true);
      return copy;
    };
    expect(await refused('version.gguf', changed(4, 2))).toBeInstanceOf(UnsupportedError);
    const end = await refused('cut.gguf', bytes.subarray(0, bytes.length - 60));
    expect(end!.message).toMatch(/cut\.gguf: gguf: expected \d+ bytes of data for tensor b, got/);
    // The offset of the last tensor stands before the padding of the header.
    const { dataOffset } = parseGgufHeader(bytes, bytes.length)!;
    let at = dataOffset - 8;
    while (new DataView(bytes.buffer).getUint32(at, true) !== 160) at--;
    for (const offset of [192, 128, 100]) {
      expect((await refused('hole.gguf', changed(at, offset)))!.message).toMatch(
        /expected tensor [bc] at byte/,
      );
    }
  });

  it('names keys with control characters in one line', () => {
    const bytes = ggufFile();
    const text = new TextDecoder('latin1').decode(bytes);
    const key = text.indexOf('a.i32');
    const copy = bytes.slice();
    copy[key] = 10;
    copy[key + 'a.i32'.length] = 255;
    expect(() => parseGgufHeader(copy, copy.length)).toThrow(/value type 0 to 12 for \\u000a\.i32, got \d+$/);
  });

  it('never fails otherwise than with one of our errors', () => {
    const bytes = ggufFile();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const copy = bytes.slice();
        copy[at] = value;
        try {
          parseGgufHeader(copy, copy.length);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
          expect((error as Error).message).not.toContain('\n');
        }
      }),
      { seed: 8, numRuns: 500 },
    );
  });
});

describe('tlw', { timeout: 180_000 }, () => {
  const source = place.path('tiny.safetensors');
  const output = place.path('tiny.tlw');

  async function write(): Promise<Uint8Array> {
    writeFileSync(
      source,
      floatsFile({
        w: [
          [2, 2],
          [7, -7, 1, 0],
        ],
        b: [[1], [0.5]],
      }),
    );
    await withCheckpoint(source, async (checkpoint) => {
      const format = tlwOutput({ note: 'tiny' });
      const planned = planTensors(checkpoint, format, { rules: [], fallback: parseScheme('q8_0') });
      await quantizeCheckpoint(checkpoint, planned, { output, format });
    });
    return new Uint8Array(readFileSync(output));
  }

  it('has the bytes that docs/WEIGHTS.md describes', async () => {
    const bytes = Buffer.from(await write());
    let at = 0;
    const take = (length: number): Buffer => {
      at += length;
      return bytes.subarray(at - length, at);
    };
    const u64 = (value: number): Buffer => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64BE(BigInt(value));
      return buffer;
    };
    const chunk = (type: string): Buffer => {
      expect(take(4).toString()).toBe(type);
      const payload = take(Number(take(8).readBigUInt64BE()));
      expect(take(4).readUInt32BE()).toBe(crc32c(Buffer.concat([Buffer.from(type), payload])));
      return payload;
    };
    expect(take(8)).toEqual(Buffer.from([0x8b, 0x54, 0x4c, 0x57, 13, 10, 26, 10]));
    expect(chunk('HEAD')).toEqual(Buffer.from([1, 0, 0, 0, 0, 2]));
    expect(chunk('META').toString()).toBe('{"note":"tiny"}');
    const heads = {
      b: Buffer.concat([Buffer.from('\0\x01b\x03F32\x01'), u64(1), Buffer.from('\0')]),
      w: Buffer.concat([Buffer.from('\0\x01w\x03F32\x02'), u64(2), u64(2), Buffer.from('\x04q8_0')]),
    };
    const first = at;
    expect(chunk('TENS')).toEqual(Buffer.concat([heads.b, Buffer.from(Float32Array.of(0.5).buffer)]));
    const second = at;
    const q8_0 = schemeOf('q8_0');
    const packed = q8_0.pack(
      q8_0.quantize({ name: 'w', shape: [2, 2], values: Float32Array.of(7, -7, 1, 0) }),
    );
    expect(chunk('TENS')).toEqual(Buffer.concat([heads.w, packed]));
    const index = at;
    expect(chunk('INDX')).toEqual(
      Buffer.concat([
        Buffer.from([0, 0, 0, 2]),
        u64(first),
        u64(heads.b.length + 4),
        heads.b,
        u64(second),
        u64(heads.w.length + packed.length),
        heads.w,
      ]),
    );
    expect(chunk('TEND')).toEqual(u64(index));
    expect(at).toBe(bytes.length);
  });

  it('reads one tensor without the others, and names a damaged one', async () => {
    const bytes = (await write()).slice();
    const values = await valuesOf(output);
    // The last byte of the data of w, before its CRC and the index.
    const index = Number(new DataView(bytes.buffer).getBigUint64(bytes.length - 12));
    bytes[index - 5] ^= 1;
    writeFileSync(output, bytes);
    await withCheckpoint(output, async (checkpoint) => {
      const [b, w] = checkpoint.tensors;
      expect([b.name, w.name]).toEqual(['b', 'w']);
      expect(await checkpoint.readFloat32(b)).toEqual(values.get('b'));
      await expect(checkpoint.readFloat32(w)).rejects.toThrow(
        /tensor w: tlw: CRC32C of a chunk TENS does not fit/,
      );
    });
  });

  /** A file with tensors of these heads, each with so many bytes of zeros. */
  function made(
    heads: readonly (TlwHead & { readonly length: number; readonly gap?: number })[],
  ): Uint8Array {
    const begin = tlwStart(heads.length, {});
    const pieces = [begin];
    const entries: TlwEntry[] = [];
    let offset = begin.length;
    for (const { length, gap = 0, ...head } of heads) {
      const payload = Buffer.concat([tlwHeadBytes(head), Buffer.alloc(length)]);
      offset += gap;
      entries.push({ ...head, offset, length: payload.length });
      const crc = crc32c(payload, typeChecksum('TENS'));
      pieces.push(Buffer.alloc(gap), chunkStart('TENS', payload.length), payload, chunkEnd(crc));
      offset += chunkHead + payload.length + chunkTail;
    }
    return Buffer.concat([...pieces, tlwEnd(entries, offset)]);
  }
  const f32 = { name: 'a', dtype: 'F32', shape: [4], scheme: '', length: 16 };

  it.each<readonly [string, Parameters<typeof made>[0], RegExp | undefined]>([
    ['sound', [f32, { ...f32, name: 'b' }], undefined],
    [
      'fewer bytes than its shape has',
      [{ ...f32, length: 8 }],
      /expected 16 bytes for tensor a \[4\], got 8/,
    ],
    ['a name twice', [f32, f32], /expected one tensor a, got two/],
    ['a gap', [f32, { ...f32, name: 'b', gap: 3 }], /expected tensor b at byte \d+, got \d+/],
    [
      'a shape that no bytes of that number can fill',
      [{ ...f32, scheme: 'q8_0', shape: [2 ** 31, 1], length: 34 }],
      /expected at least 1431656 bytes for tensor a \[2147483648,1\], got 34/,
    ],
    [
      'a huge stream',
      [{ ...f32, scheme: 'tcq8', shape: [2 ** 40], length: 34 }],
      /expected at least \d+ bytes/,
    ],
  ])('opens a file made by hand: %s', async (_, heads, reason) => {
    const error = await refused('made.tlw', made(heads));
    if (!reason) expect(error).toBeUndefined();
    else {
      expect(error).toBeInstanceOf(FormatError);
      expect(error!.message).toMatch(reason);
    }
  });

  it('refuses any change and any truncation of what it reads on opening', async () => {
    const bytes = await write();
    // Signature, HEAD and META stand first, INDX and TEND last; what lies between belongs to tensors.
    const first = 8 + 22 + 16 + '{"note":"tiny"}'.length;
    const last = Number(new DataView(bytes.buffer).getBigUint64(bytes.length - 12));
    for (let at = 0; at < bytes.length; at++) {
      if (at >= first && at < last) continue;
      const copy = bytes.slice();
      copy[at] ^= 0x10;
      expect(await refused('changed.tlw', copy), `byte ${at}`).toBeInstanceOf(CodecError);
    }
    for (const length of [0, 5, 8, 20, 40, bytes.length - 1]) {
      expect(await refused('cut.tlw', bytes.subarray(0, length))).toBeInstanceOf(CodecError);
    }
    const damaged = bytes.slice();
    damaged[damaged.length - 30] ^= 1;
    expect(await refused('index.tlw', damaged)).toBeInstanceOf(IntegrityError);
  });
});

it('a file of another kind is refused', async () => {
  expect(
    await refused('picture.png', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0)),
  ).toBeInstanceOf(FormatError);
  await expect(openCheckpoint(place.path('nothing.gguf'))).rejects.toThrow(/nothing\.gguf: cannot be read/);
});
