import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { PNG } from 'pngjs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { CodecError, FormatError, UnsupportedError } from '../../../src/errors.js';
import { type Channels, createImage } from '../../../src/io/image.js';
import { decodePng, encodePng } from '../../../src/io/png.js';
import { concatBytes, PNG_SIGNATURE, pngChunk, storedZlib } from '../../../src/io/png-chunks.js';
import { exifBlock, noise, random, smooth } from './pictures.js';

const deflate = (bytes: Uint8Array) => deflateSync(bytes);

/** A PNG made by hand, for what encoders do not write. */
function png(ihdr: number[], ...chunks: [string, Uint8Array][]): Uint8Array {
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, ihdr[0]);
  new DataView(header.buffer).setUint32(4, ihdr[1]);
  header.set(ihdr.slice(2), 8);
  const all: [string, Uint8Array][] = [['IHDR', header], ...chunks, ['IEND', new Uint8Array(0)]];
  return concatBytes([PNG_SIGNATURE, ...all.map(([type, data]) => pngChunk(type, data))]);
}

const idat = (...rows: number[]): [string, Uint8Array] => ['IDAT', deflateSync(Uint8Array.from(rows))];

/** RGBA as pngjs sees it. */
function byPngjs(bytes: Uint8Array): number[] {
  return [...PNG.sync.read(Buffer.from(bytes)).data];
}

function toRgba({ channels, data }: { channels: Channels; data: Uint8Array }): number[] {
  const result: number[] = [];
  for (let i = 0; i < data.length; i += channels) {
    const gray = channels < 3;
    const alpha = channels % 2 === 0 ? data[i + channels - 1] : 255;
    result.push(data[i], data[i + (gray ? 0 : 1)], data[i + (gray ? 0 : 2)], alpha);
  }
  return result;
}

describe('8-bit round trip', () => {
  for (const channels of [1, 2, 3, 4] as const) {
    for (const options of [{}, { deflate }]) {
      it(`keeps ${channels} channels${options.deflate ? ', filtered' : ''}, as pngjs sees them too`, () => {
        const image = noise(37, 23, channels, channels);
        const bytes = encodePng(image, options);
        expect(decodePng(bytes)).toEqual({ image, notices: [] });
        expect(byPngjs(bytes)).toEqual(toRgba(image));
      });
    }
  }

  it('filters well', () => {
    const image = smooth(256, 256, 3);
    expect(encodePng(image, { deflate }).length).toBeLessThan(encodePng(image).length / 2);
  });

  it('reads what pngjs writes', () => {
    const image = noise(31, 17, 4);
    const other = new PNG({ width: 31, height: 17 });
    other.data = Buffer.from(image.data);
    expect(decodePng(PNG.sync.write(other)).image).toEqual(image);
    const gray = decodePng(PNG.sync.write(other, { colorType: 0 })).image;
    expect(gray.channels).toBe(1);
  });

  it('reads interlaced files', async () => {
    const image = noise(19, 21, 3);
    const raw = { width: 19, height: 21, channels: 3 } as const;
    const bytes = await sharp(image.data, { raw }).png({ progressive: true }).toBuffer();
    expect(decodePng(bytes).image).toEqual(image);
  });

  it('works on views into larger buffers', () => {
    const bytes = encodePng(noise(5, 4, 3));
    const padded = new Uint8Array(bytes.length + 20);
    padded.set(bytes, 7);
    expect(decodePng(padded.subarray(7)).image).toEqual(noise(5, 4, 3));
  });
});

