/**
 * What a data set is: named picture files, each with the SHA-256 of its file and of its pixels where a manifest knows them.
 *
 * Pictures are never part of this project. A set is found in a folder (find.ts) and checked file by file when a picture
 * is loaded, so that nobody measures on a damaged or exchanged file without noticing. A copy that was repacked without
 * loss has other bytes and the same pixels, and is as good.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { IntegrityError, UsageError } from '../src/errors.js';
import { type Image, readImage, splitAlpha } from '../src/io/index.js';
import { pixelHash } from './pixel-hash.js';

/** Hashes of a picture, in hexadecimal. */
export interface PictureHashes {
  /** SHA-256 of the file. */
  readonly sha256: string;
  /** SHA-256 of the colour samples (pixel-hash.ts); absent where only files were listed. */
  readonly pixels?: string;
}

/** File names with the hashes of the pictures. */
export type Manifest = Readonly<Record<string, PictureHashes>>;

/** One picture of a set; without hashes where no manifest knows it. */
export interface DatasetImage extends Partial<PictureHashes> {
  /** File name within the set, as its manifest says it. */
  readonly name: string;
  /** Where the file lies, if it does; a repacked copy may have another extension. */
  readonly path: string;
}

/** A set of pictures on this machine. */
export interface Dataset {
  /** Short name, e.g. 'kodak'. */
  readonly name: string;
  readonly folder: string;
  /** In the order of their names. */
  readonly images: readonly DatasetImage[];
  /** True if these are all pictures that published means are taken over. */
  readonly complete: boolean;
}

/** A loaded picture: colour only, with its hashes. */
export interface LoadedImage extends Required<PictureHashes> {
  readonly name: string;
  readonly image: Image;
}

/**
 * Reads a picture of a set and checks it: its file has the SHA-256 of the manifest, or else its pixels do.
 *
 * @returns 8-bit gray or RGB; alpha is left out
 * @throws UsageError naming a missing file, IntegrityError naming a file that is neither the manifest's nor shows its
 *   pixels, FormatError naming a file that no manifest knows and that is no sound picture
 * @example
 * const { image } = await loadImage((await findDataset('kodak')).images[0]);
 */
export async function loadImage(entry: DatasetImage): Promise<LoadedImage> {
  const { name, path } = entry;
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new UsageError(`Expected an image at '${path}' but it cannot be read`, { cause: error });
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const asListed = entry.sha256 === undefined || sha256 === entry.sha256;
  const damage = (cause?: unknown): IntegrityError =>
    new IntegrityError(
      `${path}: expected SHA-256 ${entry.sha256}, got ${sha256}; the file is damaged or another one`,
      { cause },
    );
  if (!asListed && entry.pixels === undefined) throw damage();
  const { image } = await readImage(bytes, { name: path }).catch((error: unknown) => {
    throw asListed ? error : damage(error);
  });
  const { color } = splitAlpha(image);
  const pixels = pixelHash(color);
  if (!asListed && pixels !== entry.pixels) throw damage();
  return { name, image: color, sha256, pixels };
}
