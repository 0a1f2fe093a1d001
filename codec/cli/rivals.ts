/** The usual formats at a given size, for comparison: the best quality whose file is at most 2 % larger. */
import type { EncodedFile, ImageCodec } from '../../eval/codecs.js';
import { competitorCodecs } from '../../eval/competitors.js';
import type { Image } from '../../src/io/index.js';
import { psnr } from '../../src/metrics/psnr.js';

export interface RivalResult {
  readonly name: string;
  readonly quality: number;
  readonly bytes: number;
  readonly bitsPerPixel: number;
  readonly psnr: number;
  readonly encodeSeconds: number;
  readonly decodeSeconds: number;
}

const slack = 1.02;

/** Names of the codecs of eval/competitors.ts and how they are called here. */
const rivals = { mozjpeg: 'JPEG (mozjpeg)', webp: 'WebP', avif: 'AVIF' } as const;

/** The highest whole quality from 1 to 100 whose size is at most `limit`; 1 if none is. */
export async function highestQuality(
  limit: number,
  sizeAt: (quality: number) => Promise<number>,
): Promise<number> {
  let [low, high] = [1, 100];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((await sizeAt(middle)) <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}

async function resultAt(codec: ImageCodec, image: Image, size: number): Promise<Omit<RivalResult, 'name'>> {
  const files = new Map<number, EncodedFile>();
  const encode = async (quality: number): Promise<EncodedFile> => {
    const file = await codec.encode(image, quality);
    files.set(quality, file);
    return file;
  };
  const quality = await highestQuality(slack * size, async (wished) => (await encode(wished)).bytes.length);
  const { bytes, seconds } = files.get(quality) ?? (await encode(quality));
  const decoded = await codec.decode(bytes);
  return {
    quality,
    bytes: bytes.length,
    bitsPerPixel: (8 * bytes.length) / (image.width * image.height),
    psnr: psnr(image, decoded.image),
    encodeSeconds: seconds,
    decodeSeconds: decoded.seconds,
  };
}

/** JPEG, WebP and AVIF files of about `size` bytes, with their PSNR and times. */
export async function rivalsAt(image: Image, size: number): Promise<RivalResult[]> {
  const results: RivalResult[] = [];
  for (const codec of await competitorCodecs(Object.keys(rivals))) {
    const name = rivals[codec.name as keyof typeof rivals];
    results.push({ name, ...(await resultAt(codec, image, size)) });
  }
  return results;
}