describe('other depths', () => {
  it.each([1, 2, 3, 4] as const)('rounds 16 bits to 8 in %d channels, with a notice', (channels) => {
    const next = random(channels);
    const data = Uint16Array.from({ length: 11 * 7 * channels }, () => Math.floor(next() * 65536));
    const { image, notices } = decodePng(encode({ width: 11, height: 7, channels, depth: 16, data }));
    expect([...image.data]).toEqual([...data].map((v) => Math.round((v * 255) / 65535)));
    expect(notices).toEqual(['16-bit samples reduced to 8 bits']);
  });

  it('rounds every 16-bit value', () => {
    const data = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const { image } = decodePng(encode({ width: 256, height: 256, channels: 1, depth: 16, data }));
    expect([...image.data]).toEqual([...data].map((v) => Math.round((v * 255) / 65535)));
  });

  it('spreads gray of 1, 2 and 4 bits over 0..255', () => {
    const one = png([10, 2, 1, 0, 0, 0, 0], idat(0, 0b10101010, 0b11000000, 0, 0, 0b01000000));
    expect([...decodePng(one).image.data.subarray(0, 10)]).toEqual([
      255, 0, 255, 0, 255, 0, 255, 0, 255, 255,
    ]);
    expect(toRgba(decodePng(one).image)).toEqual(byPngjs(one));
    const two = png([3, 1, 2, 0, 0, 0, 0], idat(0, 0b00011011));
    expect([...decodePng(two).image.data]).toEqual([0, 85, 170]);
    const four = png([3, 1, 4, 0, 0, 0, 0], idat(0, 0x0f, 0x30));
    expect([...decodePng(four).image.data]).toEqual([0, 255, 51]);
  });

  it('refuses interlaced samples below 8 bits', () => {
    expect(() => decodePng(png([3, 1, 4, 0, 0, 0, 1], idat(0, 0x0f, 0x30)))).toThrow(UnsupportedError);
  });
});

describe('palettes and transparent colours', () => {
  const palette: [string, Uint8Array] = ['PLTE', Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255)];

  it.each([
    [8, [0, 0, 1, 2, 2, 1]],
    [4, [0, 0x01, 0x22, 0x10]],
    [2, [0, 0b00011010, 0b01000000]],
  ])('expands a palette of %d bits', (depth, row) => {
    const bytes = png([5, 1, depth, 3, 0, 0, 0], palette, idat(...row));
    const { image } = decodePng(bytes);
    expect(image.channels).toBe(3);
    expect(image.data.length).toBe(15);
    expect(toRgba(image)).toEqual(byPngjs(bytes));
  });

  it('gives a palette with tRNS an alpha channel', () => {
    const bytes = png([3, 1, 8, 3, 0, 0, 0], palette, ['tRNS', Uint8Array.of(7, 99)], idat(0, 0, 1, 2));
    const { image } = decodePng(bytes);
    expect([...image.data]).toEqual([255, 0, 0, 7, 0, 255, 0, 99, 0, 0, 255, 255]);
    expect(toRgba(image)).toEqual(byPngjs(bytes));
  });

  it('makes the tRNS colour of gray and RGB transparent', () => {
    const gray = png([3, 1, 8, 0, 0, 0, 0], ['tRNS', Uint8Array.of(0, 5)], idat(0, 4, 5, 6));
    expect([...decodePng(gray).image.data]).toEqual([4, 255, 5, 0, 6, 255]);
    const rgb = png(
      [3, 1, 8, 2, 0, 0, 0],
      ['tRNS', Uint8Array.of(0, 1, 0, 2, 0, 3)],
      idat(0, 1, 2, 3, 1, 2, 4, 0, 0, 0),
    );
    expect([...decodePng(rgb).image.data]).toEqual([1, 2, 3, 0, 1, 2, 4, 255, 0, 0, 0, 255]);
    const deep = png([2, 1, 16, 0, 0, 0, 0], ['tRNS', Uint8Array.of(1, 5)], idat(0, 1, 5, 1, 6));
    expect([...decodePng(deep).image.data]).toEqual([1, 0, 1, 255]);
  });

  it('refuses an index beyond the palette, and a missing palette', () => {
    expect(() => decodePng(png([1, 1, 8, 3, 0, 0, 0], palette, idat(0, 3)))).toThrow(FormatError);
    expect(() => decodePng(png([1, 1, 8, 3, 0, 0, 0], idat(0, 0)))).toThrow(FormatError);
  });
});

