import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecError, FormatError, UnsupportedError, UsageError } from '../../../src/errors.js';
import {
  parseSafetensors,
  parseSafetensorsHeader,
  type SafeTensor,
  serializeSafetensors,
  toFloat32,
} from '../../../src/io/safetensors.js';

const samples: [string, SafeTensor][] = [
  ['wide', { dtype: 'F64', shape: [2], data: Float64Array.of(1.5, -2) }],
  ['count', { dtype: 'I64', shape: [1, 2], data: BigInt64Array.of(-5n, 2n ** 40n) }],
  ['10', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ['2', { dtype: 'I32', shape: [], data: Int32Array.of(-7) }],
  ['half', { dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 1) }],
  ['brain', { dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) }],
  ['short', { dtype: 'I16', shape: [1], data: Int16Array.of(-3) }],
  ['table', { dtype: 'U16', shape: [3, 1], data: Uint16Array.of(1, 2, 65535) }],
  ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['signed', { dtype: 'I8', shape: [3], data: Int8Array.of(1, 2, -1) }],
  ['"quoted" ü', { dtype: 'U8', shape: [0, 4], data: new Uint8Array(0) }],
  ['__proto__', { dtype: 'U8', shape: [1], data: Uint8Array.of(9) }],
];

function file(header: string, data = 0): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const one = (dtype: string, shape: string, offsets: string) =>
  `{"a":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;

describe('safetensors', () => {
  it('gives back every dtype, names, shapes and metadata', () => {
    const bytes = serializeSafetensors(new Map(samples), { format: 'test', note: 'a "b" ü' });
    const { tensors, metadata } = parseSafetensors(bytes);
    expect(metadata).toEqual({ format: 'test', note: 'a "b" ü' });
    expect(tensors.size).toBe(samples.length);
    for (const [name, tensor] of samples) expect(tensors.get(name)).toEqual(tensor);
  });

  it('writes the same bytes whatever the order of the map', () => {
    const forward = serializeSafetensors(new Map(samples), { b: '1', a: '2' });
    const backward = serializeSafetensors(new Map([...samples].reverse()), { a: '2', b: '1' });
    expect(backward).toEqual(forward);
    expect(new DataView(forward.buffer).getUint32(0, true) % 8).toBe(0);
  });

  it('writes these very bytes for a small file', () => {
    const bytes = serializeSafetensors(
      new Map<string, SafeTensor>([['b', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]),
    );
    const header = '{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  ';
    expect(new TextDecoder().decode(bytes.subarray(8, 64))).toBe(header);
    expect([...bytes.subarray(64)]).toEqual([0, 0, 128, 63]);
  });

  it('views aligned data and copies misaligned data', () => {
    const bytes = serializeSafetensors(new Map(samples));
    const aligned = parseSafetensors(bytes).tensors.get('10')!;
    expect(aligned.data.buffer).toBe(bytes.buffer);
    const shifted = new Uint8Array(bytes.length + 1).subarray(1);
    shifted.set(bytes);
    const { tensors } = parseSafetensors(shifted);
    for (const [name, tensor] of samples) expect(tensors.get(name)).toEqual(tensor);
  });

  it('reads a header alone', () => {
    const bytes = serializeSafetensors(new Map(samples));
    const { dataOffset } = parseSafetensorsHeader(bytes);
    const { entries } = parseSafetensorsHeader(bytes.subarray(0, dataOffset), bytes.length);
    expect(entries.at(-1)!.end).toBe(bytes.length - dataOffset);
  });

  it('converts to float32', () => {
    const get = (name: string) => [...toFloat32(new Map(samples).get(name)!)];
    expect(get('half')).toEqual([1, -2, 2 ** -24]);
    expect(get('brain')).toEqual([1]);
    expect(get('count')).toEqual([-5, 2 ** 40]);
    expect(get('wide')).toEqual([1.5, -2]);
    expect(get('signed')).toEqual([1, 2, -1]);
  });

  it.each([
    ['nothing', new Uint8Array(0), FormatError],
    ['7 bytes', new Uint8Array(7), FormatError],
    ['a header longer than the file', new Uint8Array(8).fill(255), FormatError],
    ['no brace', file('[]'), FormatError],
    ['no JSON', file('{"a":'), FormatError],
    ['bad UTF-8', Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0x7d), FormatError],
    ['an entry that is no object', file('{"a":1}'), FormatError],
    ['metadata that is no string', file('{"__metadata__":{"a":1}}'), FormatError],
    ['no dtype', file('{"a":{"shape":[],"data_offsets":[0,4]}}', 4), FormatError],
    ['unknown dtype', file(one('"F4"', '[1]', '[0,1]'), 1), UnsupportedError],
    ['inherited dtype', file(one('"toString"', '[1]', '[0,1]'), 1), UnsupportedError],
    ['negative side', file(one('"U8"', '[-1]', '[0,1]'), 1), FormatError],
    ['fractional side', file(one('"U8"', '[1.5]', '[0,1]'), 1), FormatError],
    ['overflowing shape', file(one('"U8"', '[9007199254740991,9007199254740991]', '[0,1]'), 1), FormatError],
    ['descending offsets', file(one('"U8"', '[1]', '[1,0]'), 1), FormatError],
    ['wrong byte count', file(one('"F32"', '[2]', '[0,4]'), 4), FormatError],
    ['gap at the start', file(one('"U8"', '[1]', '[1,2]'), 2), FormatError],
    ['bytes left over', file(one('"U8"', '[1]', '[0,1]'), 2), FormatError],
    ['bytes missing', file(one('"U8"', '[2]', '[0,2]'), 1), FormatError],
    [
      'overlap',
      file(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        3,
      ),
      FormatError,
    ],
  ])('refuses %s', (_, bytes, error) => {
    expect(() => parseSafetensors(bytes)).toThrow(error);
  });

  it('names the tensor at fault', () => {
    expect(() => parseSafetensors(file(one('"F32"', '[2]', '[0,4]'), 4))).toThrow(/tensor "a" \(F32 \[2\]\)/);
  });

  it('raises typed errors only on damaged files', () => {
    const bytes = serializeSafetensors(new Map(samples));
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (at, flip, cut) => {
          const damaged = cut ? bytes.slice(0, at) : bytes.slice();
          if (!cut) damaged[at] ^= flip;
          try {
            parseSafetensors(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError);
          }
        },
      ),
      { seed: 7, numRuns: 2000 },
    );
  });

  it('refuses tensors that do not hold together', () => {
    const bad = (tensor: unknown) => () => serializeSafetensors(new Map([['a', tensor as SafeTensor]]));
    expect(bad({ dtype: 'F32', shape: [3], data: new Float32Array(2) })).toThrow(UsageError);
    expect(bad({ dtype: 'F32', shape: [2], data: new Float64Array(2) })).toThrow(UsageError);
    expect(bad({ dtype: 'F4', shape: [2], data: new Uint8Array(2) })).toThrow(UsageError);
  });
});
