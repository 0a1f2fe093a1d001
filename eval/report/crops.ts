/**
 * Parts of pictures to look at: the original, ours and a competitor's at (nearly) the same number of bytes.
 *
 * The part is the one where both codings together have the largest squared error against the original, which favours
 * neither of the two. Everything is deterministic for codecs that are.
 * Units: pixels; bytes are those of the files of whole pictures, as is PSNR (decibels over RGB).
 */
import { UsageError } from '../../src/errors.js';
import { createImage, type Image } from '../../src/io/index.js';
import { psnr } from '../../src/metrics/psnr.js';
import type { ImageCodec } from '../codecs.js';

/** A part of a picture. */
export interface CropArea {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A picture's part as a codec gave it back. */
export interface CodedCrop {
  readonly codec: string;
  readonly setting: number;
  /** Of the whole picture's file. */
  readonly bytes: number;
  /** Of the whole picture. */
  readonly psnr: number;
  readonly pixels: Image;
}

/** The same part of a picture three times. */
export interface CropComparison {
  /** Name of the picture. */
  readonly image: string;
  /** Pixels of the whole picture. */
  readonly pixels: number;
  readonly area: CropArea;
  readonly original: Image;
  readonly ours: CodedCrop;
  readonly competitor: CodedCrop;
}

export interface CropOptions {
  /** Setting of ours; by default the second of its sweep, at which losses begin to be seen. */
  readonly setting?: number;
  /** Size of the part, cut to that of the picture; the default fills a phone's width and a third of a page's. */
  readonly width?: number;
  readonly height?: number;
}

export const defaultCropOptions = Object.freeze({ width: 352, height: 264 });

/** Positions that are tried are that many pixels apart. */
const gridStep = 8;

/** Encodings of a search for a size: settings are found to 1/64 of a sweep's range. */
const searchSteps = 7;

/** A file with its setting. */
export interface SizedFile {
  readonly setting: number;
  readonly bytes: Uint8Array;
}

/**
 * Encodes a picture to a number of bytes as near as the codec's settings allow.
 *
 * Halves the range of the codec's sweep; where all its settings are whole numbers only such ones are tried.
 *
 * @param target bytes, above 0
 * @throws UsageError for a codec without settings
 * @example
 * const { setting, bytes } = await encodeToSize(webp, image, 30000);
 */
export async function encodeToSize(codec: ImageCodec, image: Image, target: number): Promise<SizedFile> {
  const { settings } = codec;
  if (settings.length === 0) throw new UsageError(`${codec.name}: expected at least one setting, got none`);
  const [first, last] = [settings[0], settings[settings.length - 1]];
  const whole = settings.every(Number.isInteger);
  const settingAt = (part: number): number => {
    const exact = first + part * (last - first);
    return whole ? Math.round(exact) : exact;
  };
  const tried = new Map<number, Uint8Array>();
  const encode = async (setting: number): Promise<number> => {
    if (!tried.has(setting)) tried.set(setting, (await codec.encode(image, setting)).bytes);
    return tried.get(setting)!.length;
  };
  let [low, high] = [0, 1];
  for (let step = 0; step < searchSteps; step++) {
    const middle = (low + high) / 2;
    if ((await encode(settingAt(middle))) > target) high = middle;
    else low = middle;
  }
  if (low === 0) await encode(first);
  if (high === 1) await encode(last);
  const missed = ({ length }: Uint8Array): number => Math.abs(length - target);
  const [setting, bytes] = [...tried].reduce((best, next) =>
    missed(next[1]) < missed(best[1]) ? next : best,
  );
  return { setting, bytes };
}

/** A part of a picture as a picture; the area lies within it. */
export function cropOf({ width, channels, data }: Image, area: CropArea): Image {
  const row = area.width * channels;
  const samples = new Uint8Array(row * area.height);
  for (let y = 0; y < area.height; y++) {
    const start = ((area.top + y) * width + area.left) * channels;
    samples.set(data.subarray(start, start + row), y * row);
  }
  return createImage(area.width, area.height, channels, samples);
}

/** Sums over all rectangles that start at the upper left corner; one row and one column of zeros come first. */
function cumulativeErrors(original: Image, decoded: readonly Image[]): Float64Array {
  const { width, height, channels } = original;
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const n = (y * width + x) * channels + c;
        for (const { data } of decoded) row += (original.data[n] - data[n]) ** 2;
      }
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
    }
  }
  return sums;
}

/**
 * The part of a picture with the largest squared error, summed over all decoded pictures; the first of equals.
 *
 * @param decoded pictures of the original's size and channels
 * @example
 * mostDifferentArea(original, [ours, theirs], 352, 264).width; // 352
 */
export function mostDifferentArea(
  original: Image,
  decoded: readonly Image[],
  width: number,
  height: number,
): CropArea {
  const size = { width: Math.min(width, original.width), height: Math.min(height, original.height) };
  const sums = cumulativeErrors(original, decoded);
  const at = (x: number, y: number): number => sums[y * (original.width + 1) + x];
  let best: CropArea = { left: 0, top: 0, ...size };
  let most = -1;
  for (let top = 0; top + size.height <= original.height; top += gridStep) {
    for (let left = 0; left + size.width <= original.width; left += gridStep) {
      const [right, bottom] = [left + size.width, top + size.height];
      const error = at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top);
      if (error > most) [best, most] = [{ left, top, ...size }, error];
    }
  }
  return best;
}

/**
 * Codes a picture with both codecs to nearly the same size, and cuts out the part where they have lost most.
 *
 * @param ours encodes at the setting that is asked for
 * @param competitor encodes to the size that ours came to
 * @throws UsageError for a codec without settings
 * @example
 * const crop = await compareCrops(ours, webp, { name: 'kodim05.png', image }, { setting: 30 });
 * crop.competitor.bytes / crop.ours.bytes; // about 1
 */
export async function compareCrops(
  ours: ImageCodec,
  competitor: ImageCodec,
  { name, image }: { readonly name: string; readonly image: Image },
  options: CropOptions = {},
): Promise<CropComparison> {
  const {
    width,
    height,
    setting = ours.settings[Math.min(1, ours.settings.length - 1)],
  } = {
    ...defaultCropOptions,
    ...options,
  };
  const { bytes } = await ours.encode(image, setting);
  const files = [
    { codec: ours, setting, bytes },
    { codec: competitor, ...(await encodeToSize(competitor, image, bytes.length)) },
  ];
  const coded = await Promise.all(
    files.map(async (file) => ({ ...file, decoded: (await file.codec.decode(file.bytes)).image })),
  );
  const area = mostDifferentArea(
    image,
    coded.map(({ decoded }) => decoded),
    width,
    height,
  );
  const [oursCrop, competitorCrop] = coded.map(
    (one): CodedCrop => ({
      codec: one.codec.name,
      setting: one.setting,
      bytes: one.bytes.length,
      psnr: psnr(image, one.decoded),
      pixels: cropOf(one.decoded, area),
    }),
  );
  return {
    image: name,
    pixels: image.width * image.height,
    area,
    original: cropOf(image, area),
    ours: oursCrop,
    competitor: competitorCrop,
  };
}
