/**
 * Encoding and decoding as users see them: every size and kind of picture comes back in its size and kind, close to what
 * it was; quality means what it says; alpha and metadata are kept; bad options and wrong models are refused.
 *
 * The model is the small trained one of the golden files: it shows that the machinery is right, not what the codec can do.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { decode, decodeWithReport } from '../../codec/decode.js';
import { type EncodeOptions, efforts, encode, encodeWithReport, PictureEncoder } from '../../codec/encode.js';
import { quantizerIds, readContainer, readInfo, writeContainer } from '../../codec/format/index.js';
import { loadModel } from '../../codec/model/load.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { quantizerNames } from '../../codec/quantizers/registry.js';
import { bdRate } from '../../eval/bd-rate.js';
import { ModelMismatchError, UnsupportedError, UsageError } from '../../src/errors.js';
import { type Channels, createImage, type Image, splitAlpha } from '../../src/io/image.js';
import { parseSafetensors, serializeSafetensors } from '../../src/io/safetensors.js';
import { psnr } from '../../src/metrics/psnr.js';
import { putTogether, takeApart, withElements } from '../fuzz/mutations.js';
import { tinyModel, tinyModelBytes } from '../golden/cases.js';
import { picture } from '../golden/pictures.js';

let model: ParsedModel;
beforeAll(async () => {
  model = await tinyModel();
});

const engine = 'wasm';
const pack = (image: Image, options: EncodeOptions = {}): Promise<Uint8Array> =>
  encode(image, { model, engine, ...options });
const unpack = (bytes: Uint8Array): Promise<Image> => decode(bytes, { model, engine });
const colorOf = (image: Image): Image => splitAlpha(image).color;

/** The part of a picture from 40, 40 on. */
function crop({ width, channels, data }: Image, newWidth: number, newHeight: number): Image {
  const samples = new Uint8Array(newWidth * newHeight * channels);
  for (let y = 0; y < newHeight; y++) {
    const start = channels * (width * (y + 40) + 40);
    samples.set(data.subarray(start, start + channels * newWidth), y * newWidth * channels);
  }
  return createImage(newWidth, newHeight, channels, samples);
}

describe('sizes', () => {
  const sizes = [
    [1, 1],
    [1, 2],
    [2, 1],
    [3, 5],
    [16, 16],
    [17, 15],
    [63, 64],
    [64, 65],
    [127, 1],
    [1, 130],
    [100, 37],
    [129, 128],
  ];

  it.each(sizes)('%d x %d comes back in its size, close to what it was', async (width, height) => {
    for (const channels of [1, 2, 3, 4] as Channels[]) {
      const image = crop(picture('gradient', 256, 256, channels), width, height);
      const decoded = await unpack(await pack(image, { quality: 90 }));
      expect(decoded).toMatchObject({ width, height, channels });
      expect(psnr(colorOf(image), colorOf(decoded))).toBeGreaterThan(25);
      expect(splitAlpha(decoded).alpha).toEqual(splitAlpha(image).alpha);
    }
  });

  it.each([
    [300_000, 1],
    [1, 300_000],
  ])('%d x %d is cut, as its padding would make one tile too large', async (width, height) => {
    const image = createImage(width, height, 1, new Uint8Array(width * height));
    await PictureEncoder.create(image, { model, engine });
    await expect(PictureEncoder.create(image, { model, engine, tileSide: 0 })).rejects.toThrow(
      /tiles: expected at most 16777216 pixels each, got (300032x64|64x300032)/,
    );
  });
});

describe('quality', () => {
  const image = picture('texture', 256, 192);

  it('trades size for fidelity over its whole range', async () => {
    const points = [];
    for (const quality of [0, 15, 30, 45, 60, 75, 90, 100]) {
      const bytes = await pack(image, { quality });
      points.push({ size: bytes.length, psnr: psnr(image, await unpack(bytes)) });
    }
    for (let k = 1; k < points.length; k++) {
      expect(points[k].size).toBeGreaterThan(points[k - 1].size);
      expect(points[k].psnr).toBeGreaterThan(points[k - 1].psnr - 0.1);
    }
    const [first, last] = [points[0], points[points.length - 1]];
    expect(last.psnr - first.psnr).toBeGreaterThan(4);
    expect(last.size / first.size).toBeGreaterThan(3);
  });

  it('is stored in steps of 1/256, and between two steps nothing changes', async () => {
    const bytes = await pack(image, { quality: 33.3 });
    const info = readInfo(bytes);
    expect(info.status === 'ok' && info.header.quality).toBe(8525 / 256);
    expect(await pack(image, { quality: 8525 / 256 })).toEqual(bytes);
  });
});

