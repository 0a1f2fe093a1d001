import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodecError, FormatError, UnsupportedError, UsageError } from '../../../src/errors.js';
import { encodeImage, readImage, sniffFormat, writeImage } from '../../../src/io/formats.js';
import { isSrgbProfile } from '../../../src/io/icc.js';
import { createImage, type Image } from '../../../src/io/image.js';
import { exifOrientation, orientImage } from '../../../src/io/orientation.js';
import { encodePng } from '../../../src/io/png.js';
import { exifBlock, meanDifference, noise, random, smooth } from './pictures.js';

const formats = ['jpeg', 'webp', 'avif', 'tiff', 'gif'] as const;
const writable = ['png', 'jpeg', 'webp', 'avif', 'tiff'] as const;

function open({ width, height, channels, data }: Image): Sharp {
  return sharp(data, { raw: { width, height, channels } });
}

/** A 2x2 checker of P3 red and white: far outside sRGB's grid, so that a conversion shows. */
async function p3(format: 'jpeg' | 'png'): Promise<Buffer> {
  const flat = open(
    createImage(
      16,
      16,
      3,
      Uint8Array.from({ length: 768 }, (_, i) => [200, 90, 60][i % 3]),
    ),
  );
  const tagged = flat.withIccProfile('p3');
  return format === 'jpeg' ? tagged.jpeg({ quality: 100 }).toBuffer() : tagged.png().toBuffer();
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'formats-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readImage', () => {
  it.each(formats)('reads %s', async (format) => {
    const original = smooth(48, 32, 3);
    const bytes = await open(original).toFormat(format, { quality: 95 }).toBuffer();
    const { image, notices, format: found } = await readImage(bytes);
    expect([image.width, image.height, image.channels, found]).toEqual([48, 32, 3, format]);
    expect(meanDifference(image.data, original.data)).toBeLessThan(4);
    expect(notices).toEqual([]);
  });

  it('gives the samples that sharp gives', async () => {
    const bytes = await open(noise(33, 21, 3))
      .webp({ quality: 60 })
      .toBuffer();
    const expected = await sharp(bytes).raw().toBuffer();
    expect([...(await readImage(bytes)).image.data]).toEqual([...expected]);
  });

  it.each(['jpeg', 'tiff'] as const)('keeps gray one channel in %s', async (format) => {
    const gray = smooth(40, 30, 1);
    const bytes = await open(gray).toColourspace('b-w').toFormat(format, { quality: 95 }).toBuffer();
    const { image } = await readImage(bytes);
    expect(image.channels).toBe(1);
    expect(meanDifference(image.data, gray.data)).toBeLessThan(2);
  });

  it('keeps gray and alpha of TIFF', async () => {
    const image = smooth(20, 10, 2);
    const bytes = await sharp(encodePng(image)).toColourspace('b-w').tiff({ compression: 'lzw' }).toBuffer();
    expect((await readImage(bytes)).image).toEqual(image);
  });

  it.each(['webp', 'avif', 'tiff', 'gif'] as const)('keeps alpha of %s', async (format) => {
    const original = smooth(32, 32, 4);
    if (format === 'gif') for (let i = 3; i < 4096; i += 4) original.data[i] = i % 64 === 3 ? 0 : 255;
    const options = format === 'tiff' ? { compression: 'lzw' as const } : { quality: 95 };
    const bytes = await open(original).toFormat(format, options).toBuffer();
    const { image } = await readImage(bytes);
    expect(image.channels).toBe(4);
    const alpha = (x: Image) => x.data.filter((_, i) => i % 4 === 3);
    expect(meanDifference(alpha(image), alpha(original))).toBeLessThan(3);
  });

  it('reads PNG exactly', async () => {
    for (const channels of [1, 2, 3, 4] as const) {
      const image = noise(13, 9, channels);
      expect(await readImage(encodePng(image))).toEqual({ image, notices: [], format: 'png' });
    }
  });

  it('reads interlaced PNG of 4 bits', async () => {
    const image = createImage(16, 16, 3);
    for (let i = 0; i < 256; i++) image.data.set(i % 3 ? [255, 0, 0] : [0, 0, 255], i * 3);
    const bytes = await open(image).png({ palette: true, colours: 4, progressive: true }).toBuffer();
    expect(bytes[24]).toBeLessThan(8);
    const { image: read } = await readImage(bytes);
    expect([...read.data.subarray(0, 6)]).toEqual([...image.data.subarray(0, 6)]);
    expect(read.channels).toBe(3);
  });

  it.each([1, 3] as const)('rounds 16-bit TIFF of %d channels, with a notice', async (channels) => {
    const next = random(2);
    const data = Uint16Array.from({ length: 64 * channels }, () => Math.floor(next() * 65536));
    const source = encode({ width: 8, height: 8, channels, depth: 16, data });
    const space = channels === 1 ? 'grey16' : 'rgb16';
    const bytes = await sharp(source).toColourspace(space).tiff({ compression: 'lzw' }).toBuffer();
    const { image, notices } = await readImage(bytes);
    expect([...image.data]).toEqual([...data].map((v) => Math.round((v * 255) / 65535)));
    expect(notices).toEqual(['16-bit samples reduced to 8 bits']);
  });

  it('refuses gray TIFF of floats or 32 bits, which would come out black or white', async () => {
    for (const [format, samples] of [
      [3, new Float32Array(64).fill(0.5)],
      [1, new Uint32Array(64).fill(1e9)],
    ] as const) {
      // Width, height, bits, compression, white is 1, where samples begin, samples, rows, bytes, kind of number.
      const tags = [256, 257, 258, 259, 262, 273, 277, 278, 279, 339];
      const values = [8, 8, 32, 1, 1, 256, 1, 8, 256, format];
      const file = Buffer.alloc(512);
      file.write('II*\0', 'latin1');
      file.writeUInt32LE(8, 4);
      file.writeUInt16LE(tags.length, 8);
      tags.forEach((tag, n) => {
        file.writeUInt16LE(tag, 10 + 12 * n);
        file.writeUInt16LE(4, 12 + 12 * n);
        file.writeUInt32LE(1, 14 + 12 * n);
        file.writeUInt32LE(values[n], 18 + 12 * n);
      });
      Buffer.from(samples.buffer).copy(file, 256);
      await expect(readImage(new Uint8Array(file))).rejects.toThrow(UnsupportedError);
      await expect(readImage(new Uint8Array(file))).rejects.toThrow(
        /expected samples of 8 or 16 bits but got (float|uint)/i,
      );
    }
  });

  it('rounds 10-bit AVIF, white staying white', async () => {
    const white = createImage(16, 16, 3, new Uint8Array(768).fill(255));
    const bytes = await open(white).avif({ bitdepth: 10, quality: 100 }).toBuffer();
    const { image, notices } = await readImage(bytes);
    expect(notices).toEqual(['10-bit samples reduced to 8 bits']);
    // 10-bit luma and chroma of a lossy format: one step may be lost.
    expect(Math.min(...image.data)).toBeGreaterThanOrEqual(254);
  });

  it('takes the first frame of an animation, with a notice', async () => {
    const frames = createImage(8, 16, 3);
    frames.data.fill(250, 0, 8 * 8 * 3);
    const bytes = await sharp(frames.data, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
      .gif()
      .toBuffer();
    const { image, notices } = await readImage(bytes);
    expect([image.width, image.height]).toEqual([8, 8]);
    expect(Math.min(...image.data.subarray(0, 64))).toBeGreaterThan(240);
    expect(notices).toEqual(['only the first of 2 pictures is used']);
  });

  it('converts CMYK', async () => {
    const bytes = await open(smooth(16, 16, 3))
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer();
    const { image, notices } = await readImage(bytes);
    expect(image.channels).toBe(3);
    expect(notices).toEqual(['CMYK converted to sRGB']);
  });
});

describe('orientation', () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    it.each(['jpeg', 'webp', 'tiff', 'png'] as const)(`applies ${orientation} in %s`, async (format) => {
      const stored = smooth(40, 24, 3);
      const bytes =
        format === 'png'
          ? encodePng({ ...stored, metadata: { exif: exifBlock(orientation) } })
          : await open(stored).withMetadata({ orientation }).toFormat(format, { quality: 95 }).toBuffer();
      const { image } = await readImage(bytes);
      const expected = orientImage(stored, orientation);
      expect([image.width, image.height]).toEqual([expected.width, expected.height]);
      expect(meanDifference(image.data, expected.data)).toBeLessThan(3);
      // TIFF has its orientation in a tag of its own.
      if (format === 'tiff') expect(image.metadata?.exif).toBeUndefined();
      else expect(exifOrientation(image.metadata!.exif!)).toBe(1);
    });
  }
});

