/**
 * Hostile files: whatever the bytes are, decoding ends in a picture or in one of the errors that docs/FORMAT.md names
 * ("Reading with care"), soon, and without more memory than the limit on pixels allows. More than 40000 cases, seeded.
 *
 * Damage that leaves the checksums alone must be noticed: such a file gives an error or exactly the picture it held.
 * Damage with corrected checksums may give any picture of the declared size. Most cases decode tiny pictures with the
 * wasm engine, so that the whole decoder runs in each of them.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
import { EntropyModel } from '../../codec/entropy-model.js';
import { type Header, quantizerIds, readInfo, signature, writeContainer } from '../../codec/format/index.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { ratePointOf } from '../../codec/model/rate-point.js';
import { type Quantization, quantizationOf, quantizerNames } from '../../codec/quantizers/registry.js';
import { FormatError, IntegrityError, ModelMismatchError, UnsupportedError } from '../../src/errors.js';
import { createImage, type Image } from '../../src/io/image.js';
import { encodePng } from '../../src/io/png.js';
import { goldenCases, readGolden, tinyModel } from '../golden/cases.js';
import { hash, hashStream, picture } from '../golden/pictures.js';
import {
  damageBytes,
  editChunks,
  type Next,
  putTogether,
  randomBytes,
  spoilLength,
  takeApart,
  withElements,
} from './mutations.js';

const maxPixels = 2 ** 14;
/** Generous: a case takes a few milliseconds on an idle machine, and machines that test are not idle. */
const secondsPerCase = 10;

let model: ParsedModel;
let originals: { readonly name: string; readonly file: Uint8Array; readonly image: Image }[];

const decodeTiny = (file: Uint8Array): Promise<Image> => decode(file, { model, engine: 'wasm', maxPixels });

beforeAll(async () => {
  model = await tinyModel();
  originals = [];
  for (const { name, image, contexts } of goldenCases) {
    if (contexts) continue;
    const { width, height } = image();
    if (width * height > maxPixels) continue;
    const file = readGolden(name);
    originals.push({ name, file, image: await decodeTiny(file) });
  }
});

const fileErrors = [FormatError, IntegrityError, ModelMismatchError, UnsupportedError];
const tally = new Map<string, number>();

/** The picture or the error of a file; anything but a picture or a well-formed error of a file fails the test. */
async function outcome(file: Uint8Array): Promise<Image | Error> {
  const started = performance.now();
  let result: Image | Error;
  try {
    result = await decodeTiny(file);
  } catch (error) {
    if (!fileErrors.some((type) => error instanceof type)) throw error;
    result = error as Error;
    // What the PNG library says of an alpha picture is handed on as it is.
    if (!result.message.includes('sound PNG data')) expect(result.message).not.toMatch(/\n|undefined|NaN/);
  }
  expect(performance.now() - started).toBeLessThan(1000 * secondsPerCase);
  const kind = result instanceof Error ? result.name : 'picture';
  tally.set(kind, (tally.get(kind) ?? 0) + 1);
  return result;
}

/** As outcome; a picture must have the size that the file declares, within the limit. */
async function checkedOutcome(file: Uint8Array): Promise<Image | Error> {
  const result = await outcome(file);
  if (result instanceof Error) return result;
  const info = readInfo(file);
  if (info.status !== 'ok') throw new Error(`decoded, but readInfo says ${info.status}`);
  const { width, height, channels, alpha } = info.header;
  expect(width * height).toBeLessThanOrEqual(maxPixels);
  expect(result).toMatchObject({ width, height, channels: channels + alpha });
  expect(result.data.length).toBe(width * height * (channels + alpha));
  return result;
}

