import { readFile, stat } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createImage, decodePng, encodePng, readImage } from '../../../src/io/index.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { codec, fails, model, picture, small, temporaryFolder, works } from './support.js';

const { path, files, png } = temporaryFolder();

describe('codec encode and decode', () => {
  it('names outputs after the input and reports bytes, rate and PSNR as they are', async () => {
    const input = await png('a.png', picture(100, 70));
    const encoded = await works(['encode', input, '--psnr', '--json', ...small]);
    const size = (await stat(path('a.tlc'))).size;
    const report = JSON.parse(encoded.out);
    expect(report).toMatchObject({ bytes: size, width: 100, height: 70, bitsPerPixel: (8 * size) / 7000 });
    expect(encoded.err).toMatch(/a\.tlc: [\d,]+ bytes, \d+\.\d{3} bpp, \d+\.\d\d dB, [\d.]+ m?s\n$/);
    const decoded = await works(['decode', path('a.tlc'), path('b.png'), '--reference', input, ...small]);
    const { image } = await readImage(path('b.png'));
    const decibel = psnr(image, picture(100, 70));
    expect(decibel).toBeCloseTo(report.psnr, 10);
    expect(decoded.err).toContain(`b.png: 100 x 70`);
    expect(decoded.err).toContain(`${decibel.toFixed(2)} dB`);
    expect(await files()).toEqual(['a.png', 'a.tlc', 'b.png']);
  });

  it('compares with a reference in the colours that the file keeps', async () => {
    const input = path('p3.png');
    await sharp(encodePng(picture(60, 40)))
      .withIccProfile('p3')
      .png()
      .toFile(input);
    const encoded = await works(['encode', input, '--icc', 'keep', '--psnr', '--json', ...small]);
    const decode = ['decode', path('p3.tlc'), path('b.png'), '--json', ...small];
    const decoded = await works([...decode, '--reference', input]);
    expect(JSON.parse(decoded.out).psnr).toBeCloseTo(JSON.parse(encoded.out).psnr, 10);
  });

  it('decodes where the reference does not fit, and not where there is none', async () => {
    await works(['encode', await png('a.png', picture(40, 40)), ...small]);
    const decode = ['decode', path('a.tlc'), path('b.png'), ...small, '--reference'];
    await fails([...decode, path('c.png')], /c\.png: expected a reference, there is no such file/);
    expect(await files()).toEqual(['a.png', 'a.tlc']);
    const other = await png('d.png', picture(30, 40));
    await fails([...decode, other], /d\.png: expected a reference of 40x40, got 30x40/);
    expect(await files()).toEqual(['a.png', 'a.tlc', 'b.png', 'd.png']);
  });

  it('refines as often as is asked for, and writes lossy pictures of the quality that is asked for', async () => {
    const input = await png('a.png', picture(60, 40));
    const refined = async (...options: string[]): Promise<unknown> =>
      JSON.parse((await works(['encode', input, '--json', ...options, ...small])).out).refinements;
    expect(await refined('-e', '2', '--refinements', '3')).toBe(3);
    expect(await refined('--quantizer', 'tcq8')).toBe(0);
    const sizeAt = async (...quality: string[]): Promise<number> => {
      await works(['decode', path('a.tlc'), path('b.jpg'), ...quality, ...small]);
      return (await stat(path('b.jpg'))).size;
    };
    const [low, usual, high] = [await sizeAt('-q', '30'), await sizeAt(), await sizeAt('-q', '100')];
    expect(low).toBeLessThan(usual);
    expect(usual).toBeLessThan(high);
    expect(await sizeAt('-q', '92')).toBe(usual);
  });

  it('does not replace the original unless the output is named', async () => {
    const input = await png('a.png', picture(40, 40));
    const original = await readFile(input);
    await works(['encode', input, ...small]);
    await fails(['decode', path('a.tlc'), ...small], /a\.png: exists already; name the output/);
    expect(await readFile(input)).toEqual(original);
    await works(['decode', path('a.tlc'), input, ...small]);
    expect(await readFile(input)).not.toEqual(original);
  });

  it('keeps existing files with --no-overwrite', async () => {
    const input = await png('a.png', picture(40, 40));
    await works(['encode', input, '--no-overwrite', ...small]);
    await fails(['encode', input, '--no-overwrite', ...small], /a\.tlc: exists already/);
    await fails(['decode', path('a.tlc'), input, '--no-overwrite', ...small], /a\.png: exists already/);
  });

  it('works in pipes', async () => {
    const image = picture(70, 50);
    const encoded = await works(['encode', '-', '-', ...small], { stdin: encodePng(image) });
    expect(encoded.err).toMatch(/^standard output: /);
    const decoded = await works(['decode', '-', ...small], { stdin: encoded.bytes });
    expect(psnr(decodePng(decoded.bytes).image, image)).toBeGreaterThan(20);
    const info = await works(['info', '-', '--json'], { stdin: encoded.bytes });
    expect(JSON.parse(info.out).bytes).toBe(encoded.bytes.length);
  });

  it('refuses to fill a terminal with binary data, and --json beside a picture', async () => {
    const input = await png('a.png', picture(40, 40));
    const terminal = await codec(['encode', input, '-', ...small], { columns: 80 });
    expect(terminal.err).toMatch(/^codec: standard output: expected a file or a pipe/);
    expect(terminal.code).toBe(1);
    const json = await codec(['encode', input, '-', '--json', ...small]);
    expect(json.err).toMatch(/^codec: option '--json' needs an output file/);
    expect(json.code).toBe(2);
  });

  it.each(['jpg', 'webp', 'tif'])('writes .%s', async (extension) => {
    const input = await png('a.png', picture(40, 30));
    await works(['encode', input, ...small]);
    await works(['decode', path('a.tlc'), path(`b.${extension}`), '-q', '95', ...small]);
    expect((await readImage(path(`b.${extension}`))).image).toMatchObject({ width: 40, height: 30 });
  });

  it('hands quality, effort, quantizer and tiles to the encoder', async () => {
    const input = await png('a.png', picture(200, 140));
    const report = async (...options: string[]): Promise<Record<string, unknown>> =>
      JSON.parse((await works(['encode', input, '--json', ...options, ...small])).out);
    const [low, high] = [await report('-q', '10'), await report('-q', '90')];
    expect(low.bytes).toBeLessThan(high.bytes as number);
    expect(await report('-e', '1')).toMatchObject({ quantizer: 'round', engine: 'wasm', tiles: 1 });
    expect(await report('--quantizer', 'deadzone')).toMatchObject({ quantizer: 'deadzone' });
    expect(await report('--tile', '64')).toMatchObject({ tiles: 12 });
  });

  it.each(['tcq4', 'tcq8', 'tcq16', 'tcq32', 'tcq64', 'tcq128', 'tcq256', 'tcq512', 'tcq1024'])(
    'codes and decodes with --quantizer %s',
    async (quantizer) => {
      const input = await png('a.png', picture(100, 70));
      const { out } = await works(['encode', input, '--quantizer', quantizer, '--psnr', '--json', ...small]);
      const report = JSON.parse(out);
      expect(report).toMatchObject({ quantizer, bytes: (await stat(path('a.tlc'))).size });
      const info = JSON.parse((await works(['info', path('a.tlc'), '--json'])).out);
      expect(info.quantizer).toBe(quantizer);
      await works(['decode', path('a.tlc'), path('b.png'), ...small]);
      expect(psnr((await readImage(path('b.png'))).image, picture(100, 70))).toBeCloseTo(report.psnr, 10);
    },
  );

  it('carries metadata unless told not to', async () => {
    const xmp = new TextEncoder().encode('<x/>');
    const { data } = picture(40, 30);
    const input = await png('a.png', createImage(40, 30, 3, data, { xmp }));
    const metadata = async (...options: string[]): Promise<unknown> => {
      await works(['encode', input, ...options, ...small]);
      const { metadata: found } = JSON.parse((await works(['info', path('a.tlc'), '--json'])).out);
      return found;
    };
    expect(await metadata()).toMatchObject({ xmp: xmp.length });
    await works(['decode', path('a.tlc'), path('with.png'), ...small]);
    expect((await readImage(path('with.png'))).image.metadata?.xmp).toEqual(xmp);
    await works(['decode', path('a.tlc'), path('without.png'), '--no-metadata', ...small]);
    expect((await readImage(path('without.png'))).image.metadata).toBeUndefined();
    expect(await metadata('--no-metadata')).toMatchObject({ xmp: 0 });
  });

  it('tells more with -v', async () => {
    const input = await png('a.png', picture(40, 30));
    const { err } = await works(['encode', input, '-v', ...small]);
    expect(err).toMatch(/engine +wasm\n/);
    expect(err).toMatch(/time +load .* analysis .* entropy /);
    expect((await works(['decode', path('a.tlc'), path('b.png'), '-v', ...small])).err).toMatch(/synthesis /);
  });
});

