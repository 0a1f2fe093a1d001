/**
 * Compares settings of quantizers (Lagrangian, dead zone) on the same latents: pictures are analysed once per quality and
 * then coded and synthesised once per setting, with the bytes of complete files. Seconds are those of quantization with
 * entropy coding, and of synthesis.
 *
 * This is for choosing defaults, on pictures that are neither trained nor tested on.
 */
import { type Coder, coderOf } from '../codec/coder.js';
import type { CodedLatents } from '../codec/entropy-model.js';
import { quantizerIds, snapQuality, tileAt, tileGrid, writeContainer } from '../codec/format/index.js';
import type { ParsedModel } from '../codec/model/model-file.js';
import { ratePointOf } from '../codec/model/rate-point.js';
import { fromPlanes, toPlanes } from '../codec/pixels.js';
import { defaultLagrangian, type LatentQuantizer, quantizerOf } from '../codec/quantizers/quantizer.js';
import type { EngineName } from '../codec/transform-engine.js';
import type { LoadedImage } from '../datasets/index.js';
import { UsageError } from '../src/errors.js';
import { type Channels, createImage, type Image } from '../src/io/index.js';
import type { Measurement } from './measure.js';
import { psnr } from './metrics/psnr.js';

/** A quantizer with its parameters. */
export interface SweepSetting {
  /** Unique in a sweep, e.g. 'rdoq 0.06'. */
  readonly name: string;
  readonly quantizer: LatentQuantizer;
  readonly lagrangian: number;
}

/**
 * Rounding with a dead zone of another width.
 *
 * @param offset part of a step added before magnitudes are cut: 0.5 is rounding, 0 truncation
 * @throws UsageError for offsets outside [0, 0.5]
 * @example
 * deadZoneOf(0.42).quantize(task);
 */
export function deadZoneOf(offset: number): LatentQuantizer {
  if (!(offset >= 0 && offset <= 0.5)) {
    throw new UsageError(`offset: expected a number from 0 to 0.5, got ${offset}`);
  }
  return {
    ...quantizerOf('deadzone'),
    quantize: ({ residuals }) =>
      Int32Array.from(residuals, (r) => Math.sign(r) * Math.floor(Math.abs(r) + offset)),
  };
}

/** Values to try; the settings are `round`, `deadzone` with each offset, and every other quantizer with each Lagrangian. */
export interface SweepValues {
  readonly quantizers: readonly string[];
  readonly lagrangians: readonly number[];
  readonly offsets: readonly number[];
}

/** The settings of a sweep; `round` comes first, because the others are compared with it. */
export function sweepSettings({ quantizers, lagrangians, offsets }: SweepValues): SweepSetting[] {
  const round = { name: 'round', quantizer: quantizerOf('round'), lagrangian: defaultLagrangian };
  const others = quantizers
    .filter((name) => name !== 'round')
    .flatMap((name): SweepSetting[] => {
      if (name === 'deadzone') {
        return offsets.map((offset) => ({
          ...round,
          name: `${name} ${offset}`,
          quantizer: deadZoneOf(offset),
        }));
      }
      const quantizer = quantizerOf(name);
      return lagrangians.map((lagrangian) => ({ name: `${name} ${lagrangian}`, quantizer, lagrangian }));
    });
  return [round, ...others];
}

/**
 * The middle of a picture, at most `side` pixels wide and high; all of it for side 0.
 *
 * @example
 * centreCrop(createImage(768, 512, 3), 512).width; // => 512
 */
export function centreCrop(image: Image, side: number): Image {
  const { width, height, channels, data } = image;
  const [w, h] = side === 0 ? [width, height] : [Math.min(side, width), Math.min(side, height)];
  const [left, top] = [(width - w) >> 1, (height - h) >> 1];
  const samples = new Uint8Array(w * h * channels);
  for (let y = 0; y < h; y++) {
    const start = ((top + y) * width + left) * channels;
    samples.set(data.subarray(start, start + w * channels), y * w * channels);
  }
  return createImage(w, h, channels, samples);
}

export interface SweepOptions {
  readonly qualities: readonly number[];
  readonly engine: EngineName;
  readonly threads: number;
}

async function reconstruct(coder: Coder, coded: CodedLatents, like: Image, quality: number): Promise<Image> {
  const grid = tileGrid(like.width, like.height, 0);
  const { core, paddedWidth: width, paddedHeight: height } = tileAt(grid, 0);
  const planes = await coder.transforms.synthesise(
    coded.passes,
    height,
    width,
    ratePointOf(coder.model, quality),
  );
  const image = createImage(like.width, like.height, like.channels as Channels);
  fromPlanes(planes, { x: 0, y: 0, width, height }, core, image);
  return image;
}

/**
 * A picture at all qualities and settings.
 *
 * @returns by the setting's name, one measurement per quality
 */
export async function sweepPicture(
  model: ParsedModel,
  { name, image }: LoadedImage,
  settings: readonly SweepSetting[],
  options: SweepOptions,
): Promise<Record<string, Measurement[]>> {
  const coder = await coderOf(model, options.engine, options.threads);
  const tile = tileAt(tileGrid(image.width, image.height, 0), 0);
  const [width, height] = [tile.paddedWidth, tile.paddedHeight];
  const planes = toPlanes(image, { x: 0, y: 0, width, height });
  const results: Record<string, Measurement[]> = Object.fromEntries(settings.map((one) => [one.name, []]));
  for (const setting of options.qualities) {
    const quality = snapQuality(setting);
    const rate = ratePointOf(model, quality);
    const area = await coder.transforms.analyse(planes, height, width, rate);
    for (const { name: settingName, quantizer, lagrangian } of settings) {
      const start = performance.now();
      const coded = coder.entropy.encode(area, height, width, rate, quantizer, lagrangian);
      const middle = performance.now();
      const decoded = await reconstruct(coder, coded, image, quality);
      const end = performance.now();
      const header = {
        width: image.width,
        height: image.height,
        channels: image.channels as 1 | 3,
        modelId: model.id,
        quality,
        quantizer: quantizerIds[quantizer.name],
        quantizerParameter: 0,
        tileSide: 0,
      };
      const tiles = [{ latentsChecksum: coded.checksum, segment: coded.segment }];
      const bytes = writeContainer({ header, tiles }).length;
      results[settingName].push({
        image: name,
        setting,
        bytes,
        bpp: (8 * bytes) / (image.width * image.height),
        psnr: psnr(image, decoded),
        encodeSeconds: (middle - start) / 1000,
        decodeSeconds: (end - middle) / 1000,
      });
    }
  }
  return results;
}