describe('ICC profiles', () => {
  it.each(['jpeg', 'png'] as const)('converts P3 in %s to sRGB by default', async (format) => {
    const bytes = await p3(format);
    const { image, notices } = await readImage(bytes);
    const expected = await sharp(bytes).raw().toBuffer();
    const plain = await sharp(bytes, { ignoreIcc: true }).raw().toBuffer();
    expect(meanDifference(image.data, new Uint8Array(expected))).toBe(0);
    expect(meanDifference(image.data, new Uint8Array(plain))).toBeGreaterThan(2);
    expect(image.metadata?.icc).toBeUndefined();
    expect(notices).toEqual(['colours converted from the embedded ICC profile to sRGB']);
  });

  it.each(['jpeg', 'png'] as const)('keeps pixels and profile of %s when asked', async (format) => {
    const bytes = await p3(format);
    const { image, notices } = await readImage(bytes, { icc: 'keep' });
    const plain = await sharp(bytes, { ignoreIcc: true }).raw().toBuffer();
    expect(meanDifference(image.data, new Uint8Array(plain))).toBe(0);
    expect(image.metadata!.icc!.length).toBeGreaterThan(200);
    expect(notices).toEqual([]);
  });

  it('converts the same from 16-bit PNG as from 8-bit PNG', async () => {
    const { image } = await readImage(await p3('png'), { icc: 'keep' });
    const data = Uint16Array.from(image.data, (v) => v * 257);
    const deep = encode({ width: 16, height: 16, channels: 3, depth: 16, data });
    const tagged = await readImage(await p3('png'));
    const chunk = encodePng(image).subarray(33);
    const end = chunk.findIndex((_, i) => String.fromCharCode(...chunk.subarray(i, i + 4)) === 'IDAT') - 4;
    const bytes = Buffer.concat([deep.subarray(0, 33), chunk.subarray(0, end), deep.subarray(33)]);
    const converted = await readImage(bytes);
    expect(meanDifference(converted.image.data, tagged.image.data)).toBeLessThanOrEqual(1);
    expect(converted.notices.length).toBe(2);
  });

  it('leaves sRGB as it is', async () => {
    // The engine's own sRGB profile does not say sRGB in its name; one that does is made from it.
    const icc = new Uint8Array((await sharp(await p3('jpeg')).metadata()).icc!);
    expect(isSrgbProfile(icc)).toBe(false);
    const view = new DataView(icc.buffer);
    const start = view.getUint32(136);
    icc.set(new TextEncoder().encode('s\0R\0G\0B\0'), start + 28);
    expect(isSrgbProfile(icc)).toBe(true);
    const bytes = encodePng({ ...noise(8, 8, 3), metadata: { icc } });
    expect(await readImage(bytes)).toEqual({ image: noise(8, 8, 3), notices: [], format: 'png' });
    for (let length = 0; length < icc.length; length += 7) isSrgbProfile(icc.slice(0, length));
  });
});

