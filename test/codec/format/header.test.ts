import { describe, expect, it } from 'vitest';
import {
  formatHeader,
  formatVersion,
  type Header,
  headerBytes,
  headerElements,
  readHeader,
  snapQuality,
  writeHeader,
} from '../../../codec/format/index.js';
import { FormatError, UnsupportedError, UsageError } from '../../../src/errors.js';
import { picture, seededNumbers } from './samples.js';

const header: Header = { ...picture(), ...formatVersion, alpha: 1, latentsChecksum: 0xdeadbeef };

/** A valid payload with the bytes at an offset replaced. */
function payloadWith(offset: number, ...bytes: number[]): Uint8Array {
  const payload = writeHeader(header);
  payload.set(bytes, offset);
  return payload;
}

describe('header', () => {
  it('is exactly these bytes', () => {
    expect(Buffer.from(writeHeader(header)).toString('hex')).toBe(
      ['01', '00', '0000012c', '00000096', '03', '01', '0123456789abcdef', '2a80', '11', '0000', '0002']
        .concat('deadbeef')
        .join(''),
    );
    expect(headerBytes).toBe(31);
  });

  it('comes back as it went in, at the ends of every range and between', () => {
    const next = seededNumbers(1);
    for (let round = 0; round < 300; round++) {
      const values: Record<string, number | string> = { ...header };
      for (const { name, unit, min, max, only } of headerElements) {
        if (name === 'major' || name === 'minor' || unit === 'hex') continue;
        const fields = only ?? [min, max, min + Math.floor((next() / 2 ** 32) * (max - min + 1))];
        values[name] = fields[next() % fields.length] * unit;
      }
      values.quantizer = [0, 1, 2, 16, 17, 18, 19, 20][next() % 8];
      values.modelId = next().toString(16).padStart(8, '0').repeat(2);
      const expected = values as unknown as Header;
      expect(readHeader(writeHeader(expected))).toEqual(expected);
    }
  });

  it.each([
    ['width', 2, [0, 0, 0, 0], 'header width: expected 1..2147483647, got 0'],
    ['width', 2, [0x80, 0, 0, 0], 'header width: expected 1..2147483647, got 2147483648'],
    ['height', 6, [0, 0, 0, 0], 'header height: expected 1..2147483647, got 0'],
    ['channels', 10, [2], 'header channels: expected 1 or 3, got 2'],
    ['alpha', 11, [2], 'header alpha: expected 0..1, got 2'],
    ['quality', 20, [0x64, 0x01], 'header quality: expected 0..25600 (in units of 1/256), got 25601'],
  ])('refuses a field out of range: %s', (_, offset, bytes, message) => {
    const read = () => readHeader(payloadWith(offset, ...bytes));
    expect(read).toThrow(FormatError);
    expect(read).toThrow(message);
  });

  it.each([0, 2, 255])('refuses major version %i, naming both', (major) => {
    const read = () => readHeader(payloadWith(0, major, 7));
    expect(read).toThrow(UnsupportedError);
    expect(read).toThrow(`file has format version ${major}.7, this decoder reads version 1.x`);
  });

  it('refuses an unknown quantizer by its id', () => {
    const read = () => readHeader(payloadWith(22, 99));
    expect(read).toThrow(UnsupportedError);
    expect(read).toThrow('got unknown id 99');
    expect(() => writeHeader({ ...header, quantizer: 99 })).toThrow(UnsupportedError);
  });

  it('refuses another length, except a longer header of a later minor version', () => {
    for (const length of [0, 1, 2, 30]) {
      expect(() => readHeader(writeHeader(header).subarray(0, length))).toThrow(FormatError);
    }
    const longer = new Uint8Array(40);
    longer.set(writeHeader(header));
    expect(() => readHeader(longer)).toThrow('HEAD: expected 31 bytes, got 40');
    longer[1] = 3;
    expect(readHeader(longer)).toEqual({ ...header, minor: 3 });
  });

  it.each<[Partial<Record<keyof Header, unknown>>, string]>([
    [{ width: 0 }, 'width'],
    [{ height: 1.5 }, 'height'],
    [{ channels: 4 }, 'channels'],
    [{ quality: 33.3 }, 'quality'],
    [{ quality: Number.NaN }, 'quality'],
    [{ quality: 101 }, 'quality'],
    [{ tileSide: 100 }, 'tileSide'],
    [{ tileSide: 64 * 65536 }, 'tileSide'],
    [{ quantizerParameter: -1 }, 'quantizerParameter'],
    [{ quantizer: 256 }, 'quantizer'],
    [{ modelId: '0123' }, 'modelId'],
    [{ modelId: '0123456789ABCDEF' }, 'modelId'],
    [{ latentsChecksum: 2 ** 32 }, 'latentsChecksum'],
    [{ latentsChecksum: undefined }, 'latentsChecksum'],
  ])('does not write %o', (change, name) => {
    const write = () => writeHeader({ ...header, ...change } as Header);
    expect(write).toThrow(UsageError);
    expect(write).toThrow(`header ${name}: expected`);
  });

  it('does not write another version', () => {
    expect(() => writeHeader({ ...header, major: 2 })).toThrow(UnsupportedError);
    expect(() => writeHeader({ ...header, minor: 1 })).toThrow(UnsupportedError);
  });

  it('snaps quality to what a file can hold', () => {
    expect(snapQuality(33.3)).toBe(33.30078125);
    expect(writeHeader({ ...header, quality: snapQuality(33.3) }).length).toBe(headerBytes);
    expect([0, 100].map(snapQuality)).toEqual([0, 100]);
    for (const quality of [-0.1, 100.1, Number.NaN]) expect(() => snapQuality(quality)).toThrow(UsageError);
  });

  it('prints one line per element', () => {
    const lines = formatHeader(header).split('\n');
    expect(lines.length).toBe(headerElements.length);
    expect(lines).toContain('quantizer           17 (tcq8)');
    expect(lines).toContain('latentsChecksum     0xdeadbeef');
  });
});