describe('metadata', () => {
  const next = random(5);
  const icc = Uint8Array.from({ length: 70000 }, () => next() * 256);
  const metadata = { icc, exif: exifBlock(6), xmp: new TextEncoder().encode('<x:xmpmeta/>ü') };

  it.each([{}, { deflate }])('keeps ICC, EXIF and XMP', (options) => {
    const { width, height, channels, data } = noise(9, 9, 3);
    const image = createImage(width, height, channels, data, metadata);
    const bytes = encodePng(image, options);
    expect(decodePng(bytes)).toEqual({ image, notices: [] });
    expect(byPngjs(bytes)).toEqual(toRgba(image));
  });

  it('is read by sharp as well', async () => {
    const bytes = encodePng(createImage(2, 2, 3, new Uint8Array(12), metadata));
    const meta = await sharp(bytes).metadata();
    expect(meta.orientation).toBe(6);
    expect(new Uint8Array(meta.xmp!)).toEqual(metadata.xmp);
  });

  it('ignores a damaged profile with a notice', () => {
    const profile = new TextEncoder().encode('x\0\0nonsense');
    const { image, notices } = decodePng(png([1, 1, 8, 0, 0, 0, 0], ['iCCP', profile], idat(0, 9)));
    expect([...image.data]).toEqual([9]);
    expect(notices).toEqual(['unreadable ICC profile ignored']);
  });

  it('is not disturbed by odd text chunks', () => {
    const { image } = decodePng(png([1, 1, 8, 0, 0, 0, 0], ['tEXt', Uint8Array.of(0)], idat(0, 9)));
    expect([...image.data]).toEqual([9]);
  });
});

describe('damaged and hostile files', () => {
  const sound = encodePng(noise(16, 16, 3));

  it.each([
    ['nothing', new Uint8Array(0)],
    ['text', new TextEncoder().encode('hello world, this is no picture at all')],
    ['the signature alone', PNG_SIGNATURE],
    ['no data', png([1, 1, 8, 0, 0, 0, 0])],
    ['zero width', png([0, 1, 8, 0, 0, 0, 0], idat(0))],
    ['a wrong depth', png([1, 1, 3, 0, 0, 0, 0], idat(0, 0))],
    ['a wrong colour type', png([1, 1, 8, 5, 0, 0, 0], idat(0, 0))],
    ['a wrong compression', png([1, 1, 8, 0, 1, 0, 0], idat(0, 0))],
    ['a wrong row filter', png([1, 1, 8, 0, 0, 0, 0], idat(9, 0))],
    ['missing rows', png([1, 4, 8, 0, 0, 0, 0], idat(0, 1, 0, 2))],
    ['data that does not inflate', png([1, 1, 8, 0, 0, 0, 0], ['IDAT', Uint8Array.of(1, 2, 3, 4, 5)])],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodePng(bytes)).toThrow(FormatError);
  });

  it('refuses an unknown critical chunk', () => {
    const bytes = png([1, 1, 8, 0, 0, 0, 0], ['ABCD', new Uint8Array(1)], idat(0, 0));
    expect(() => decodePng(bytes)).toThrow(UnsupportedError);
  });

  it('notices a changed checksum', () => {
    const bytes = sound.slice();
    bytes[60] ^= 1;
    expect(() => decodePng(bytes)).toThrow(FormatError);
  });

  it('refuses absurd sizes at once, without allocating them', () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => decodePng(png([0x7fffffff, 0x7fffffff, 16, 6, 0, 0, 0], idat(0, 0)))).toThrow(
      UnsupportedError,
    );
    expect(() => decodePng(png([16000, 16000, 16, 6, 0, 0, 0], idat(0, 0)))).toThrow(FormatError);
    expect(() => decodePng(sound, { maxPixels: 255 })).toThrow(/at most 255 pixels.*16x16/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
  });

  it('refuses data far larger than the picture', () => {
    const bytes = png([1, 1, 8, 0, 0, 0, 0], ['IDAT', storedZlib(new Uint8Array(100000))]);
    expect(() => decodePng(bytes)).toThrow(FormatError);
  });

  it('raises typed errors only on truncated and changed files', () => {
    fc.assert(
      fc.property(
        fc.nat(sound.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (at, flip, cut) => {
          const damaged = cut ? sound.slice(0, at) : sound.slice();
          if (!cut) damaged[at] ^= flip;
          expect(() => decodePng(damaged)).toThrow(CodecError);
        },
      ),
      { seed: 3, numRuns: 1500 },
    );
  });

  it('raises typed errors only when the checksums have been mended', () => {
    const body = deflateSync(Uint8Array.from({ length: 16 * 49 }, (_, i) => (i % 49 === 0 ? 1 : i)));
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Uint8Array.from(body);
        damaged[at] ^= flip;
        try {
          decodePng(png([16, 16, 8, 2, 0, 0, 0], ['IDAT', damaged]));
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      }),
      { seed: 4, numRuns: 1000 },
    );
  });
});
