/**
 * Measures codecs on pictures: real bytes of complete files over the picture's own pixels, quality of the 8-bit pictures
 * that come back, seconds. Means are over the values of the pictures (the mean of PSNRs, not the PSNR of the mean error),
 * as in published results; the PSNR of the mean error stands beside them as `pooledPsnr`.
 */
import type { LoadedImage } from '../datasets/index.js';
import { psnrOfMse } from '../src/metrics/psnr.js';
import type { CurvePoint } from './bd-rate.js';
import type { ImageCodec } from './codecs.js';
import type { Metrics, Quality } from './metrics/metrics.js';

/** Values of one picture at one setting, or their means over pictures. */
export interface Values extends CurvePoint, Quality {
  readonly bytes: number;
  /** Bits per pixel by the codec's own continuous model, container left out. */
  readonly estimatedBpp?: number;
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
  /** PSNR over RGB of the mean squared error of all pixels of all pictures, decibels. */
  readonly pooledPsnr: number;
}

/**
 * Encodes and decodes a picture at a setting.
 *
 * @throws CodecError where the codec refuses the picture, or what comes back has another size
 * @example
 * const { bpp, psnr } = await measure(codec, await loadImage(images[0]), 50, await openMetrics(['psnr']));
 */
export async function measure(
  codec: ImageCodec,
  { name, image }: LoadedImage,
  setting: number,
  metrics: Metrics,
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
    ...(await metrics.measure(image, decoded.image)),
    encodeSeconds: encoded.seconds,
    decodeSeconds: decoded.seconds,
  };
}

/** The mean of a value, where all have it. */
function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length < values.length
    ? undefined
    : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** PSNR of the mean error over all pixels; a picture's pixels follow from its bytes and rate. */
function pooledPsnr(measurements: readonly Measurement[]): number {
  let [error, pixels] = [0, 0];
  for (const { bytes, bpp, psnr } of measurements) {
    const own = Math.round((8 * bytes) / bpp);
    error += own * 255 ** 2 * 10 ** (-psnr / 10);
    pixels += own;
  }
  return psnrOfMse(error / pixels);
}

/** Values that a mean leaves out unless all pictures have them. */
const optional = ['estimatedBpp', 'lumaPsnr', 'msSsim', 'ssimulacra2', 'butteraugli'] as const;

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
    const known = optional.flatMap((key) => {
      const value = mean(own.map((measurement) => measurement[key]));
      return value === undefined ? [] : [[key, value] as const];
    });
    return {
      setting,
      images: own.length,
      bytes: of(({ bytes }) => bytes),
      bpp: of(({ bpp }) => bpp),
      psnr: of(({ psnr }) => psnr),
      pooledPsnr: pooledPsnr(own),
      ...Object.fromEntries(known),
      encodeSeconds: of(({ encodeSeconds }) => encodeSeconds),
      decodeSeconds: of(({ decodeSeconds }) => decodeSeconds),
    };
  });
}
