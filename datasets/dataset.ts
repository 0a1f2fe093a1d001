/**
 * What a data set is: named picture files, each with its SHA-256 where a manifest knows it.
 *
 * Pictures are never part of this project. A set is found in a folder (find.ts) and checked file by file when a picture
 * is loaded, so that nobody measures on a damaged or exchanged file without noticing.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IntegrityError, UsageError } from '../src/errors.js';
import { type Image, readImage, splitAlpha } from '../src/io/index.js';

/** File names with the SHA-256 of the files, in hexadecimal. */
export type Manifest = Readonly<Record<string, string>>;

/** One picture of a set. */
export interface DatasetImage {
  /** File name within the set. */
  readonly name: string;
  readonly path: string;
  /** Hexadecimal; absent where no manifest knows the file. */
  readonly sha256?: string;
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

/** A loaded picture: colour only, with the hash of its file. */
export interface LoadedImage {
  readonly name: string;
  readonly image: Image;
  readonly sha256: string;
}

/** The images of a manifest in a folder. */
export function imagesOfManifest(folder: string, manifest: Manifest): DatasetImage[] {
  return Object.entries(manifest).map(([name, sha256]) => ({ name, path: join(folder, name), sha256 }));
}

/**
 * Reads a picture of a set and checks its file.
 *
 * @returns 8-bit gray or RGB; alpha is left out
 * @throws UsageError naming a missing file, IntegrityError naming a file whose SHA-256 is not the manifest's,
 *   FormatError naming a file that is no sound picture
 * @example
 * const { image } = await loadImage((await findDataset('kodak')).images[0]);
 */
export async function loadImage({ name, path, sha256: expected }: DatasetImage): Promise<LoadedImage> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new UsageError(`Expected an image at '${path}' but it cannot be read`, { cause: error });
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (expected && sha256 !== expected) {
    throw new IntegrityError(
      `${path}: expected SHA-256 ${expected}, got ${sha256}; the file is damaged or another one`,
    );
  }
  const { image } = await readImage(bytes, { name: path });
  return { name, image: splitAlpha(image).color, sha256 };
}
