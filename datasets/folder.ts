/**
 * Any folder of pictures as a data set. Hashes come from a file SHA256SUMS (as sha256sum writes it) or from the columns
 * `file` and `sha256` of a manifest.tsv, where the folder has one; pictures that neither names are taken as they are.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { FormatError, UsageError } from '../src/errors.js';
import type { Dataset } from './dataset.js';

const pictures = /\.(png|jpe?g|webp|avif|tiff?)$/i;

/** Whether a file counts as a picture, by its extension. */
export const isPictureName = (file: string): boolean => pictures.test(file);

export interface FolderOptions {
  /** What to call the set (default: the folder's name). */
  readonly name?: string;
  /** List pictures that the manifest names but the folder lacks, which `loadImage` then names (default false). */
  readonly allowAbsent?: boolean;
}

const readText = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/** Lines of sha256sum: hash, blank, blank or star, name. It may have been asked for `./*`; files of subfolders are left out. */
function parseSums(text: string, path: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const parts = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (!parts) throw new FormatError(`${path}: expected lines of a SHA-256 and a file name, got '${line}'`);
    const file = parts[2].replace(/^(\.\/)+/, '');
    if (!file.includes('/')) hashes.set(file, parts[1]);
  }
  return hashes;
}

function parseManifest(text: string): Map<string, string> {
  const [head = [], ...rows] = text
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
  const [file, hash] = ['file', 'sha256'].map((column) => head.indexOf(column));
  return new Map(file < 0 || hash < 0 ? [] : rows.map((row) => [row[file], row[hash]]));
}

async function hashesIn(folder: string): Promise<Map<string, string>> {
  const sums = join(folder, 'SHA256SUMS');
  const text = await readText(sums);
  if (text !== undefined) return parseSums(text, sums);
  const manifest = await readText(join(folder, 'manifest.tsv'));
  return manifest === undefined ? new Map() : parseManifest(manifest);
}

/**
 * The pictures of a folder (PNG, JPEG, WebP, AVIF, TIFF), in the order of their names; subfolders are left out.
 *
 * @throws UsageError where there is no such folder or no picture in it, and where its manifest names an absent one,
 *   unless it is allowed to be
 * @example
 * const { images } = await folderDataset('photographs');
 */
export async function folderDataset(folder: string, options: FolderOptions = {}): Promise<Dataset> {
  const { name = basename(resolve(folder)), allowAbsent = false } = options;
  const files = await readdir(folder).catch((error: unknown) => {
    throw new UsageError(`Expected a folder of images at '${folder}' but it cannot be read`, {
      cause: error,
    });
  });
  const hashes = await hashesIn(folder);
  const present = files.filter(isPictureName);
  const absent = [...hashes.keys()].filter((listed) => isPictureName(listed) && !present.includes(listed));
  if (present.length === 0) throw new UsageError(`Expected images in '${folder}' but it has none`);
  if (absent.length > 0 && !allowAbsent) {
    throw new UsageError(`${name}: expected ${absent[0]} in '${folder}' but it is absent`);
  }
  const images = [...present, ...absent].sort().map((file) => {
    const sha256 = hashes.get(file);
    return { name: file, path: join(folder, file), ...(sha256 ? { sha256 } : {}) };
  });
  return { name, folder, images, complete: true };
}