describe('refusals', () => {
  const read = (source: string | Uint8Array, options = {}) =>
    readImage(source, options).catch((error) => error);

  it('names a missing file', async () => {
    const error = await read(join(folder, 'missing.png'));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/missing\.png/);
  });

  it('names a file that is no image, in one line', async () => {
    const path = join(folder, 'notes.jpg');
    await writeFile(path, 'these are notes');
    const error = await read(path);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/^\S*notes\.jpg: Expected .*74 68 65 73 65/);
    expect(error.message).not.toContain('\n');
    expect((await read(new Uint8Array(0), { name: 'x' })).message).toBe(
      'x: Expected an image but the file is empty',
    );
  });

  it('does not render SVG', async () => {
    const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    expect(sniffFormat(svg)).toBeUndefined();
    expect(await read(svg)).toBeInstanceOf(FormatError);
  });

  it.each([...formats, 'png' as const])('checks maxPixels before decoding %s', async (format) => {
    const bytes = await open(noise(40, 25, 3))
      .toFormat(format)
      .toBuffer();
    expect(await read(bytes, { maxPixels: 999 })).toBeInstanceOf(UnsupportedError);
    expect((await read(bytes, { maxPixels: 1000 })).image.width).toBe(40);
  });

  it('refuses a JPEG header of absurd size', async () => {
    const bytes = await open(noise(40, 25, 3))
      .jpeg()
      .toBuffer();
    const frame = bytes.indexOf(Buffer.of(0xff, 0xc0));
    bytes.writeUInt16BE(65000, frame + 5);
    bytes.writeUInt16BE(65000, frame + 7);
    expect(await read(bytes)).toBeInstanceOf(UnsupportedError);
  });

  it.each([...formats, 'png' as const])('raises typed errors only for damaged %s', async (format) => {
    const bytes = await open(noise(24, 24, 3))
      .toFormat(format)
      .toBuffer();
    const next = random(11);
    for (let run = 0; run < 60; run++) {
      const at = Math.floor(next() * bytes.length);
      const damaged = run % 2 ? Uint8Array.from(bytes.subarray(0, at)) : Uint8Array.from(bytes);
      if (run % 2 === 0) damaged[at] ^= 1 + Math.floor(next() * 255);
      const result = await read(damaged);
      if (result instanceof Error) {
        expect(result).toBeInstanceOf(CodecError);
        expect(result.message).not.toContain('\n');
      }
    }
  });

  it('refuses options that make no sense', async () => {
    const bytes = encodePng(noise(2, 2, 3));
    expect(await read(bytes, { maxPixels: 0 })).toBeInstanceOf(UsageError);
    expect(await read(bytes, { icc: 'maybe' })).toBeInstanceOf(UsageError);
  });
});

