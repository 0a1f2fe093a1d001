import { describe, expect, it } from 'vitest';
import {
  crc32c,
  formatVersion,
  hasSignature,
  readContainer,
  readInfo,
  signature,
  writeContainer,
  writeHeader,
} from '../../../codec/format/index.js';
import { FormatError, IntegrityError, UnsupportedError } from '../../../src/errors.js';
import { alphaPng, sampleParts } from './samples.js';

const file = writeContainer(sampleParts());
/** Signature, length, 20 bytes of header and CRC32C. */
const needed = 33;

describe('info', () => {
  it('needs only the start of a file', () => {
    const { header } = readContainer(file);
    for (const length of [needed, 64, file.length]) {
      expect(readInfo(file.subarray(0, length))).toEqual({ status: 'ok', header });
    }
  });

  it('asks for more bytes as long as they may still be a .tlc file', () => {
    for (let length = 0; length < needed; length++) {
      const bytesNeeded = length < 29 ? 29 : needed;
      expect(readInfo(file.subarray(0, length))).toEqual({ status: 'incomplete', bytesNeeded });
    }
  });

  it('needs 41 bytes for the longest header, so that 64 are always enough', () => {
    const { header, tiles } = sampleParts({ tileSide: 0, channels: 1, quantizerParameter: 1 });
    const large = { ...header, width: 2 ** 31 - 1, height: 2 ** 31 - 1, tileSide: 64 * 65535 };
    const one = { ...header, tileSide: 0 };
    expect(readInfo(writeContainer({ header: one, tiles: tiles.slice(0, 1) }).subarray(0, 64)).status).toBe(
      'ok',
    );
    const payload = writeHeader({ ...large, ...formatVersion, alpha: 1 });
    const start = Uint8Array.of(...signature, payload.length, ...payload, 0, 0, 0, 0);
    new DataView(start.buffer).setUint32(start.length - 4, crc32c(payload));
    expect(start.length).toBe(41);
    expect(readInfo(start)).toMatchObject({ status: 'ok', header: large });
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
    expect(changed(8, 0x80)).toThrow('HEAD: length: expected a number in its shortest form');
    expect(changed(8, 0xff)).toThrow('HEAD: expected at most 1024 bytes');
    expect(changed(8, 19)).toThrow(IntegrityError);
    const endless = file.slice(0, 64).fill(0x81, 8, 20);
    expect(() => readInfo(endless)).toThrow(FormatError);
    expect(() => readInfo(endless)).toThrow('HEAD: length: expected a number of at most 5 bytes');
  });

  it('refuses other major versions, also the first one, whose start was another', () => {
    const bytes = file.slice(0, 64);
    bytes[9] = 3;
    new DataView(bytes.buffer).setUint32(29, crc32c(bytes.subarray(9, 29)));
    expect(() => readInfo(bytes)).toThrow(UnsupportedError);
    expect(() => readInfo(bytes)).toThrow('file has format version 3.0, this decoder reads version 2.x');
    const first = Uint8Array.of(
      ...signature,
      0x48,
      0x45,
      0x41,
      0x44,
      0,
      0,
      0,
      31,
      1,
      0,
      ...new Uint8Array(40),
    );
    for (const read of [readInfo, readContainer]) {
      expect(() => read(first)).toThrow(UnsupportedError);
      expect(() => read(first)).toThrow('file has format version 1.x, this decoder reads version 2.x');
    }
  });
});
