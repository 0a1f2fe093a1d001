import { describe, expect, it } from 'vitest';
import {
  formatHeader,
  formatVersion,
  type Header,
  headerElements,
  leastHeaderBytes,
  quantizerIds,
  readHeader,
  snapQuality,
  writeHeader,
} from '../../../codec/format/index.js';
import { FormatError, UnsupportedError, UsageError } from '../../../src/errors.js';
import { picture, seededNumbers } from './samples.js';

const header: Header = { ...picture(), ...formatVersion, alpha: 1 };
/** Where fields of that header stand. */
const at = { flags: 2, width: 3, height: 5, quality: 15, quantizer: 17, tileSide: 18 };

/** A valid payload with the bytes at an offset replaced. */
function payloadWith(offset: number, ...bytes: number[]): Uint8Array {
  const payload = writeHeader(header);
  payload.set(bytes, offset);
  return payload;
}

/** A valid payload with other bytes, more or fewer, in place of some. */
function payloadSpliced(offset: number, remove: number, ...bytes: number[]): Uint8Array {
  const payload = writeHeader(header);
  return Uint8Array.of(...payload.subarray(0, offset), ...bytes, ...payload.subarray(offset + remove));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('header', () => {
  it('is exactly these bytes', () => {
    expect(hex(writeHeader(header))).toBe(
      ['02', '00', '0a', '822c', '8116', '0123456789abcdef', '2a80', '11', '0002'].join(''),
    );
  });

  it('takes only the bytes that its picture needs', () => {
    const plain = { ...header, width: 127, height: 1, alpha: 0, tileSide: 0 };
    expect(hex(writeHeader(plain))).toBe('0200007f010123456789abcdef2a8011');
    expect(writeHeader(plain).length).toBe(leastHeaderBytes);
    const full = { ...plain, width: 2 ** 31 - 1, height: 2 ** 28, channels: 1, alpha: 1, tileSide: 64 };
    expect(hex(writeHeader({ ...full, quantizerParameter: 0x1234 }))).toBe(
      ['02', '00', '0f', '87ffffff7f', '8180808000', '0123456789abcdef', '2a80', '11', '1234', '0001'].join(
        '',
      ),
    );
  });

  it('comes back as it went in, at the ends of every range and between', () => {
    const next = seededNumbers(1);
    const ids = Object.values(quantizerIds);
    for (let round = 0; round < 500; round++) {
      const values: Record<string, number | string> = { ...header };
      for (const { name, unit, min, max, usual } of headerElements) {
        if (name === 'major' || name === 'minor' || name === 'flags' || unit === 'hex') continue;
        const fields = [min, max, min + Math.floor((next() / 2 ** 32) * (max - min + 1))];
        if (max > 2 ** 21) fields.push(min + (next() % 2 ** (next() % 31)));
        values[name] = fields[next() % fields.length] * unit;
        if (usual !== undefined && next() % 2) values[name] = usual;
      }
      values.quantizer = ids[next() % ids.length];
      values.modelId = next().toString(16).padStart(8, '0').repeat(2);
      const expected = values as unknown as Header;
      expect(readHeader(writeHeader(expected))).toEqual(expected);
    }
  });

  it.each<[string, Uint8Array, string]>([
    ['width', payloadSpliced(at.width, 2, 0), 'header width: expected 1..2147483647, got 0'],
    ['height', payloadSpliced(at.height, 2, 0), 'header height: expected 1..2147483647, got 0'],
    [
      'quality',
      payloadWith(at.quality, 0x64, 0x01),
      'header quality: expected 0..25600 (in units of 1/256), got 25601',
    ],
    [
      'tileSide',
      payloadWith(at.tileSide, 0, 0),
      'header tileSide: expected 1..65535 (in units of 64 pixels), got 0',
    ],
    [
      'quantizerParameter',
      Uint8Array.of(...payloadWith(at.flags, 0x0e).subarray(0, at.tileSide), 0, 0, 0, 2),
      'header quantizerParameter: expected 1..65535, got 0',
    ],
  ])('refuses a field out of range: %s', (_, payload, message) => {
    expect(() => readHeader(payload)).toThrow(FormatError);
    expect(() => readHeader(payload)).toThrow(message);
  });

  it.each<[string, number[], string]>([
    ['a longer form', [0x80, 0x82, 0x2c], 'header width: expected a number in its shortest form'],
    ['a longer form of zero', [0x80, 0x00], 'header width: expected a number in its shortest form'],
    ['2^31', [0x88, 0x80, 0x80, 0x80, 0x00], 'header width: expected at most 2147483647, got 2147483648'],
    [
      '2^35 - 1',
      [0xff, 0xff, 0xff, 0xff, 0x7f],
      'header width: expected at most 2147483647, got 34359738367',
    ],
    ['six bytes', [0x81, 0x80, 0x80, 0x80, 0x80, 0x00], 'header width: expected a number of at most 5 bytes'],
  ])('refuses %s as a width', (_, bytes, message) => {
    const read = () => readHeader(payloadSpliced(at.width, 2, ...bytes));
    expect(read).toThrow(FormatError);
    expect(read).toThrow(message);
  });

  it.each([0, 1, 3, 255])('refuses major version %i, naming both', (major) => {
    const read = () => readHeader(payloadWith(0, major, 7));
    expect(read).toThrow(UnsupportedError);
    expect(read).toThrow(`file has format version ${major}.7, this decoder reads version 2.x`);
  });

  it('refuses flags that it does not know, whatever the minor version', () => {
    for (let bit = 4; bit < 8; bit++) {
      for (const minor of [0, 1]) {
        const read = () => readHeader(payloadWith(1, minor, 0x0a | (1 << bit)));
        expect(read).toThrow(UnsupportedError);
        expect(read).toThrow(`header flags: expected no others than bits 0 to 3, got bit ${bit}`);
      }
    }
    expect(() => readHeader(payloadWith(at.flags, 0xaa))).toThrow('got bit 5, 7: a later version');
  });

  it('refuses an unknown quantizer by its id', () => {
    const read = () => readHeader(payloadWith(at.quantizer, 99));
    expect(read).toThrow(UnsupportedError);
    expect(read).toThrow('got unknown id 99');
    expect(() => writeHeader({ ...header, quantizer: 99 })).toThrow(UnsupportedError);
  });

  it('refuses another length, except a longer header of a later minor version', () => {
    const payload = writeHeader(header);
    for (let length = 0; length < payload.length; length++) {
      const cut = payload.slice(0, length);
      expect(() => readHeader(cut)).toThrow(FormatError);
      // A later minor version only appends.
      if (length > 1) cut[1] = 9;
      expect(() => readHeader(cut)).toThrow(FormatError);
    }
    const longer = Uint8Array.of(...payload, 1, 2, 3);
    expect(() => readHeader(longer)).toThrow('HEAD: expected 20 bytes, got 23');
    longer[1] = 3;
    expect(readHeader(longer)).toEqual({ ...header, minor: 3 });
    expect(readHeader(longer.subarray(0, 20))).toEqual({ ...header, minor: 3 });
  });

  it.each<[Partial<Record<keyof Header, unknown>>, string]>([
    [{ width: 0 }, 'width'],
    [{ width: 2 ** 31 }, 'width'],
    [{ height: 1.5 }, 'height'],
    [{ channels: 4 }, 'channels'],
    [{ channels: undefined }, 'channels'],
    [{ alpha: 2 }, 'alpha'],
    [{ quality: 33.3 }, 'quality'],
    [{ quality: Number.NaN }, 'quality'],
    [{ quality: 101 }, 'quality'],
    [{ tileSide: 100 }, 'tileSide'],
    [{ tileSide: 64 * 65536 }, 'tileSide'],
    [{ quantizerParameter: -1 }, 'quantizerParameter'],
    [{ quantizer: 256 }, 'quantizer'],
    [{ modelId: '0123' }, 'modelId'],
    [{ modelId: '0123456789ABCDEF' }, 'modelId'],
  ])('does not write %o', (change, name) => {
    const write = () => writeHeader({ ...header, ...change } as Header);
    expect(write).toThrow(UsageError);
    expect(write).toThrow(`header ${name}: expected`);
  });

  it('says which values it does write', () => {
    const write = (change: Partial<Header>) => () => writeHeader({ ...header, ...change });
    expect(write({ channels: 4 })).toThrow('header channels: expected 3 or 1, got 4');
    expect(write({ quantizerParameter: -1 })).toThrow('expected 0 or 1..65535, got -1');
  });

  it('does not write another version', () => {
    expect(() => writeHeader({ ...header, major: 1 })).toThrow(UnsupportedError);
    expect(() => writeHeader({ ...header, minor: 1 })).toThrow(UnsupportedError);
  });

  it('snaps quality to what a file can hold', () => {
    expect(snapQuality(33.3)).toBe(33.30078125);
    expect(readHeader(writeHeader({ ...header, quality: snapQuality(33.3) })).quality).toBe(8525 / 256);
    expect([0, 100].map(snapQuality)).toEqual([0, 100]);
    for (const quality of [-0.1, 100.1, Number.NaN]) expect(() => snapQuality(quality)).toThrow(UsageError);
  });

  it('prints one line per value', () => {
    const lines = formatHeader(header).split('\n');
    expect(lines.length).toBe(Object.keys(header).length);
    expect(lines).toContain('quantizer           17 (tcq8)');
    expect(lines).toContain('alpha               1');
  });
});