describe('writeImage', () => {
  it.each(writable)('writes %s for 1 to 4 channels', async (format) => {
    for (const channels of [1, 2, 3, 4] as const) {
      const original = smooth(40, 24, channels);
      const { bytes } = await encodeImage(original, format);
      expect(sniffFormat(bytes)).toBe(format);
      const { image } = await readImage(bytes);
      if (format === 'png' || format === 'tiff') expect(image).toEqual(original);
      else if (image.channels === channels) expect(meanDifference(image.data, original.data)).toBeLessThan(4);
      const hadAlpha = channels % 2 === 0;
      expect(image.channels % 2 === 0).toBe(hadAlpha && format !== 'jpeg');
    }
  });

  it.each(writable)('keeps metadata in %s', async (format) => {
    const { image } = await readImage(await p3('png'), { icc: 'keep' });
    const xmp = new TextEncoder().encode('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>');
    const tagged = { ...image, metadata: { ...image.metadata, exif: exifBlock(1), xmp } };
    const { bytes, notices } = await encodeImage(tagged, format);
    const { image: read } = await readImage(bytes, { icc: 'keep' });
    expect(read.metadata?.icc).toEqual(image.metadata!.icc);
    expect(read.metadata?.xmp).toEqual(xmp);
    if (format === 'tiff') expect(read.metadata?.exif).toBeUndefined();
    else expect(exifOrientation(read.metadata!.exif!)).toBe(1);
    expect(notices).toEqual(format === 'tiff' ? ['EXIF is not kept in TIFF'] : []);
    expect(meanDifference(read.data, image.data)).toBeLessThan(4);
  });

  it('says when JPEG loses transparency', async () => {
    const picture = smooth(16, 16, 4);
    const { bytes, notices } = await encodeImage(picture, 'jpeg', { quality: 100 });
    expect(notices.length).toBe(1);
    const onWhite = Uint8Array.from({ length: 3 * 16 * 16 }, (_, i) => {
      const pixel = 4 * Math.floor(i / 3);
      const alpha = picture.data[pixel + 3] / 255;
      return Math.round(alpha * picture.data[pixel + (i % 3)] + (1 - alpha) * 255);
    });
    expect(meanDifference((await readImage(bytes)).image.data, onWhite)).toBeLessThan(3);
    expect((await encodeImage(smooth(8, 8, 3), 'jpeg')).notices).toEqual([]);
  });

  it('chooses the format by the extension', async () => {
    for (const [name, format] of [
      ['a.PNG', 'png'],
      ['a.jpg', 'jpeg'],
      ['a.jpeg', 'jpeg'],
      ['a.webp', 'webp'],
      ['a.avif', 'avif'],
      ['a.tif', 'tiff'],
    ]) {
      await writeImage(join(folder, name), smooth(16, 16, 3));
      expect((await readImage(join(folder, name))).format).toBe(format);
    }
  });

  it('refuses other extensions, bad quality and existing files', async () => {
    const image = smooth(8, 8, 3);
    for (const name of ['a.bmp', 'a', 'a.gif', 'a.constructor']) {
      await expect(writeImage(join(folder, name), image)).rejects.toThrow(UsageError);
    }
    await expect(writeImage(join(folder, 'q.jpg'), image, { quality: 101 })).rejects.toThrow(UsageError);
    await writeImage(join(folder, 'once.png'), image);
    await expect(writeImage(join(folder, 'once.png'), image, { overwrite: false })).rejects.toThrow(
      UsageError,
    );
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