/** Runs a number of cases; says which one failed, so that it can be run alone. */
async function cases(seed: number, count: number, run: (next: Next) => Promise<unknown>): Promise<void> {
  for (let index = 0; index < count; index++) {
    try {
      await run(hashStream(hash(seed, index)));
    } catch (error) {
      throw new Error(`case ${index} of seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

const pick = <T>(from: readonly T[], next: Next): T => from[next() % from.length];

/** Bytes that the process holds, typed arrays and WebAssembly included. */
const residentBytes = (): number => process.memoryUsage().rss;

describe('damaged files', { timeout: 300_000 }, () => {
  it('give an error or the picture they held when checksums were left alone (15000 cases)', async () => {
    await cases(1, 15_000, async (next) => {
      const { file, image } = pick(originals, next);
      const damaged = damageBytes(file, next, pick(originals, next).file);
      const result = await outcome(damaged);
      if (!(result instanceof Error)) expect(result).toEqual(image);
    });
  });

  it('give an error or a picture of the declared size when checksums were corrected (25000 cases)', async () => {
    const before = residentBytes();
    await cases(2, 25_000, async (next) => {
      const file = editChunks(pick(originals, next).file, next, pick(originals, next).file);
      await checkedOutcome(file);
    });
    expect(residentBytes() - before).toBeLessThan(2 ** 30);
  });

  it('give an error when a segment is random bytes behind a sound header (2000 cases)', async () => {
    await cases(3, 2000, async (next) => {
      const { head, chunks } = takeApart(pick(originals, next).file);
      const noisy = chunks.map(({ type, payload }) =>
        type === 'T'
          ? { type, payload: Uint8Array.of(...payload.subarray(0, 4), ...randomBytes(next() % 400, next)) }
          : { type, payload },
      );
      expect(await checkedOutcome(putTogether({ head, chunks: noisy }))).toBeInstanceOf(Error);
    });
  });

  it('give an error when they are random bytes, with or without a signature (1000 cases)', async () => {
    await cases(4, 1000, async (next) => {
      const bytes = randomBytes(next() % 300, next);
      const file = next() % 2 ? bytes : Uint8Array.of(...signature, ...bytes);
      expect(await outcome(file)).toBeInstanceOf(Error);
    });
  });

  it('give an error for arbitrary lists of chunks (1000 cases)', async () => {
    const { head } = takeApart(originals[0].file);
    const heads = fc.oneof(fc.constant(head), fc.uint8Array({ maxLength: 64 }));
    const types = fc.constantFrom('T', 'A', 'i', 'e', 'x', 't', 'z', 'Z');
    const chunk = fc.record({ type: types, payload: fc.uint8Array({ maxLength: 64 }) });
    const files = fc.record({ head: heads, chunks: fc.array(chunk, { maxLength: 8 }) });
    await fc.assert(
      fc.asyncProperty(files, async (file) => {
        expect(await outcome(putTogether(file))).toBeInstanceOf(Error);
      }),
      { numRuns: 1000, seed: 5 },
    );
  });

  it('give an error when a length is no varint, has a longer form, is wrong or breaks off (4000 cases)', async () => {
    await cases(9, 4000, async (next) => {
      const result = await outcome(spoilLength(pick(originals, next).file, next));
      expect([FormatError, IntegrityError].some((type) => result instanceof type)).toBe(true);
    });
  });

  it('leave nothing behind: the files they were made from still decode to the same pictures', async () => {
    for (const { file, image } of originals) expect(await decodeTiny(file)).toEqual(image);
    const total = [...tally.values()].reduce((sum, count) => sum + count, 0);
    if (total < 40_000) return; // A part of the tests was run alone.
    // Every kind of outcome was met, so the cases above do reach all parts of the decoder.
    for (const kind of [
      'picture',
      'FormatError',
      'IntegrityError',
      'ModelMismatchError',
      'UnsupportedError',
    ]) {
      expect(tally.get(kind) ?? 0, kind).toBeGreaterThan(20);
    }
  });
});

describe('sound files with hostile content', () => {
  /** A file whose checksums all fit, with these numbers in place of an analysis. */
  function craft(next: Next, quantization: Quantization, value: () => number): Uint8Array {
    const [width, height] = [1 + (next() % 128), 1 + (next() % 128)];
    const [paddedWidth, paddedHeight] = [width, height].map((side) => 64 * Math.ceil(side / 64));
    const quality = (next() % 25601) / 256;
    const { latents, hyperLatents } = model.config;
    const fill = (length: number): Float32Array => Float32Array.from({ length }, value);
    const { segment, checksum } = new EntropyModel(model).encode(
      {
        passes: Array.from({ length: 4 }, () => fill((latents * paddedWidth * paddedHeight) / 32 ** 2)),
        hyperLatents: fill((hyperLatents * paddedWidth * paddedHeight) / 64 ** 2),
      },
      paddedHeight,
      paddedWidth,
      ratePointOf(model, quality),
      quantization,
    );
    return writeContainer({
      header: {
        width,
        height,
        channels: next() % 2 ? 3 : 1,
        modelId: model.id,
        quality,
        quantizer: quantizerIds[quantization.quantizer.name],
        quantizerParameter: 0,
        tileSide: 0,
      },
      tiles: [{ latentsChecksum: checksum, segment }],
      alpha:
        next() % 4 ? undefined : encodePng(createImage(width, height, 1, randomBytes(width * height, next))),
    });
  }

  it('decodes latents of any size that can be quantized to pictures (200 cases)', async () => {
    await cases(6, 200, async (next) => {
      const quantization = quantizationOf(model, pick(quantizerNames, next));
      // A search takes latents within 2^30 steps of their means; rounding takes all.
      const scale = 2 ** (next() % (quantization.quantizer.machine ? 28 : 32));
      const sparse = next() % 3 === 0;
      const file = craft(next, quantization, () =>
        sparse && next() % 50 ? 0 : (next() / 2 ** 31 - 1) * scale,
      );
      expect(await checkedOutcome(file)).not.toBeInstanceOf(Error);
    });
  });

  it('decodes any integers, up to the ends of 32 bits, to pictures (200 cases)', async () => {
    await cases(7, 200, async (next) => {
      const own = quantizationOf(model, pick(quantizerNames, next));
      const shift = next() % 32;
      const quantize = ({ residuals }: { residuals: Float32Array }): Int32Array =>
        Int32Array.from(residuals, () => (next() % 3 ? 0 : (next() | 0) >> shift));
      const hostile = { ...own, quantizer: { ...own.quantizer, quantize } };
      const file = craft(next, hostile, () => (next() % 9) - 4);
      expect(await checkedOutcome(file)).not.toBeInstanceOf(Error);
    });
  });

  it('says so where the quantizer is another one than the header names (200 cases)', async () => {
    await cases(8, 200, async (next) => {
      const original = pick(originals, next);
      const { head, chunks } = takeApart(original.file);
      const other = withElements(head, { quantizer: [quantizerIds[pick(quantizerNames, next)]] });
      if (other.every((byte, k) => byte === head[k])) return;
      const result = await checkedOutcome(putTogether({ head: other, chunks }));
      // Scalar quantizers may share tables and steps; then only values differ that offsets move.
      if (!(result instanceof Error)) expect(result.width).toBe(original.image.width);
      else expect([FormatError, IntegrityError].some((type) => result instanceof type)).toBe(true);
    });
  });
});

describe('declared sizes', () => {
  const header: Omit<Header, 'major' | 'minor' | 'alpha' | 'modelId'> = {
    width: 1,
    height: 1,
    channels: 3,
    quality: 50,
    quantizer: 0,
    quantizerParameter: 0,
    tileSide: 0,
  };
  const tile = { latentsChecksum: 0, segment: Uint8Array.of(0, 0x80, 0, 0) };

  it.each([
    [2 ** 31 - 1, 2 ** 31 - 1],
    [2 ** 31 - 1, 1],
    [1, 2 ** 31 - 1],
    [2 ** 20, 2 ** 20],
    [129, 128],
  ])('%d x %d is refused at once beyond the limit, whatever the tiles', async (width, height) => {
    const before = residentBytes();
    const file = writeContainer({ header: { ...header, width, height, modelId: model.id }, tiles: [tile] });
    const started = performance.now();
    await expect(decodeTiny(file)).rejects.toBeInstanceOf(UnsupportedError);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(residentBytes() - before).toBeLessThan(2 ** 26);
  });

  it('are held against the length of the file before tiles are counted', async () => {
    const { head, chunks } = takeApart(
      writeContainer({ header: { ...header, modelId: model.id, width: 128, height: 128 }, tiles: [tile] }),
    );
    const tiled = withElements(head, { flags: [8], tileSide: [0, 1] });
    await expect(decodeTiny(putTogether({ head: tiled, chunks }))).rejects.toThrow(
      /at least \d+ bytes for 4 tiles/,
    );
  });

  it('are refused by the size of a tile, even without a limit on pixels', async () => {
    const wide = { ...header, width: 2 ** 31 - 1, height: 1, modelId: model.id };
    const file = writeContainer({ header: wide, tiles: [tile] });
    const refused = decode(file, { model, engine: 'wasm', maxPixels: Number.POSITIVE_INFINITY });
    await expect(refused).rejects.toBeInstanceOf(UnsupportedError);
  });

  it('of an alpha picture are held against the header, before it is decompressed', async () => {
    const alpha = encodePng(createImage(20, 20, 1, randomBytes(400, hashStream(9))));
    const file = await encode(picture('mixed', 20, 20, 4), { model, engine: 'wasm' });
    const { head, chunks } = takeApart(file);
    const withAlpha = (payload: Uint8Array): Uint8Array =>
      putTogether({
        head,
        chunks: chunks.map((chunk) => (chunk.type === 'A' ? { ...chunk, payload } : chunk)),
      });
    expect((await decodeTiny(withAlpha(alpha))).channels).toBe(4);
    new DataView(alpha.buffer).setUint32(16, 2 ** 31 - 1);
    const refusal = /expected a PNG of 20x20, got 2147483647x20/;
    await expect(decodeTiny(withAlpha(alpha))).rejects.toThrow(refusal);
    const parts = { header: { ...header, width: 20, height: 20, modelId: model.id }, tiles: [tile], alpha };
    expect(() => writeContainer(parts)).toThrow(refusal);
  });
});
