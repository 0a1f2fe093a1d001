/**
 * Pictures from and to files of any common format: PNG by fast-png, the rest by sharp. Node only.
 *
 * Invariants: a picture comes back upright, in sRGB unless asked otherwise, with as many channels as its file
 * holds (gray stays gray); its size is checked before any pixel is decoded; whatever was lost on the way is in
 * the notices. sharp is loaded on first use, so that PNG works where it is not installed.
 * Traps of sharp met here: `.raw()` makes gray RGB unless told 'b-w'; 16 bits need 'rgb16' and 'ushort'; TIFF
 * is written as JPEG-in-TIFF by default, which drops alpha; GIF always claims alpha.
 * Source: sharp.pixelplumbing.com, API pages "Input metadata" and "Output options".
 */

import { extname } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { Metadata, Sharp } from 'sharp';
import { CodecError, FormatError, UnsupportedError, UsageError } from '../errors.js';
import { readFileOrStdin, type WriteOptions, writeFileOrStdout } from './files.js';
import { isSrgbProfile } from './icc.js';
import {
  type Channels,
  createImage,
  hasAlpha,
  type Image,
  type ImageMetadata,
  isOpaque,
  splitAlpha,
} from './image.js';
import { exifOrientation, orientImage, resetOrientation } from './orientation.js';
import { checkPixels, DEFAULT_MAX_PIXELS, type DecodedImage, decodePng, encodePng } from './png.js';
import { readPngHeader } from './png-chunks.js';

/** Formats this module reads; all but GIF it also writes. */
export const imageFormats = ['png', 'jpeg', 'webp', 'avif', 'tiff', 'gif'] as const;

/** One of `imageFormats`. */
export type ImageFormat = (typeof imageFormats)[number];

/** Formats that `writeImage` writes. */
export type WritableFormat = Exclude<ImageFormat, 'gif'>;

/** Options of `readImage`. */
export interface ReadImageOptions {
  /** Refuse pictures of more pixels, before decoding (default 268402689). */
  readonly maxPixels?: number;
  /** 'convert' (default): pixels to sRGB, profile dropped; 'keep': pixels untouched, profile in the metadata. */
  readonly icc?: 'convert' | 'keep';
  /** What to call bytes in messages (default the path, or "the image"). */
  readonly name?: string;
}

/** Options of `encodeImage` and `writeImage`. */
export interface EncodeImageOptions {
  /** 1..100 for the lossy formats (default 92); PNG and TIFF are lossless. */
  readonly quality?: number;
}

/** What `readImage` gives: the picture, the remarks, and the format of the file. */
export interface ReadImage extends DecodedImage {
  readonly format: ImageFormat;
}

const extensions: Readonly<Record<string, WritableFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
  '.avif': 'avif',
  '.tif': 'tiff',
  '.tiff': 'tiff',
};

type SharpFactory = typeof import('sharp').default;

async function loadSharp(): Promise<SharpFactory> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new UnsupportedError('Expected the package sharp for formats other than PNG but it does not load', {
      cause: error,
    });
  }
}

/**
 * The format of a file by its first bytes; undefined for anything that `readImage` does not read.
 *
 * @example
 * sniffFormat(Uint8Array.of(0xff, 0xd8, 0xff)); // 'jpeg'
 */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, 64));
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  // The brands of an ISO file: the major one, then, after a version, the compatible ones.
  if (text.slice(4, 8) === 'ftyp' && /avi[fs]/.test(text.slice(8))) return 'avif';
  if (/^(II[*+]\0|MM\0[*+])/.test(text)) return 'tiff';
  if (/^GIF8[79]a/.test(text)) return 'gif';
  return undefined;
}

/** One line out of an error of sharp, which may list several warnings. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().replace(/\s*\n\s*/g, '; ');
}

