import { describe, expect, it } from 'vitest';
import {
  checkPixelLimit,
  chunkBytes,
  crc32c,
  type Extras,
  formatVersion,
  maxOtherChunks,
  pictureChecksum,
  putChunk,
  readContainer,
  tieOfTile,
  tileIsIntact,
  writeContainer,
  writeHeader,
} from '../../../codec/format/index.js';
import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../../src/errors.js';
import { alphaPng, sampleParts } from './samples.js';

const parts = sampleParts();
const file = writeContainer(parts);
const tileChunks = (bytes: Uint8Array) => chunksOf(bytes).filter(({ type }) => type === 'T');

/** The number at an offset in groups of 7 bits, and where it ends; written apart from the reader on purpose. */
function numberAt(bytes: Uint8Array, offset: number): [value: number, end: number] {
  let [value, end] = [0, offset];
  while (bytes[end] >= 128) value = 128 * value + bytes[end++] - 128;
  return [128 * value + bytes[end], end + 1];
}

/** Where the first chunk of a file starts. */
function headEnd(bytes: Uint8Array): number {
  const [length, start] = numberAt(bytes, 8);
  return start + length + 4;
}

/** Where each chunk of a file and its payload stand. */
function chunksOf(bytes: Uint8Array): { type: string; start: number; payload: number; end: number }[] {
  const chunks = [];
  for (let start = headEnd(bytes); start < bytes.length; ) {
    const [length, payload] = numberAt(bytes, start + 1);
    const end = payload + length + 4;
    chunks.push({ type: String.fromCharCode(bytes[start]), start, payload, end });
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
  const bytes = new Uint8Array(chunkBytes(payload.length));
  putChunk(bytes, 0, type, [Uint8Array.from(payload)]);
  return bytes;
}

/** A tile whose CRC32C fits a place in a file. */
function tileFor(bytes: Uint8Array, index: number, payload: Uint8Array | number[]): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const tile = new Uint8Array(chunkBytes(payload.length));
  const tie = tieOfTile(view.getUint32(headEnd(bytes) - 4), index);
  putChunk(tile, 0, 'T', [Uint8Array.from(payload)], tie);
  return tile;
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

/** The sample with bytes behind its first tile. */
function betweenTiles(more: Uint8Array): Uint8Array {
  const { end } = find(file, 'T');
  return join(file.subarray(0, end), more, file.subarray(end));
}

/** The sample with other bytes for the length of its first tile. */
function withLength(...length: number[]): Uint8Array {
  const { start, payload } = find(file, 'T');
  return join(file.subarray(0, start + 1), Uint8Array.from(length), file.subarray(payload));
}

function flipped(offset: number, bytes = file): Uint8Array {
  const copy = bytes.slice();
  copy[offset] ^= 1;
  return copy;
}

describe('container', () => {
  it('brings every part back', () => {
    const { header, tiles, alpha, icc, exif, xmp, text, grid, latentsChecksum, damaged } =
      readContainer(file);
    expect(header).toEqual({ ...parts.header, alpha: 1, major: 2, minor: 0 });
    expect(latentsChecksum).toBe(pictureChecksum(parts.tiles.map((tile) => tile.latentsChecksum)));
    expect(tiles.map(({ segment, latentsChecksum }) => ({ segment, latentsChecksum }))).toEqual(parts.tiles);
    expect(tiles.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect({ alpha, icc, exif, xmp, text }).toEqual({ ...parts, header: undefined, tiles: undefined });
    expect([grid.columns, grid.rows]).toEqual([3, 2]);
    expect(damaged).toEqual([]);
    expect(writeContainer(parts)).toEqual(file);
  });

  it('writes the smallest file for what is given, chunks in the documented order', () => {
    expect(chunksOf(file).map(({ type }) => type)).toEqual(
      ['i', 'e', 'x', 't', 't', 'A'].concat(Array(6).fill('T')),
    );
    const bare = writeContainer({ header: { ...parts.header, tileSide: 0 }, tiles: [parts.tiles[0]] });
    expect(bare.length).toBe(8 + (1 + 18 + 4) + (2 + 4 + 20 + 4));
    const read = readContainer(bare);
    expect(read.header.alpha).toBe(0);
    expect('alpha' in read || 'icc' in read || 'exif' in read || 'xmp' in read).toBe(false);
  });

  it.each([
    [768, 512, 0, 41],
    [768, 512, 124, 42],
    [16383, 16383, 16379, 42],
    [768, 512, 16380, 43],
    [127, 127, 50, 39],
  ])('frames a tile of %d x %d with a segment of %d bytes by %d bytes', (width, height, length, framing) => {
    const header = { ...parts.header, width, height, tileSide: 0 };
    const tiles = [{ latentsChecksum: 1, segment: new Uint8Array(length) }];
    expect(writeContainer({ header, tiles }).length - length).toBe(framing);
  });

  it('makes views and no copies, also inside a larger buffer', () => {
    const larger = join(new Uint8Array(13), file, new Uint8Array(5)).subarray(13, 13 + file.length);
    const { tiles, alpha, icc } = readContainer(larger);
    for (const view of [alpha!, icc!, ...tiles.map((tile) => tile.segment)]) {
      expect(view.buffer).toBe(larger.buffer);
    }
    expect(tiles[2].segment).toEqual(parts.tiles[2].segment);
  });

  it('skips unknown ancillary chunks before the tiles', () => {
    const more = chunk('z', [1, 2, 3]);
    for (const type of ['i', 't', 'T']) {
      const { header, tiles } = readContainer(insertBefore(type, more, more));
      expect(header.width).toBe(300);
      expect(tiles.length).toBe(6);
    }
  });

  it('refuses unknown critical chunks by name', () => {
    expect(() => readContainer(insertBefore('T', chunk('N', [1])))).toThrow(UnsupportedError);
    expect(() => readContainer(insertBefore('T', chunk('N', [1])))).toThrow('chunk "N" at byte');
  });

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'expected a .tlc file (8b 54 4c 43 0d 0a 1a 0a), got no bytes'],
    ['another file', alphaPng(), 'got 89 50 4e 47 0d 0a 1a 0a'],
    ['only a signature', file.subarray(0, 8), 'truncated'],
    ['a missing last tile', file.subarray(0, tileChunks(file)[5].start), 'truncated'],
    [
      'one tile too many',
      join(file, tileFor(file, 6, [0, 0, 0, 0])),
      'end after tile 5, its last, got 10 more',
    ],
    ['a tile too short', insertBefore('T', tileFor(file, 0, [0, 0, 0])), 'at least 4 bytes, got 3'],
    ['a second alpha', insertBefore('T', chunk('A', alphaPng())), 'expected only one'],
    ['a second profile', insertBefore('T', chunk('i')), 'expected only one'],
    ['no alpha though announced', without('A'), 'header alpha is 1, but the file has no alpha chunk'],
    ['a byte behind the last tile', join(file, Uint8Array.of(0)), 'got 1 more bytes'],
    ['metadata behind the last tile', join(file, chunk('t', [65, 0])), 'got 8 more bytes'],
    ['metadata between tiles', betweenTiles(chunk('t', [65, 0])), 'got chunk "t": only tiles follow'],
    ['an unknown chunk between tiles', betweenTiles(chunk('z')), 'got chunk "z": only tiles follow'],
    ['no chunk type', insertBefore('T', Uint8Array.of(0, 1, 2)), 'expected a chunk type at byte'],
    [
      'a type that is no letter',
      insertBefore('T', Uint8Array.of(0x5b, 0)),
      'expected a chunk type at byte 241, got 0x5b',
    ],
    ['text without NUL', insertBefore('T', chunk('t', [65])), 'a keyword, one NUL and a text'],
    ['text without keyword', insertBefore('T', chunk('t', [0, 65])), 'a keyword, one NUL and a text'],
    ['text that is no UTF-8', insertBefore('T', chunk('t', [65, 0, 0xff])), 'expected UTF-8'],
    ['a length in a longer form', withLength(0x80, 21), 'length: expected a number in its shortest form'],
    ['a length of 2^31', withLength(0x88, 0x80, 0x80, 0x80, 0), 'length: expected at most 2147483647, got'],
    [
      'a length of 6 bytes',
      withLength(0x81, 0x80, 0x80, 0x80, 0x80, 0),
      'length: expected a number of at most 5',
    ],
    [
      'a length of 2^31 - 1',
      withLength(0x87, 0xff, 0xff, 0xff, 0x7f),
      'expected 2147483647 bytes of payload',
    ],
    [
      'a length that breaks off',
      join(file.subarray(0, tileChunks(file)[5].start + 1), Uint8Array.of(0x81)),
      'breaks off after 1 bytes',
    ],
    [
      'chunks without end',
      insertBefore('T', ...Array<Uint8Array>(maxOtherChunks).fill(chunk('z'))),
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

  it('refuses alpha where none is announced', () => {
    const bare = writeContainer({ ...parts, alpha: undefined });
    const { start } = find(bare, 'T');
    const bytes = join(bare.subarray(0, start), chunk('A', alphaPng()), bare.subarray(start));
    expect(() => readContainer(bytes)).toThrow('header alpha is 0, but the file has an alpha chunk');
  });

  it.each([
    ['size', alphaPng(299, 150), 'expected a PNG of 300x150, got 299x150'],
    ['depth', alphaPng(300, 150, 16), 'depth 8, colour type 0, got 16, 0'],
    ['colour type', alphaPng(300, 150, 8, 4), 'depth 8, colour type 0, got 8, 4'],
    ['format', new Uint8Array(60), 'expected a PNG, got 60 bytes'],
  ])('refuses alpha of another %s, writing and reading', (_, alpha, message) => {
    expect(() => writeContainer({ ...parts, alpha })).toThrow(UsageError);
    expect(() => writeContainer({ ...parts, alpha })).toThrow(message);
    const { start, end } = find(file, 'A');
    const bytes = join(file.subarray(0, start), chunk('A', alpha), file.subarray(end));
    expect(() => readContainer(bytes)).toThrow(FormatError);
    expect(() => readContainer(bytes)).toThrow(message);
  });

  it('notices damage in every chunk', () => {
    for (const { type, payload, end } of [{ type: 'HEAD', payload: 9, end: 33 }, ...chunksOf(file)]) {
      for (const offset of [end - 1, end - 5, payload]) {
        expect(() => readContainer(flipped(offset)), type).toThrow(IntegrityError);
      }
    }
  });

  it('notices a tile in another place', () => {
    const [, , third, fourth] = tileChunks(file);
    const [a, b] = [file.subarray(third.start, third.end), file.subarray(fourth.start, fourth.end)];
    const swapped = join(file.subarray(0, third.start), b, a, file.subarray(fourth.end));
    const repeated = join(file.subarray(0, third.start), a, a, file.subarray(fourth.end));
    for (const bytes of [swapped, repeated, without('T')]) {
      expect(() => readContainer(bytes)).toThrow(IntegrityError);
      expect(() => readContainer(bytes)).toThrow('or the tile is from another place or file');
    }
    const { tiles } = readContainer(swapped, { damage: 'tolerate' });
    expect(tiles.map(tileIsIntact)).toEqual([true, true, false, false, true, true]);
  });

  it.each<[string, Partial<typeof parts.header>]>([
    ['quality', { quality: 43 }],
    ['size', { width: 299 }],
    ['model', { modelId: '0123456789abcdee' }],
    ['quantizer', { quantizer: 18 }],
  ])('notices a tile of a file of another %s', (_, change) => {
    const header = { ...parts.header, ...change };
    const other = writeContainer({ ...parts, header, alpha: alphaPng(header.width) });
    const [own, foreign] = [tileChunks(file)[2], tileChunks(other)[2]];
    const bytes = join(
      file.subarray(0, own.start),
      other.subarray(foreign.start, foreign.end),
      file.subarray(own.end),
    );
    expect(() => readContainer(bytes)).toThrow(IntegrityError);
    expect(() => readContainer(bytes)).toThrow('or the tile is from another place or file');
    const { tiles } = readContainer(bytes, { damage: 'tolerate' });
    expect(tiles.map(tileIsIntact)).toEqual([true, true, false, true, true, true]);
  });

  it('notices that all tiles are those of another header', () => {
    const bytes = file.slice();
    bytes[headEnd(file) - 7] ^= 1;
    new DataView(bytes.buffer).setUint32(headEnd(file) - 4, crc32c(bytes.subarray(9, headEnd(file) - 4)));
    expect(() => readContainer(bytes)).toThrow(IntegrityError);
    expect(readContainer(bytes, { damage: 'tolerate' }).tiles.some(tileIsIntact)).toBe(false);
  });

  it('tolerates damage where asked to, and says where it is', () => {
    const { payload: icc } = find(file, 'i');
    const { payload: alpha } = find(file, 'A');
    const bytes = flipped(icc, flipped(alpha, flipped(tileChunks(file)[2].payload + 7)));
    const read = readContainer(bytes, { damage: 'tolerate' });
    expect(read.damaged).toEqual(['i', 'A']);
    expect(read.alpha).toBeUndefined();
    expect(read.tiles.map(tileIsIntact)).toEqual([true, true, false, true, true, true]);
    expect(() => readContainer(flipped(16), { damage: 'tolerate' })).toThrow(IntegrityError);
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
    const huge = { ...parts.header, width: 2 ** 31 - 1, height: 2 ** 31 - 1, tileSide: 64 };
    const payload = writeHeader({ ...huge, ...formatVersion, alpha: 0 });
    const bytes = join(file.subarray(0, 8), Uint8Array.of(payload.length), payload, new Uint8Array(1000));
    new DataView(bytes.buffer).setUint32(9 + payload.length, crc32c(payload));
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
