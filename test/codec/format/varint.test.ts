import { describe, expect, it } from 'vitest';
import { readVarint, varint, varintBytes, varintLimit } from '../../../codec/format/index.js';
import { FormatError } from '../../../src/errors.js';
import { seededNumbers } from './samples.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('varint', () => {
  it.each([
    [0, '00'],
    [127, '7f'],
    [128, '8100'],
    [16383, 'ff7f'],
    [16384, '818000'],
    [2 ** 21 - 1, 'ffff7f'],
    [2 ** 21, '81808000'],
    [2 ** 28 - 1, 'ffffff7f'],
    [2 ** 28, '8180808000'],
    [varintLimit, '87ffffff7f'],
  ])('writes %d as %s, and reads it', (value, bytes) => {
    expect(hex(varint(value))).toBe(bytes);
    expect(varintBytes(value)).toBe(bytes.length / 2);
    expect(readVarint(varint(value), 0, 'x')).toEqual({ value, end: bytes.length / 2 });
  });

  it('comes back as it went in, wherever it stands, and only from all of its bytes', () => {
    const next = seededNumbers(3);
    for (let round = 0; round < 2000; round++) {
      const value = (next() >>> 1) % 2 ** (1 + (next() % 31));
      const bytes = Uint8Array.of(0x80, ...varint(value), 0xff);
      const end = bytes.length - 1;
      expect(readVarint(bytes, 1, 'x')).toEqual({ value, end });
      for (let length = 1; length < end; length++) {
        expect(() => readVarint(bytes.subarray(0, length), 1, 'x')).toThrow(FormatError);
      }
    }
  });

  it('accepts one form of each number: every sequence of bytes is refused or written again', () => {
    const next = seededNumbers(4);
    let accepted = 0;
    for (let round = 0; round < 5000; round++) {
      const bytes = Uint8Array.from({ length: 1 + (next() % 7) }, () => (next() % 2 ? next() : 0x80));
      try {
        const { value, end } = readVarint(bytes, 0, 'x');
        expect(varint(value)).toEqual(bytes.slice(0, end));
        accepted++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
    expect(accepted).toBeGreaterThan(500);
  });

  it.each([
    ['a longer form of 0', [0x80, 0], 'x: expected a number in its shortest form'],
    ['a longer form of 1', [0x80, 0x80, 1], 'x: expected a number in its shortest form'],
    ['2^31', [0x88, 0x80, 0x80, 0x80, 0], 'x: expected at most 2147483647, got 2147483648'],
    ['six bytes', [0x81, 0x80, 0x80, 0x80, 0x80, 0], 'x: expected a number of at most 5 bytes'],
    ['bytes without end', Array(1000).fill(0xff), 'x: expected a number of at most 5 bytes'],
    ['the first of two bytes', [0x81], 'x: expected a number, but it breaks off after 1 bytes'],
    ['no bytes', [], 'x: expected a number, but it breaks off after 0 bytes'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readVarint(Uint8Array.from(bytes), 0, 'x')).toThrow(FormatError);
    expect(() => readVarint(Uint8Array.from(bytes), 0, 'x')).toThrow(message);
  });
});