describe('quantizers', () => {
  const image = picture('texture', 256, 192);
  const measure = async (options: EncodeOptions): Promise<{ size: number; psnr: number }> => {
    const bytes = await pack(image, options);
    return { size: bytes.length, psnr: psnr(image, await unpack(bytes)) };
  };

  it.each(quantizerNames)(
    '%s codes a picture that decodes, and is named in the report',
    async (quantizer) => {
      const report = await encodeWithReport(image, { model, engine, quantizer, quality: 60 });
      expect(report.quantizer).toBe(quantizer);
      expect(psnr(image, await unpack(report.bytes))).toBeGreaterThan(24);
    },
  );

  it.each([20, 50, 80])(
    'rdoq and deadzone are smaller than round at nearly its PSNR, quality %d',
    async (quality) => {
      const round = await measure({ quantizer: 'round', quality });
      for (const quantizer of ['rdoq', 'deadzone']) {
        const other = await measure({ quantizer, quality });
        expect(other.size, quantizer).toBeLessThanOrEqual(round.size);
        expect(other.psnr, quantizer).toBeGreaterThan(round.psnr - 0.5);
      }
    },
  );

  it('rdoq spends less the dearer bits are', async () => {
    const sizes = [];
    for (const lagrangian of [0, 0.3, 2]) {
      sizes.push((await measure({ quantizer: 'rdoq', quality: 70, lagrangian })).size);
    }
    expect(sizes[0]).toBeGreaterThan(sizes[1]);
    expect(sizes[1]).toBeGreaterThan(sizes[2]);
  });

  it.each(['tcq4', 'tcq8', 'tcq16', 'tcq32', 'tcq64', 'tcq128', 'tcq256', 'tcq512', 'tcq1024'])(
    '%s is smaller than rdoq at its PSNR, or better at its size',
    async (quantizer) => {
      const curve = async (name: string): Promise<{ bpp: number; psnr: number }[]> => {
        const points = [];
        for (const quality of [20, 45, 70, 95]) {
          const { size, psnr: found } = await measure({ quantizer: name, quality });
          points.push({ bpp: (8 * size) / (image.width * image.height), psnr: found });
        }
        return points;
      };
      expect(bdRate(await curve('rdoq'), await curve(quantizer)).percent).toBeLessThan(0);
    },
  );

  it.each([3, 15, 25, 255])(
    'with the id %d are unknown to this version and refused by number',
    async (id) => {
      const { head, chunks } = takeApart(await pack(picture('mixed', 30, 20)));
      const file = putTogether({ head: withElements(head, { quantizer: [id] }), chunks });
      const known = Object.entries(quantizerIds).map(([name, number]) => `${number} ${name}`);
      for (const refused of [unpack(file), decode(file)]) {
        await expect(refused).rejects.toBeInstanceOf(UnsupportedError);
        await expect(refused).rejects.toThrow(
          `header quantizer: expected one of ${known.join(', ')}, got unknown id ${id}`,
        );
      }
    },
  );

  it('are refused with parameters that they do not define', async () => {
    const { header, tiles } = readContainer(await pack(picture('mixed', 30, 20), { quantizer: 'tcq8' }));
    const file = writeContainer({ header: { ...header, quantizerParameter: 7 }, tiles });
    await expect(unpack(file)).rejects.toBeInstanceOf(UnsupportedError);
    await expect(unpack(file)).rejects.toThrow(/quantizer tcq8: expected parameter 0, the file has 7/);
  });

  it('that a model has no tables for are refused by both sides, by name', async () => {
    const { tensors, metadata } = parseSafetensors(tinyModelBytes());
    for (const name of [...tensors.keys()]) if (name.startsWith('quantizers.tcq8.')) tensors.delete(name);
    const fewer = await loadModel(serializeSafetensors(tensors, metadata));
    const small = picture('mixed', 30, 20);
    const encoding = encode(small, { model: fewer, engine, quantizer: 'tcq8' });
    await expect(encoding).rejects.toBeInstanceOf(UnsupportedError);
    await expect(encoding).rejects.toThrow(
      /round, deadzone, rdoq, tcq4, tcq16, tcq32, tcq64, tcq128, tcq256, tcq512, tcq1024\), got tcq8/,
    );
    const { header, tiles } = readContainer(await pack(small, { quantizer: 'tcq8' }));
    const file = writeContainer({ header: { ...header, modelId: fewer.id }, tiles });
    const decoding = decode(file, { model: fewer, engine });
    await expect(decoding).rejects.toBeInstanceOf(UnsupportedError);
    await expect(decoding).rejects.toThrow(/got tcq8/);
    const other = await encode(small, { model: fewer, engine, quantizer: 'tcq16' });
    expect((await decode(other, { model: fewer, engine })).width).toBe(30);
  });

  it('are chosen by effort', async () => {
    for (const [index, effort] of efforts.entries()) {
      const report = await encodeWithReport(picture('text', 40, 40), { model, engine, effort: index + 1 });
      expect(report).toMatchObject(effort);
    }
  });
});