/** Puts the file's name before our own messages, and makes others FormatErrors. */
function named(name: string, error: unknown): Error {
  const message = `${name}: ${reasonOf(error)}`;
  if (error instanceof UnsupportedError) return new UnsupportedError(message, { cause: error });
  if (error instanceof UsageError) return new UsageError(message, { cause: error });
  return new FormatError(message, { cause: error });
}

/**
 * Reads a picture: PNG, JPEG, WebP, AVIF, TIFF, or the first frame of a GIF.
 *
 * @param source a path ("-" for standard input) or the file's bytes
 * @returns an upright 8-bit picture of 1 to 4 channels; its EXIF says orientation 1
 * @throws UsageError when the file is missing or an option makes no sense; FormatError naming the file and the
 *   reason when it is no sound picture; UnsupportedError when it has more than `maxPixels` pixels
 * @example
 * const { image, notices } = await readImage('photo.jpg');
 */
export async function readImage(
  source: string | Uint8Array,
  options: ReadImageOptions = {},
): Promise<ReadImage> {
  const { maxPixels = DEFAULT_MAX_PIXELS, icc = 'convert' } = options;
  if (!(maxPixels > 0))
    throw new UsageError(`Expected a positive number for maxPixels but received ${maxPixels}`);
  if (icc !== 'convert' && icc !== 'keep') {
    throw new UsageError(`Expected 'convert' or 'keep' for icc but received '${icc}'`);
  }
  const path = source === '-' ? 'standard input' : source;
  const name = options.name ?? (typeof path === 'string' ? path : 'the image');
  const bytes = typeof source === 'string' ? await readFileOrStdin(source) : source;
  try {
    const format = sniffFormat(bytes);
    if (!format) throw new FormatError(notAnImage(bytes));
    const limits = { maxPixels, icc };
    const decoded =
      format === 'png' ? await readPng(bytes, limits) : await readWithSharp(bytes, format, limits);
    return { ...decoded, format };
  } catch (error) {
    throw named(name, error);
  }
}

function notAnImage(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'Expected an image but the file is empty';
  const start = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `Expected a PNG, JPEG, WebP, AVIF, TIFF or GIF image but the file starts with ${start}`;
}

type Limits = Required<Pick<ReadImageOptions, 'maxPixels' | 'icc'>>;

async function readPng(bytes: Uint8Array, limits: Limits): Promise<DecodedImage> {
  const { depth, interlaced, width, height } = readPngHeader(bytes);
  checkPixels(width, height, limits.maxPixels);
  // fast-png does not unpack these.
  if (interlaced && depth < 8) return readWithSharp(bytes, 'png', limits);
  const { image, notices } = decodePng(bytes, limits);
  const { icc, exif } = image.metadata ?? {};
  let upright = image;
  if (icc && limits.icc === 'convert' && !isSrgbProfile(icc)) {
    upright = await convertToSrgb(image, icc);
    notices.push('colours converted from the embedded ICC profile to sRGB');
  }
  upright = orientImage(upright, exif ? exifOrientation(exif) : 1);
  return { image: withCleanMetadata(upright, image.metadata ?? {}, limits), notices };
}

function withCleanMetadata(image: Image, metadata: ImageMetadata, { icc }: Limits): Image {
  const kept = {
    ...(icc === 'keep' && metadata.icc ? { icc: metadata.icc } : {}),
    ...(metadata.exif ? { exif: resetOrientation(metadata.exif) } : {}),
    ...(metadata.xmp ? { xmp: metadata.xmp } : {}),
  };
  return createImage(image.width, image.height, image.channels, image.data, kept);
}

async function openWithSharp(bytes: Uint8Array, ignoreIcc: boolean): Promise<Sharp> {
  const sharp = await loadSharp();
  // Sizes are checked by us, with our message, from the header.
  return sharp(bytes, { limitInputPixels: false, ignoreIcc, failOn: 'warning' });
}

/** Picks gray and alpha out of the RGBA that sharp was asked for, as it drops the alpha of gray. */
function grayAndAlpha<T extends Uint8Array | Uint16Array>(rgba: T): T {
  return rgba.filter((_, i) => i % 4 === 0 || i % 4 === 3) as T;
}

