/**
 * Any folder of pictures as a data set. Hashes come from a file SHA256SUMS (as sha256sum writes it) or from the columns
 * `file` and `sha256` of a manifest.tsv, where the folder has one; pictures that neither names are taken as they are.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { FormatError, UsageError } from '../src/errors.js';
import type { Dataset } from './dataset.js';

const pictures = /\.(png|jpe?g|webp|avif|tiff?)$/i;

const readText = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/** Lines of sha256sum: hash, blank, blank or star, name. */
function parseSums(text: string, path: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const parts = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (!parts) throw new FormatError(`${path}: expected lines of a SHA-256 and a file name, got '${line}'`);
    hashes.set(parts[2], parts[1]);
  }
  return hashes;
}

function parseManifest(text: string): Map<string, string> {
  const [head, ...rows] = text
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
 * @param name what to call the set; by default the folder's name
 * @throws UsageError where there is no such folder or no picture in it, or where its manifest names an absent one
 * @example
 * const { images } = await folderDataset('photographs');
 */
export async function folderDataset(folder: string, name = basename(resolve(folder))): Promise<Dataset> {
  const files = await readdir(folder).catch((error: unknown) => {
    throw new UsageError(`Expected a folder of images at '${folder}' but it cannot be read`, {
      cause: error,
    });
  });
  const hashes = await hashesIn(folder);
  const names = files.filter((file) => pictures.test(file)).sort();
  if (names.length === 0) throw new UsageError(`Expected images in '${folder}' but it has none`);
  for (const listed of hashes.keys()) {
    if (pictures.test(listed) && !names.includes(listed)) {
      throw new UsageError(`${name}: expected ${listed} in '${folder}' but it is absent`);
    }
  }
  const images = names.map((file) => {
    const sha256 = hashes.get(file);
    return { name: file, path: join(folder, file), ...(sha256 ? { sha256 } : {}) };
  });
  return { name, folder, images, complete: true };
}