describe('tiles', () => {
  const image = picture('texture', 320, 256);

  /** Mean squared errors within `reach` pixels of a border between tiles, and elsewhere. */
  function errors(decoded: Image, side: number, reach: number): { near: number; far: number } {
    const sums = { near: 0, far: 0 };
    const counts = { near: 0, far: 0 };
    const isNear = (at: number, size: number): boolean => {
      const border = Math.round(at / side) * side;
      return border > 0 && border < size && at >= border - reach && at < border + reach;
    };
    for (let k = 0; k < image.data.length; k++) {
      const [x, y] = [Math.floor(k / 3) % image.width, Math.floor(k / 3 / image.width)];
      const where = isNear(x, image.width) || isNear(y, image.height) ? 'near' : 'far';
      sums[where] += (image.data[k] - decoded.data[k]) ** 2;
      counts[where]++;
    }
    return { near: sums.near / counts.near, far: sums.far / counts.far };
  }

  it.each([64, 128])('of %d pixels leave no seam', async (tileSide) => {
    const whole = await unpack(await pack(image, { quality: 60 }));
    const bytes = await pack(image, { quality: 60, tileSide });
    const tiled = await unpack(bytes);
    const reference = errors(whole, tileSide, 4);
    const { near, far } = errors(tiled, tileSide, 4);
    // Where borders will be, the picture may be harder anyway: the untiled picture says how much.
    expect(near / far).toBeLessThan((1.15 * reference.near) / reference.far);
    expect(Math.abs(psnr(image, tiled) - psnr(image, whole))).toBeLessThan(0.2);
  });

  it('as large as the picture change nothing but the header', async () => {
    const [whole, tiled] = [await pack(image), await pack(image, { tileSide: 64 * 5 })];
    // The side of tiles takes two bytes, where there is one.
    expect(tiled.length).toBe(whole.length + 2);
    expect((await unpack(tiled)).data).toEqual((await unpack(whole)).data);
  });

  it('are counted in the report', async () => {
    const report = await encodeWithReport(image, { model, engine, tileSide: 128 });
    expect(report.tiles).toBe(6);
    for (const seconds of Object.values(report.seconds)) expect(seconds).toBeGreaterThanOrEqual(0);
  });
});