describe('codec info', () => {
  it('accounts for every byte of the file', async () => {
    const input = await png('a.png', picture(150, 90, 4));
    await works(['encode', input, '--tile', '64', '-q', '33.3', ...small]);
    const { out } = await works(['info', path('a.tlc'), '--json']);
    const info = JSON.parse(out);
    expect(info.bytes).toBe((await stat(path('a.tlc'))).size);
    const chunks = info.chunks as { type: string; bytes: number }[];
    const before = info.signatureBytes + info.headerBytes;
    expect(chunks.reduce((sum, chunk) => sum + chunk.bytes, before)).toBe(info.bytes);
    expect(chunks.filter(({ type }) => type === 'T')).toHaveLength(6);
    expect(info).toMatchObject({
      width: 150,
      height: 90,
      channels: 4,
      alpha: true,
      format: '2.0',
      quality: 8525 / 256,
      quantizer: 'tcq1024',
      tiles: { count: 6, columns: 3, rows: 2 },
    });
    const { out: models } = await works(['models', model, '--json']);
    expect(info.modelId).toBe(JSON.parse(models)[0].id);
    const text = await works(['info', path('a.tlc')]);
    expect(text.out).toContain('150 x 90, RGB with alpha');
    expect(text.out).toMatch(/alpha [\d,]+, 6 x tile [\d,]+ bytes, header 24, signature 8/);
  });
});
