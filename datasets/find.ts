/**
 * Finds the data sets by name. They lie in one folder per set (kodak/, tecnick/, validation/) below a data folder: the one
 * given, or else the one that the environment variable CODEC_DATA names, or else ../shared/data beside the project.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from '../src/errors.js';
import { packageRoot } from '../src/io/index.js';
import { type Dataset, imagesOfManifest, type Manifest } from './dataset.js';
import { folderDataset } from './folder.js';
import { kodakManifest } from './kodak.js';
import { tecnickManifest } from './tecnick.js';

interface Known {
  /** Absent where the folder's own manifest says what belongs to the set. */
  readonly manifest?: Manifest;
  readonly complete: boolean;
  /** Where a user gets it. */
  readonly origin: string;
}

const known = {
  kodak: {
    manifest: kodakManifest,
    complete: true,
    origin: 'http://r0k.us/graphics/kodak/kodak/kodim01.png to kodim24.png',
  },
  tecnick: {
    manifest: tecnickManifest,
    complete: false,
    origin: 'https://testimages.org, set RGB OR 1200x1200, as lossless WebP',
  },
  validation: { complete: true, origin: 'any folder of photographs that nothing was trained on' },
} as const satisfies Record<string, Known>;

/** Sets that `findDataset` knows. */
export type DatasetName = keyof typeof known;
export const datasetNames = Object.keys(known) as DatasetName[];

export interface FindOptions {
  /** Folder that has one folder per set. Given, it is the only one looked in. */
  readonly dataDir?: string;
}

/** Data folders to look in, best first. */
export function dataFolders({ dataDir }: FindOptions = {}): string[] {
  if (dataDir !== undefined) return [dataDir];
  const fromEnvironment = process.env.CODEC_DATA;
  return [...(fromEnvironment ? [fromEnvironment] : []), resolve(packageRoot(), '..', 'shared', 'data')];
}

/**
 * A known data set on this machine. Files are only listed here; `loadImage` reads and checks them.
 *
 * @throws UsageError for an unknown name, where the set is in none of the folders (naming them, and where to get it), and
 *   where files of it are absent (naming the first)
 * @example
 * const { images } = await findDataset('kodak');
 */
export async function findDataset(name: string, options: FindOptions = {}): Promise<Dataset> {
  if (!Object.hasOwn(known, name)) {
    throw new UsageError(`data set: expected one of ${datasetNames.join(', ')}, got ${name}`);
  }
  const { manifest, complete, origin }: Known = known[name as DatasetName];
  const folders = dataFolders(options).map((folder) => join(folder, name));
  const folder = folders.find((candidate) => existsSync(candidate));
  if (folder === undefined) {
    throw new UsageError(
      `${name}: expected the images in ${folders.map((path) => `'${path}'`).join(' or ')}; they come from ${origin}. Set CODEC_DATA to a folder that has ${name}/`,
    );
  }
  if (!manifest) return folderDataset(folder, name);
  const present = new Set(readdirSync(folder));
  const images = imagesOfManifest(folder, manifest);
  const absent = images.filter((image) => !present.has(image.name));
  if (absent.length > 0) {
    throw new UsageError(
      `${name}: expected ${images.length} images in '${folder}' but ${absent[0].name} is absent${absent.length > 1 ? `, and ${absent.length - 1} more` : ''}`,
    );
  }
  return { name, folder, images, complete };
}

/** As `findDataset`, but undefined where the set is not on this machine: for tests that use it when it is there. */
export async function findDatasetIfPresent(
  name: DatasetName,
  options: FindOptions = {},
): Promise<Dataset | undefined> {
  return dataFolders(options).some((folder) => existsSync(join(folder, name)))
    ? findDataset(name, options)
    : undefined;
}
