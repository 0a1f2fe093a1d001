/**
 * Measures codecs on pictures: real bytes of complete files over the picture's own pixels, quality of the 8-bit pictures
 * that come back, seconds. Means are over the values of the pictures (the mean of PSNRs, not the PSNR of the mean error),
 * as in published results.
 */
import type { LoadedImage } from '../datasets/index.js';
import { psnr } from '../src/metrics/psnr.js';
import type { CurvePoint } from './bd-rate.js';
import type { ImageCodec } from './codecs.js';
import { msSsim } from './metrics/ms-ssim.js';
import type { ResultStore } from './store.js';

/** Values of one picture at one setting, or their means over pictures. */
export interface Values extends CurvePoint {
  readonly bytes: number;
  /** Bits per pixel by the codec's own continuous model, container left out. */
  readonly estimatedBpp?: number;
  /** 0..1, on request. */
  readonly msSsim?: number;
  readonly encodeSeconds: number;
  readonly decodeSeconds: number;
}

/** One picture at one setting. */
export interface Measurement extends Values {
  readonly image: string;
  readonly setting: number;
}

/** Means over the pictures at one setting: a point of a curve. */
export interface MeanValues extends Values {
  readonly setting: number;
  readonly images: number;
}

export interface MeasureOptions {
  /** Also MS-SSIM, which takes about a second per megapixel (default false). */
  readonly msSsim?: boolean;
}

/**
 * Encodes and decodes a picture at a setting.
 *
 * @example
 * const { bpp, psnr } = await measure(codec, await loadImage(images[0]), 50);
 */
export async function measure(
  codec: ImageCodec,
  { name, image }: LoadedImage,
  setting: number,
  options: MeasureOptions = {},
): Promise<Measurement> {
  const encoded = await codec.encode(image, setting);
  const decoded = await codec.decode(encoded.bytes);
  const pixels = image.width * image.height;
  return {
    image: name,
    setting,
    bytes: encoded.bytes.length,
    bpp: (8 * encoded.bytes.length) / pixels,
    ...(encoded.estimatedBits === undefined ? {} : { estimatedBpp: encoded.estimatedBits / pixels }),
    psnr: psnr(image, decoded.image),
    ...(options.msSsim ? { msSsim: msSsim(image, decoded.image) } : {}),
    encodeSeconds: encoded.seconds,
    decodeSeconds: decoded.seconds,
  };
}

/**
 * A picture at all settings of a codec; what the store already has is not measured again.
 *
 * @param store results by codec, version, picture and setting
 */
export async function measureSweep(
  codec: ImageCodec,
  picture: LoadedImage,
  store: ResultStore<Measurement>,
  options: MeasureOptions = {},
): Promise<Measurement[]> {
  const results: Measurement[] = [];
  for (const setting of codec.settings) {
    const key = [codec.name, codec.version, picture.sha256, setting].join(' | ');
    let result = store.get(key);
    if (!result || (options.msSsim && result.msSsim === undefined)) {
      result = await measure(codec, picture, setting, options);
      await store.put(key, result);
    }
    // The same picture may have another name in another set.
    results.push({ ...result, image: picture.name });
  }
  return results;
}

/** The mean of a value, where all have it. */
function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length < values.length
    ? undefined
    : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/**
 * Means over pictures, one per setting, in the order of the settings' first appearance.
 *
 * @example
 * const curve = meanCurve(measurements); // has bpp and psnr: fit for bdRate
 */
export function meanCurve(measurements: readonly Measurement[]): MeanValues[] {
  const settings = [...new Set(measurements.map(({ setting }) => setting))];
  return settings.map((setting) => {
    const own = measurements.filter((measurement) => measurement.setting === setting);
    const of = (value: (of: Measurement) => number): number => mean(own.map(value))!;
    const estimatedBpp = mean(own.map((measurement) => measurement.estimatedBpp));
    const similarity = mean(own.map((measurement) => measurement.msSsim));
    return {
      setting,
      images: own.length,
      bytes: of(({ bytes }) => bytes),
      bpp: of(({ bpp }) => bpp),
      ...(estimatedBpp === undefined ? {} : { estimatedBpp }),
      psnr: of((measurement) => measurement.psnr),
      ...(similarity === undefined ? {} : { msSsim: similarity }),
      encodeSeconds: of(({ encodeSeconds }) => encodeSeconds),
      decodeSeconds: of(({ decodeSeconds }) => decodeSeconds),
    };
  });
}