/** Interleaved 8-bit samples of the given number of channels. */
async function readPixels(bytes: Uint8Array, channels: Channels, convert: boolean): Promise<Uint8Array> {
  const input = await openWithSharp(bytes, !convert);
  const output = input.toColourspace(channels === 1 ? 'b-w' : 'srgb').raw();
  const data = await output.toBuffer();
  const samples = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return channels === 2 ? grayAndAlpha(samples) : samples;
}

/** As `readPixels`, for files of 10, 12 or 16 bits, which arrive in the upper bits of 16: rounded to 8. */
async function readDeepPixels(bytes: Uint8Array, channels: Channels, bits: number): Promise<Uint8Array> {
  const input = await openWithSharp(bytes, true);
  const output = input.toColourspace(channels === 1 ? 'grey16' : 'rgb16').raw({ depth: 'ushort' });
  const data = await output.toBuffer();
  const all = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
  const samples = channels === 2 ? grayAndAlpha(all) : all;
  const scale = 255 / (((1 << bits) - 1) << (16 - bits));
  return Uint8Array.from(samples, (sample) => Math.min(255, Math.round(sample * scale)));
}

/** Converts from a profile to sRGB at 8 bits: at 16 bits sharp converts to another space. */
async function convertToSrgb(image: Image, icc: Uint8Array): Promise<Image> {
  const { width, height, channels, data, metadata } = image;
  const tagged = encodePng(createImage(width, height, channels, data, { icc }));
  return createImage(width, height, channels, await readPixels(tagged, channels, true), metadata);
}

function channelsOf({ space, channels, hasAlpha: alpha }: Metadata): Channels {
  const isGray = space === 'b-w' || space === 'grey16' || (channels !== undefined && channels < 3);
  return ((isGray ? 1 : 3) + (alpha ? 1 : 0)) as Channels;
}

/** Colour spaces whose samples have a range of their own, whatever type they are stored in. */
const scaledSpaces: ReadonlySet<string> = new Set(['scrgb', 'lab', 'labs', 'xyz', 'cmyk']);

async function readWithSharp(bytes: Uint8Array, format: ImageFormat, limits: Limits): Promise<DecodedImage> {
  const meta = await (await openWithSharp(bytes, true)).metadata();
  const { width, height, depth } = meta;
  checkPixels(width, height, limits.maxPixels);
  const notices: string[] = [];
  if ((meta.pages ?? 1) > 1) notices.push(`only the first of ${meta.pages} pictures is used`);
  const channels = channelsOf(meta);
  const cmyk = meta.space === 'cmyk';
  const convert = cmyk || (limits.icc === 'convert' && meta.icc !== undefined && !isSrgbProfile(meta.icc));
  if (cmyk) notices.push('CMYK converted to sRGB');
  else if (convert) notices.push('colours converted from the embedded ICC profile to sRGB');
  if (depth !== 'uchar') notices.push(`${meta.bitsPerSample ?? 16}-bit samples reduced to 8 bits`);
  // Of gray and plain RGB libvips scales 8 and 16 bits; anything else it would cut off at 255, so that 0..1 becomes black.
  if (depth !== 'uchar' && depth !== 'ushort' && !scaledSpaces.has(meta.space)) {
    throw new UnsupportedError(`Expected samples of 8 or 16 bits but got ${depth} (${meta.space})`);
  }
  const deep = depth === 'ushort' && !cmyk;
  const data = deep
    ? await readDeepPixels(bytes, channels, format === 'avif' ? (meta.bitsPerSample ?? 16) : 16)
    : await readPixels(bytes, channels, convert);
  if (data.length !== width * height * channels) {
    throw new UnsupportedError(`Expected 1 to 4 channels in a ${format} image but got ${meta.channels}`);
  }
  let image = createImage(width, height, channels, data);
  if (deep && convert && meta.icc) image = await convertToSrgb(image, meta.icc);
  if (format === 'gif' && hasAlpha(image) && isOpaque(image)) image = splitAlpha(image).color;
  image = orientImage(image, meta.orientation ?? 1);
  const { icc, exif, xmp } = meta;
  const metadata = {
    ...(icc && !cmyk ? { icc: new Uint8Array(icc) } : {}),
    ...(exif ? { exif: new Uint8Array(exif) } : {}),
    ...(xmp ? { xmp: new Uint8Array(xmp) } : {}),
  };
  return { image: withCleanMetadata(image, metadata, limits), notices };
}

