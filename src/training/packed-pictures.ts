/**
 * Parts of photographs in one file, for run folders: small enough to travel, and read with nothing but zlib.
 *
 * A picture [height,width,3] is stored as three planes, R-G, G and B-G, each value as its difference from the left
 * neighbour, all modulo 256, then deflated.
 */
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { UsageError } from '../errors.js';
import { cropPicture, type Photographs, type RgbPicture } from './photographs.js';
import { Random } from './random.js';

/** Where a picture lies in the file; bytes and pixels. */
export interface PackedEntry {
  readonly offset: number;
  readonly length: number;
  readonly width: number;
  readonly height: number;
}

export interface PackOptions {
  readonly seed: number;
  /** Bytes that the packed pictures may take together. */
  readonly bytes: number;
  /** Longest side of a part, in pixels. */
  readonly side: number;
  /** Shortest side: the crop that training will take. */
  readonly leastSide: number;
}

const deflateAsync = promisify(deflate);

/** Deflated planes of a picture; unpack_picture of torch/sampling.py is the inverse. */
export async function packPicture({ width, height, data }: RgbPicture): Promise<Uint8Array> {
  const planes = new Uint8Array(3 * width * height);
  for (let c = 0, k = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      let left = 0;
      for (let x = 0; x < width; x++, k++) {
        const pixel = 3 * (y * width + x);
        const value = c === 1 ? data[pixel + 1] : data[pixel + c] - data[pixel + 1];
        planes[k] = value - left;
        left = value;
      }
    }
  }
  return deflateAsync(planes, { level: 9 });
}

/** A random part of a picture, as large as sides of at most `side` allow. */
function drawPart(picture: RgbPicture, random: Random, side: number): RgbPicture {
  const width = Math.min(picture.width, side);
  const height = Math.min(picture.height, side);
  const left = random.integer(picture.width - width + 1);
  const top = random.integer(picture.height - height + 1);
  return cropPicture(picture, left, top, width, height);
}

/** Numbers 0 to count-1 in random order. */
function shuffled(count: number, random: Random): number[] {
  const order = [...Array(count).keys()];
  for (let k = count - 1; k > 0; k--) {
    const other = random.integer(k + 1);
    [order[k], order[other]] = [order[other], order[k]];
  }
  return order;
}

/** Packed pictures one after the other, and where each lies. */
export class PictureFile {
  readonly parts: Uint8Array[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  async add(picture: RgbPicture): Promise<PackedEntry> {
    const packed = await packPicture(picture);
    const entry = {
      offset: this.#bytes,
      length: packed.length,
      width: picture.width,
      height: picture.height,
    };
    this.parts.push(packed);
    this.#bytes += packed.length;
    return entry;
  }
}

/**
 * Adds random parts of the photographs, each photograph once before any comes again, until `bytes` are reached or every
 * photograph has given four.
 *
 * @throws UsageError where not one part fits.
 */
export async function packParts(
  file: PictureFile,
  photographs: Photographs,
  options: PackOptions,
): Promise<PackedEntry[]> {
  const order = shuffled(photographs.count, Random.of(options.seed, 0));
  const entries: PackedEntry[] = [];
  let largest = 0;
  for (let k = 0; k < 4 * order.length && file.bytes + largest <= options.bytes; k++) {
    const picture = await photographs.get(order[k % order.length]);
    if (!picture || Math.min(picture.width, picture.height) < options.leastSide) continue;
    const part = drawPart(picture, Random.of(options.seed, 1, k), options.side);
    const entry = await file.add(part);
    largest = Math.max(largest, entry.length);
    entries.push(entry);
  }
  if (entries.length === 0) {
    throw new UsageError(
      `export: expected pictures of at least ${options.leastSide} pixels a side and room for one, got ${photographs.count} pictures and ${options.bytes} bytes`,
    );
  }
  return entries;
}

/** Adds the centre crops of the first photographs. */
export async function packCentres(
  file: PictureFile,
  photographs: Photographs,
  crop: number,
  count: number,
): Promise<PackedEntry[]> {
  const entries: PackedEntry[] = [];
  for (let index = 0; index < photographs.count && entries.length < count; index++) {
    const picture = await photographs.get(index);
    if (!picture) continue;
    const [left, top] = [(picture.width - crop) >> 1, (picture.height - crop) >> 1];
    if (left >= 0 && top >= 0) entries.push(await file.add(cropPicture(picture, left, top, crop, crop)));
  }
  return entries;
}