describe('what comes with the colours', () => {
  const metadata = {
    icc: Uint8Array.of(1, 2, 3),
    exif: Uint8Array.of(0x49, 0x49, 42, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    xmp: new TextEncoder().encode('<x:xmpmeta/>'),
  };

  it('metadata is carried, or dropped on request', async () => {
    const image = picture('mixed', 30, 20, 3, 1, metadata);
    expect((await unpack(await pack(image))).metadata).toEqual(metadata);
    expect((await unpack(await pack(image, { metadata: false }))).metadata).toBeUndefined();
    const partly = picture('mixed', 30, 20, 3, 1, { icc: metadata.icc });
    expect((await unpack(await pack(partly))).metadata).toEqual({ icc: metadata.icc });
  });

  it.each([2, 4] as Channels[])('alpha is lossless, even noise, with %d channels', async (channels) => {
    const image = picture('noise', 61, 43, channels);
    for (let k = channels - 1; k < image.data.length; k += channels) image.data[k] = (k * 2654435761) >>> 24;
    const decoded = await unpack(await pack(image, { quality: 0, tileSide: 64 }));
    expect(splitAlpha(decoded).alpha).toEqual(splitAlpha(image).alpha);
  });

  it('gray stays gray: one channel', async () => {
    const image = picture('texture', 70, 50, 1);
    const decoded = await unpack(await pack(image, { quality: 80 }));
    expect(decoded.channels).toBe(1);
    expect(psnr(image, decoded)).toBeGreaterThan(24);
  });
});

describe('encoding and decoding', () => {
  it('are repeatable, leave their input alone, and do not disturb each other', async () => {
    const images = [picture('mixed', 100, 80), picture('text', 64, 130), picture('noise', 33, 33, 4)];
    const copies = images.map(({ data }) => data.slice());
    const alone: Uint8Array[] = [];
    for (const image of images) alone.push(await pack(image));
    const together = await Promise.all([...images, ...images].map((image) => pack(image)));
    expect(together).toEqual([...alone, ...alone]);
    const decoded = await Promise.all([...alone, ...alone].map(unpack));
    for (const [k, bytes] of alone.entries()) {
      const image = await unpack(bytes);
      expect(decoded[k]).toEqual(image);
      expect(decoded[k + alone.length]).toEqual(image);
    }
    expect(images.map(({ data }) => data)).toEqual(copies);
  });

  it('read views that do not start where their buffer starts', async () => {
    const bytes = await pack(picture('mixed', 20, 20));
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(await unpack(shifted.subarray(3))).toEqual(await unpack(bytes));
  });
});

describe('options', () => {
  const image = picture('constant', 8, 8);
  const refused: [string, EncodeOptions][] = [
    ['quality', { quality: -1 }],
    ['quality', { quality: 100.1 }],
    ['quality', { quality: Number.NaN }],
    ['quantizer', { quantizer: 'vq' }],
    ['effort', { effort: 0 }],
    ['effort', { effort: 1.5 }],
    ['effort', { effort: efforts.length + 1 }],
    ['threads', { threads: -1 }],
    ['threads', { threads: 0.5 }],
    ['threads', { threads: 1000 }],
    ['tile side', { tileSide: 63 }],
    ['tile side', { tileSide: -64 }],
    ['tileSide', { tileSide: 64 * 65536 }],
    ['lagrangian', { lagrangian: -1 }],
    ['lagrangian', { lagrangian: Number.NaN }],
    ['maxPixels', { maxPixels: Number.NaN }],
    ['engine', { engine: 'gpu' as 'wasm' }],
    ['model', { model: 'no-such-model' }],
  ];

  it.each(refused)('out of range for %s are refused: %o', async (name, options) => {
    const attempt = encode(image, { model, engine, ...options });
    await expect(attempt).rejects.toBeInstanceOf(UsageError);
    await expect(attempt).rejects.toThrow(name);
  });

  it('of the decoder are checked too', async () => {
    const bytes = await pack(image);
    await expect(decode(bytes, { model, threads: -1 })).rejects.toBeInstanceOf(UsageError);
    await expect(decode(bytes, { model, maxPixels: 0 })).rejects.toBeInstanceOf(UsageError);
    await expect(decode(bytes, { model, maxPixels: 63 })).rejects.toBeInstanceOf(UnsupportedError);
    expect((await decode(bytes, { model, engine, maxPixels: 64 })).width).toBe(8);
  });

  it('maxPixels refuses large pictures', async () => {
    await expect(pack(image, { maxPixels: 63 })).rejects.toBeInstanceOf(UnsupportedError);
  });

  it('pictures whose parts disagree are refused', async () => {
    const broken = { ...createImage(2, 2, 3), width: 3 };
    await expect(pack(broken)).rejects.toBeInstanceOf(UsageError);
    await expect(pack({ ...broken, channels: 5 as Channels })).rejects.toBeInstanceOf(UsageError);
  });
});

describe('models', () => {
  it('other than the one a file was made with are refused', async () => {
    const { tensors, metadata } = parseSafetensors(tinyModelBytes());
    tensors.get('synthesis.out.bias')!.data[0] = 1;
    const other = await loadModel(serializeSafetensors(tensors, metadata));
    const file = await pack(picture('constant', 8, 8));
    const refused = decode(file, { model: other, engine });
    await expect(refused).rejects.toBeInstanceOf(ModelMismatchError);
    await expect(refused).rejects.toThrow(model.id);
    await expect(refused).rejects.toThrow(other.id);
  });

  it('are looked for among the bundled ones by default', async () => {
    const file = await pack(picture('constant', 8, 8));
    await expect(decode(file)).rejects.toBeInstanceOf(ModelMismatchError);
  });

  it('may be given by path', async () => {
    const path = new URL('../golden/tiny.safetensors', import.meta.url).pathname;
    const file = await encode(picture('constant', 8, 8), { model: path, engine });
    const { header } = await decodeWithReport(file, { model: path, engine });
    expect(header.modelId).toBe(model.id);
  });
});