/**
 * The format that a path's extension asks for: .png .jpg .jpeg .webp .avif .tif .tiff, in any case.
 *
 * @throws UsageError for any other extension
 * @example
 * formatOfPath('a.JPG'); // 'jpeg'
 */
export function formatOfPath(path: string): WritableFormat {
  const extension = extname(path).toLowerCase();
  if (Object.hasOwn(extensions, extension)) return extensions[extension];
  throw new UsageError(
    `Expected ${Object.keys(extensions).join(', ')} for the extension of '${path}' but received '${extension}'`,
  );
}

/**
 * Encodes a picture in the given format, with its metadata.
 *
 * @param format one of png, jpeg, webp, avif, tiff
 * @returns the whole file, and remarks on what the format could not keep
 * @throws UsageError for another format or a quality outside 1..100
 * @example
 * const { bytes } = await encodeImage(image, 'webp', { quality: 80 });
 */
export async function encodeImage(
  image: Image,
  format: WritableFormat,
  options: EncodeImageOptions = {},
): Promise<{ bytes: Uint8Array; notices: string[] }> {
  const { quality = 92 } = options;
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw new UsageError(`Expected an integer from 1 to 100 for quality but received ${quality}`);
  }
  if (format === 'png') {
    return { bytes: encodePng(image, { deflate: (data) => deflateSync(data, { level: 6 }) }), notices: [] };
  }
  const notices: string[] = [];
  if (format === 'jpeg' && !isOpaque(image)) notices.push('JPEG has no transparency: put on white');
  // libvips writes none there.
  if (format === 'tiff' && image.metadata?.exif) notices.push('EXIF is not kept in TIFF');
  const sharp = await loadSharp();
  // sharp takes metadata only from files, so it gets the picture as one.
  let output = sharp(encodePng(image, { deflate: (data) => deflateSync(data, { level: 1 }) }), {
    limitInputPixels: false,
  }).keepMetadata();
  if (image.channels < 3) output = output.toColourspace('b-w');
  const encoders: Record<Exclude<WritableFormat, 'png'>, () => Sharp> = {
    jpeg: () =>
      output.flatten({ background: '#fff' }).jpeg({ quality, chromaSubsampling: '4:4:4', mozjpeg: true }),
    webp: () => output.webp({ quality }),
    avif: () => output.avif({ quality }),
    tiff: () => output.tiff({ compression: 'deflate', predictor: 'horizontal' }),
  };
  if (!Object.hasOwn(encoders, format)) {
    throw new UsageError(`Expected png, jpeg, webp, avif or tiff for format but received '${format}'`);
  }
  try {
    const bytes = await encoders[format]().toBuffer();
    return { bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), notices };
  } catch (error) {
    throw error instanceof CodecError
      ? error
      : new UnsupportedError(`Cannot write ${format}: ${reasonOf(error)}`);
  }
}

/**
 * Writes a picture in the format of the path's extension, atomically; "-" writes a PNG to standard output.
 *
 * @returns remarks on what the format could not keep
 * @throws UsageError for an unknown extension or a path that cannot be written
 * @example
 * await writeImage('out.png', image);
 */
export async function writeImage(
  path: string,
  image: Image,
  options: EncodeImageOptions & WriteOptions = {},
): Promise<string[]> {
  const { bytes, notices } = await encodeImage(image, path === '-' ? 'png' : formatOfPath(path), options);
  await writeFileOrStdout(path, bytes, options);
  return notices;
}
