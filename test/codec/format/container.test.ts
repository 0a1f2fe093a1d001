import { describe, expect, it } from 'vitest';
import {
  checkPixelLimit,
  type Extras,
  maxOtherChunks,
  putChunk,
  readContainer,
  tileIsIntact,
  writeContainer,
} from '../../../codec/format/index.js';
import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../../src/errors.js';
import { alphaPng, sampleParts } from './samples.js';

const parts = sampleParts();
const file = writeContainer(parts);

/** Where each chunk of a file stands; written apart from the reader on purpose. */
function chunksOf(bytes: Uint8Array): { type: string; start: number; end: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chunks = [];
  for (let start = 8; start < bytes.length; ) {
    const end = start + 12 + view.getUint32(start + 4);
    chunks.push({ type: String.fromCharCode(...bytes.subarray(start, start + 4)), start, end });
    start = end;
  }
  return chunks;
}

function find(bytes: Uint8Array, type: string) {
  return chunksOf(bytes).find((chunk) => chunk.type === type)!;
}

function join(...pieces: Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

function chunk(type: string, payload: Uint8Array | number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  putChunk(bytes, 0, type, [Uint8Array.from(payload)]);
  return bytes;
}

/** The sample with bytes put in before its first chunk of a type. */
function insertBefore(type: string, ...pieces: Uint8Array[]): Uint8Array {
  const { start } = find(file, type);
  return join(file.subarray(0, start), ...pieces, file.subarray(start));
}

/** The sample without its first chunk of a type. */
function without(type: string, bytes = file): Uint8Array {
  const { start, end } = find(bytes, type);
  return join(bytes.subarray(0, start), bytes.subarray(end));
}

function flipped(offset: number, bytes = file): Uint8Array {
  const copy = bytes.slice();
  copy[offset] ^= 1;
  return copy;
}

describe('container', () => {
  it('brings every part back', () => {
    const { header, tiles, alpha, icc, exif, xmp, text, grid, damaged } = readContainer(file);
    expect(header).toMatchObject({ ...parts.header, alpha: 1, major: 1, minor: 0 });
    expect(tiles.map(({ segment, latentsChecksum }) => ({ segment, latentsChecksum }))).toEqual(parts.tiles);
    expect(tiles.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect({ alpha, icc, exif, xmp, text }).toEqual({ ...parts, header: undefined, tiles: undefined });
    expect([grid.columns, grid.rows]).toEqual([3, 2]);
    expect(damaged).toEqual([]);
    expect(writeContainer(parts)).toEqual(file);
  });

  it('writes the smallest file for what is given, chunks in the documented order', () => {
    expect(chunksOf(file).map(({ type }) => type)).toEqual(
      ['HEAD', 'iccp', 'exif', 'xmp ', 'text', 'text', 'ALPH'].concat(Array(6).fill('TILE'), 'TEND'),
    );
    const bare = writeContainer({ header: { ...parts.header, tileSide: 0 }, tiles: [parts.tiles[0]] });
    expect(bare.length).toBe(8 + (12 + 31) + (12 + 8 + 20) + 12);
    const read = readContainer(bare);
    expect(read.header.alpha).toBe(0);
    expect('alpha' in read || 'icc' in read || 'exif' in read || 'xmp' in read).toBe(false);
  });

  it('makes views and no copies, also inside a larger buffer', () => {
    const larger = join(new Uint8Array(13), file, new Uint8Array(5)).subarray(13, 13 + file.length);
    const { tiles, alpha, icc } = readContainer(larger);
    for (const view of [alpha!, icc!, ...tiles.map((tile) => tile.segment)]) {
      expect(view.buffer).toBe(larger.buffer);
    }
    expect(tiles[2].segment).toEqual(parts.tiles[2].segment);
  });

  it('skips unknown ancillary chunks wherever they stand', () => {
    const more = chunk('zzZ9', [1, 2, 3]);
    for (const type of ['iccp', 'TILE', 'TEND']) {
      const { header, tiles } = readContainer(insertBefore(type, more, more));
      expect(header.width).toBe(300);
      expect(tiles.length).toBe(6);
    }
  });

  it('refuses unknown critical chunks by name', () => {
    expect(() => readContainer(insertBefore('TILE', chunk('NEWS', [1])))).toThrow(UnsupportedError);
    expect(() => readContainer(insertBefore('TILE', chunk('NEWS', [1])))).toThrow('chunk "NEWS" at byte');
  });

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'expected a .tlc file (8b 54 4c 43 0d 0a 1a 0a), got no bytes'],
    ['another file', alphaPng(), 'got 89 50 4e 47 0d 0a 1a 0a'],
    ['only a signature', file.subarray(0, 8), 'truncated'],
    ['no HEAD', without('HEAD'), 'expected chunk "HEAD" at byte 8, got "iccp"'],
    ['a second HEAD', insertBefore('TEND', file.subarray(8, 51)), 'expected only one'],
    ['a missing tile', without('TILE'), 'expected TILE 0 at byte'],
    [
      'a missing last tile',
      join(file.subarray(0, chunksOf(file).at(-2)!.start), chunk('TEND')),
      '6 TILE chunks',
    ],
    [
      'one tile too many',
      insertBefore('TEND', chunk('TILE', [0, 0, 0, 6, 0, 0, 0, 0])),
      '6 TILE chunks, got more',
    ],
    ['a tile too short', insertBefore('TILE', chunk('TILE', [0, 0, 0, 0])), 'at least 8 bytes, got 4'],
    ['a second ALPH', insertBefore('TEND', chunk('ALPH', alphaPng())), 'expected only one'],
    ['a second profile', insertBefore('TEND', chunk('iccp')), 'expected only one'],
    ['no ALPH though announced', without('ALPH'), 'header alpha is 1, but the file has no ALPH chunk'],
    ['no TEND', file.subarray(0, file.length - 12), 'truncated'],
    ['bytes behind the end', join(file, Uint8Array.of(0)), 'got 1 more bytes'],
    ['TEND with a payload', join(file.subarray(0, -12), chunk('TEND', [1])), 'expected no payload'],
    [
      'no chunk type',
      insertBefore('TILE', Uint8Array.of(0, 1, 2, 3, 0, 0, 0, 0)),
      'expected a chunk type at byte',
    ],
    ['text without NUL', insertBefore('TILE', chunk('text', [65])), 'a keyword, one NUL and a text'],
    ['text without keyword', insertBefore('TILE', chunk('text', [0, 65])), 'a keyword, one NUL and a text'],
    ['text that is no UTF-8', insertBefore('TILE', chunk('text', [65, 0, 0xff])), 'expected UTF-8'],
    [
      'chunks without end',
      insertBefore('TILE', ...Array<Uint8Array>(maxOtherChunks).fill(chunk('zzzz'))),
      'at most 1024 chunks',
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readContainer(bytes)).toThrow(FormatError);
    expect(() => readContainer(bytes)).toThrow(message);
  });

  it('refuses every truncation', () => {
    for (let length = 0; length < file.length; length++) {
      expect(() => readContainer(file.subarray(0, length))).toThrow(FormatError);
    }
  });

  it('refuses ALPH where none is announced', () => {
    const bare = writeContainer({ ...parts, alpha: undefined });
    const { start } = find(bare, 'TILE');
    const bytes = join(bare.subarray(0, start), chunk('ALPH', alphaPng()), bare.subarray(start));
    expect(() => readContainer(bytes)).toThrow('header alpha is 0, but the file has an ALPH chunk');
  });

  it.each([
    ['size', alphaPng(299, 150), 'expected a PNG of 300x150, got 299x150'],
    ['depth', alphaPng(300, 150, 16), 'depth 8, colour type 0, got 16, 0'],
    ['colour type', alphaPng(300, 150, 8, 4), 'depth 8, colour type 0, got 8, 4'],
    ['format', new Uint8Array(60), 'expected a PNG, got 60 bytes'],
  ])('refuses alpha of another %s, writing and reading', (_, alpha, message) => {
    expect(() => writeContainer({ ...parts, alpha })).toThrow(UsageError);
    expect(() => writeContainer({ ...parts, alpha })).toThrow(message);
    const { start, end } = find(file, 'ALPH');
    const bytes = join(file.subarray(0, start), chunk('ALPH', alpha), file.subarray(end));
    expect(() => readContainer(bytes)).toThrow(FormatError);
    expect(() => readContainer(bytes)).toThrow(message);
  });

  it('notices damage in every chunk', () => {
    for (const { type, start, end } of chunksOf(file)) {
      expect(() => readContainer(flipped(end - 1)), type).toThrow(IntegrityError);
      if (end - start > 20) expect(() => readContainer(flipped(start + 15)), type).toThrow(IntegrityError);
    }
  });

  it('notices a tile of another file', () => {
    const tiles = parts.tiles.map((tile, i) => (i === 2 ? { ...tile, latentsChecksum: 1 } : tile));
    const other = writeContainer({ ...parts, tiles });
    const third = chunksOf(file).filter(({ type }) => type === 'TILE')[2];
    const bytes = join(
      file.subarray(0, third.start),
      other.subarray(third.start, third.end),
      file.subarray(third.end),
    );
    expect(() => readContainer(bytes)).toThrow(IntegrityError);
    expect(() => readContainer(bytes)).toThrow('a tile is from another file');
  });

  it('tolerates damage where asked to, and says where it is', () => {
    const { start: icc } = find(file, 'iccp');
    const { start: alpha } = find(file, 'ALPH');
    const [, , tile] = chunksOf(file).filter(({ type }) => type === 'TILE');
    const bytes = flipped(icc + 9, flipped(alpha + 9, flipped(tile.start + 11)));
    const read = readContainer(bytes, { damage: 'tolerate' });
    expect(read.damaged).toEqual(['iccp', 'ALPH']);
    expect(read.alpha).toBeUndefined();
    expect(read.tiles.map(tileIsIntact)).toEqual([true, true, false, true, true, true]);
    expect(() => readContainer(flipped(16), { damage: 'tolerate' })).toThrow(IntegrityError);
    const swapped = join(file.subarray(0, tile.start), file.subarray(tile.start));
    swapped.set(chunk('TILE', [0, 0, 0, 1, ...file.subarray(tile.start + 12, tile.end - 4)]), tile.start);
    expect(tileIsIntact(readContainer(swapped, { damage: 'tolerate' }).tiles[2])).toBe(false);
    expect(() => readContainer(swapped)).toThrow('expected TILE 2 at byte');
  });

  it('checks the number of pixels before it trusts the size', () => {
    const refused = () => readContainer(file, { maxPixels: 44_999 });
    expect(refused).toThrow(UnsupportedError);
    expect(refused).toThrow(
      'picture has 300 x 150 = 45000 pixels, more than the limit of 44999; raise it with --max-pixels',
    );
    expect(readContainer(file, { maxPixels: 45_000 }).tiles.length).toBe(6);
    expect(() => readContainer(file, { maxPixels: 0 })).toThrow(UsageError);
    expect(() => readContainer(file, { maxPixels: Number.NaN })).toThrow(UsageError);
    expect(() => checkPixelLimit(2 ** 31 - 1, 2 ** 31 - 1, 2 ** 40)).toThrow('= 4611686014132420609 pixels');
    expect(() => checkPixelLimit(2 ** 31 - 1, 2 ** 31 - 1, Number.POSITIVE_INFINITY)).not.toThrow();
  });

  it('refuses a grid of more tiles than the file can hold, without a thought for memory', () => {
    const huge = { ...parts.header, width: 2 ** 31 - 1, height: 2 ** 31 - 1, tileSide: 0 };
    const bytes = writeContainer({ header: huge, tiles: [parts.tiles[0]] });
    const payload = bytes.slice(16, 47);
    payload[26] = 1;
    bytes.set(chunk('HEAD', payload), 8);
    expect(() => readContainer(bytes, { maxPixels: Number.POSITIVE_INFINITY })).toThrow(
      'bytes for 1125899906842624 tiles',
    );
  });

  it('reads thousands of chunks in linear time', () => {
    const tiles = Array.from({ length: 65536 }, () => ({ latentsChecksum: 1, segment: new Uint8Array(4) }));
    const bytes = writeContainer({
      header: { ...parts.header, width: 16384, height: 16384, tileSide: 64 },
      tiles,
    });
    const start = performance.now();
    expect(readContainer(bytes).tiles.length).toBe(65536);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it.each<[string, Partial<Extras> & { tiles?: typeof parts.tiles }]>([
    ['too few tiles', { tiles: parts.tiles.slice(1) }],
    ['a checksum out of range', { tiles: parts.tiles.map((tile) => ({ ...tile, latentsChecksum: -1 })) }],
    ['text without keyword', { text: [{ key: '', value: 'x' }] }],
    ['text with NUL', { text: [{ key: 'x', value: 'a\0b' }] }],
  ])('does not write %s', (_, change) => {
    expect(() => writeContainer({ ...parts, ...change })).toThrow(UsageError);
  });
});
