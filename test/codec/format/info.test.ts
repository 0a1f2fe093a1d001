import { describe, expect, it } from 'vitest';
import {
  hasSignature,
  putChunk,
  readContainer,
  readInfo,
  writeContainer,
} from '../../../codec/format/index.js';
import { FormatError, IntegrityError, UnsupportedError } from '../../../src/errors.js';
import { alphaPng, sampleParts } from './samples.js';

const file = writeContainer(sampleParts());

describe('info', () => {
  it('needs only the start of a file', () => {
    const { header } = readContainer(file);
    for (const length of [51, 64, file.length]) {
      expect(readInfo(file.subarray(0, length))).toEqual({ status: 'ok', header });
    }
  });

  it('asks for more bytes as long as they may still be a .tlc file', () => {
    for (let length = 0; length < 51; length++) {
      expect(readInfo(file.subarray(0, length))).toEqual({ status: 'incomplete', bytesNeeded: 51 });
    }
  });

  it('tells other files from the first byte that differs', () => {
    expect(readInfo(alphaPng())).toEqual({ status: 'foreign' });
    expect(readInfo(Uint8Array.of(0x8b, 0x54, 0x4d))).toEqual({ status: 'foreign' });
  });

  it('has a signature test that wants all eight bytes', () => {
    expect(hasSignature(file)).toBe(true);
    expect(hasSignature(file.subarray(0, 8))).toBe(true);
    expect(hasSignature(file.subarray(0, 7))).toBe(false);
    expect(hasSignature(alphaPng())).toBe(false);
  });

  it('refuses a damaged or nonsensical start', () => {
    const changed = (offset: number, byte: number) => {
      const bytes = file.slice(0, 64);
      bytes[offset] = byte;
      return () => readInfo(bytes);
    };
    expect(changed(20, 9)).toThrow(IntegrityError);
    expect(changed(8, 0x68)).toThrow(FormatError);
    expect(changed(12, 0x7f)).toThrow('HEAD: expected at most 1024 bytes');
    const bytes = file.slice(0, 64);
    const payload = bytes.slice(16, 47);
    payload[0] = 2;
    putChunk(bytes, 8, 'HEAD', [payload]);
    expect(() => readInfo(bytes)).toThrow(UnsupportedError);
  });
});
