/**
 * The photographs of a folder as training material: decoded on demand to 8-bit RGB, kept while memory allows.
 *
 * Order is by file name, so that an index means the same picture in every run. Files that are no readable pictures, or
 * too small, are reported once and left out; a folder without any picture is an error.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import { UsageError } from '../errors.js';

/** 8-bit RGB, interleaved, row-major. */
export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface PhotographOptions {
  /** Pictures with a shorter side than this are left out. */
  readonly leastSide: number;
  /** Bytes of decoded pictures that may be kept. */
  readonly memory?: number;
  /** Called once for every file that is left out. */
  readonly onSkip?: (file: string, reason: string) => void;
}

const extensions = /\.(png|jpe?g|webp|avif|tiff?|gif)$/i;
const defaultMemory = 1.5 * 2 ** 30;

type SharpModule = typeof import('sharp').default;

async function loadSharp(): Promise<SharpModule> {
  return (await import('sharp')).default;
}

/** sRGB without alpha, upright: what the networks are trained on. */
const normalised = (image: Sharp): Sharp =>
  image.rotate().flatten({ background: '#808080' }).toColourspace('srgb');

/** A rectangle of a picture, copied. */
export function cropPicture(
  picture: RgbPicture,
  left: number,
  top: number,
  width: number,
  height: number,
): RgbPicture {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const start = 3 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(start, start + 3 * width), 3 * y * width);
  }
  return { width, height, data };
}

export class Photographs {
  readonly #sharp: SharpModule;
  readonly #files: readonly string[];
  readonly #memory: number;
  readonly #onSkip: (file: string, reason: string) => void;
  readonly #kept = new Map<number, Promise<RgbPicture | undefined>>();
  readonly #sizes = new Map<number, number>();
  #bytes = 0;

  private constructor(sharp: SharpModule, files: readonly string[], options: PhotographOptions) {
    this.#sharp = sharp;
    this.#files = files;
    this.#memory = options.memory ?? defaultMemory;
    this.#onSkip = options.onSkip ?? (() => {});
  }

  /** Reads the headers of all files of a folder (not of its subfolders). */
  static async open(folder: string, options: PhotographOptions): Promise<Photographs> {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`images: expected a readable folder, got ${folder} (${error.code})`);
    });
    const sharp = await loadSharp();
    const files: string[] = [];
    for (const name of names.filter((name) => extensions.test(name)).sort()) {
      const path = join(folder, name);
      try {
        const { width = 0, height = 0 } = await sharp(path).metadata();
        if (Math.min(width, height) >= options.leastSide) files.push(path);
        else options.onSkip?.(path, `${width}x${height} is smaller than ${options.leastSide}`);
      } catch (error) {
        options.onSkip?.(path, (error as Error).message.split('\n')[0]);
      }
    }
    if (files.length === 0) {
      throw new UsageError(
        `images: expected pictures of at least ${options.leastSide} pixels a side in ${folder}, found none`,
      );
    }
    return new Photographs(sharp, files, options);
  }

  get count(): number {
    return this.#files.length;
  }

  name(index: number): string {
    return this.#files[index];
  }

  /** The picture of that index, or undefined where its pixels turn out to be unreadable. */
  async get(index: number): Promise<RgbPicture | undefined> {
    let picture = this.#kept.get(index);
    if (!picture) {
      picture = this.#decode(index);
      this.#kept.set(index, picture);
    } else if (this.#sizes.has(index)) {
      // Move to the end: the first of the map is the one not used for longest.
      this.#kept.delete(index);
      this.#kept.set(index, picture);
    }
    return picture;
  }

  /** Scales a picture to exactly the given size (Lanczos). */
  async resize(picture: RgbPicture, width: number, height: number): Promise<RgbPicture> {
    const raw = { width: picture.width, height: picture.height, channels: 3 as const };
    const data = await this.#sharp(picture.data, { raw })
      .resize(width, height, { kernel: 'lanczos3', fit: 'fill' })
      .raw()
      .toBuffer();
    return { width, height, data };
  }

  async #decode(index: number): Promise<RgbPicture | undefined> {
    try {
      const image = normalised(this.#sharp(this.#files[index]));
      const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
      this.#remember(index, data.length);
      return { width: info.width, height: info.height, data };
    } catch (error) {
      this.#onSkip(this.#files[index], (error as Error).message.split('\n')[0]);
      return undefined;
    }
  }

  #remember(index: number, bytes: number): void {
    this.#sizes.set(index, bytes);
    this.#bytes += bytes;
    for (const [oldest] of this.#kept) {
      if (this.#bytes <= this.#memory) break;
      const size = this.#sizes.get(oldest);
      if (oldest === index || size === undefined) continue;
      this.#kept.delete(oldest);
      this.#sizes.delete(oldest);
      this.#bytes -= size;
    }
  }
}

/**
 * Central squares of pictures spread evenly over a folder.
 *
 * @param count how many pictures at most
 * @param side of the squares in pixels; pictures with a shorter side give what they have
 */
export async function* centreCrops(
  photographs: Photographs,
  count: number,
  side: number,
): AsyncGenerator<RgbPicture> {
  const taken = Math.min(count, photographs.count);
  for (let n = 0; n < taken; n++) {
    const picture = await photographs.get(Math.floor(((n + 0.5) * photographs.count) / taken));
    if (!picture) continue;
    const [width, height] = [Math.min(side, picture.width), Math.min(side, picture.height)];
    yield cropPicture(picture, (picture.width - width) >> 1, (picture.height - height) >> 1, width, height);
  }
}
