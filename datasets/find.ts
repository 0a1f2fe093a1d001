/**
 * Finds the data sets by name. They lie in one folder per set (kodak/, tecnick/, validation/) below a data folder: the one
 * given, or else the one that the environment variable CODEC_DATA names, or else ../shared/data beside the project.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, parse, resolve } from 'node:path';
import { UsageError } from '../src/errors.js';
import { packageRoot } from '../src/io/index.js';
import type { Dataset, DatasetImage, Manifest } from './dataset.js';
import { folderDataset, isPictureName } from './folder.js';
import { kodakManifest } from './kodak.js';
import { tecnickManifest } from './tecnick.js';

/** What is known of a set before it is on this machine. */
export interface KnownDataset {
  /** Absent where the folder's own manifest says what belongs to the set. */
  readonly manifest?: Manifest;
  /** These are all pictures that published means are taken over. */
  readonly complete: boolean;
  readonly licence: string;
  /** Where a user gets it. */
  readonly origin: string;
  /** What the files' names are put behind to download them; absent where that cannot be done file by file. */
  readonly url?: string;
}

/** Sets that `findDataset` knows. */
export type DatasetName = 'kodak' | 'tecnick' | 'validation';

export const knownDatasets: Readonly<Record<DatasetName, KnownDataset>> = {
  kodak: {
    manifest: kodakManifest,
    complete: true,
    licence: 'Kodak, unrestricted use',
    origin: 'http://r0k.us/graphics/kodak/kodak/kodim01.png to kodim24.png',
    url: 'http://r0k.us/graphics/kodak/kodak/',
  },
  tecnick: {
    manifest: tecnickManifest,
    complete: false,
    licence: 'CC BY-NC-SA 3.0',
    origin: 'https://testimages.org, set RGB OR 1200x1200, as PNG or repacked without loss',
  },
  validation: {
    complete: true,
    licence: "the pictures' own",
    origin: 'any folder of photographs that nothing was trained on',
  },
};

export const datasetNames = Object.keys(knownDatasets) as DatasetName[];

/**
 * What is known of the set of that name.
 *
 * @throws UsageError with the known names for another one
 * @example
 * Object.keys(knownDataset('kodak').manifest).length; // => 24
 */
export function knownDataset(name: string): KnownDataset {
  if (!Object.hasOwn(knownDatasets, name)) {
    throw new UsageError(`data set: expected one of ${datasetNames.join(', ')}, got ${name}`);
  }
  return knownDatasets[name as DatasetName];
}

export interface FindOptions {
  /** Folder that has one folder per set. Given, it is the only one looked in. */
  readonly dataDir?: string;
  /** List absent files too, which `loadImage` then names (default false: an absent file is an error). */
  readonly allowAbsent?: boolean;
}

/** Data folders to look in, best first. */
export function dataFolders({ dataDir }: FindOptions = {}): string[] {
  if (dataDir !== undefined) return [dataDir];
  const fromEnvironment = process.env.CODEC_DATA;
  return [...(fromEnvironment ? [fromEnvironment] : []), resolve(packageRoot(), '..', 'shared', 'data')];
}

/** The images of a manifest in a folder: under their own names, or repacked with another extension. */
function imagesOfManifest(
  folder: string,
  manifest: Manifest,
): { images: DatasetImage[]; absent: DatasetImage[] } {
  const files = readdirSync(folder).filter(isPictureName).sort();
  const present = new Set(files);
  const byStem = new Map(files.map((file) => [parse(file).name, file]));
  const absent: DatasetImage[] = [];
  const images = Object.entries(manifest).map(([name, hashes]) => {
    const file = present.has(name) ? name : byStem.get(parse(name).name);
    const image = { name, path: join(folder, file ?? name), ...hashes };
    if (file === undefined) absent.push(image);
    return image;
  });
  return { images, absent };
}

/**
 * A known data set on this machine. Files are only listed here; `loadImage` reads and checks them.
 *
 * @throws UsageError for an unknown name, where the set is in none of the folders (naming them, and where to get it), and
 *   where files of it are absent (naming the first), unless they are allowed to be
 * @example
 * const { images } = await findDataset('kodak');
 */
export async function findDataset(name: string, options: FindOptions = {}): Promise<Dataset> {
  const { manifest, complete, origin } = knownDataset(name);
  const folders = dataFolders(options).map((folder) => join(folder, name));
  const folder = folders.find((candidate) => existsSync(candidate));
  if (folder === undefined) {
    throw new UsageError(
      `${name}: expected the images in ${folders.map((path) => `'${path}'`).join(' or ')}; they come from ${origin}. Set CODEC_DATA to a folder that has ${name}/`,
    );
  }
  if (!manifest) return folderDataset(folder, { ...options, name });
  const { images, absent } = imagesOfManifest(folder, manifest);
  if (absent.length > 0 && !options.allowAbsent) {
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
