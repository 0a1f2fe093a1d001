/**
 * Keeps the pictures that results are reported on out of everything that learns or is tuned: Kodak and TecNick are known by
 * their pixels, so that a renamed or losslessly repacked copy is known too. Only files of their sizes are decoded.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../src/errors.js';
import { type DatasetImage, loadImage } from './dataset.js';
import { isPictureName } from './folder.js';
import { kodakManifest, kodakSizes } from './kodak.js';
import { tecnickManifest, tecnickSizes } from './tecnick.js';

/** Names of the test pictures by the hash of their pixels. */
const namesByPixels = (): Map<string, string> =>
  new Map(
    [kodakManifest, tecnickManifest]
      .flatMap((manifest) => Object.entries(manifest))
      .map(([name, { pixels }]) => [pixels!, name]),
  );

/** Width and height in a file's header; undefined where it is no picture, which is not for this check to say. */
async function sizeOf(path: string): Promise<string | undefined> {
  const { default: sharp } = await import('sharp');
  const header = await sharp(path)
    .metadata()
    .catch(() => undefined);
  return header && `${header.width}x${header.height}`;
}

async function pixelsOf(entry: DatasetImage): Promise<string | undefined> {
  return loadImage(entry).then(
    ({ pixels }) => pixels,
    () => undefined,
  );
}

/**
 * Makes sure that no picture of a folder is a test picture.
 *
 * @throws UsageError naming the first one that is, and the test picture that it shows
 * @example
 * await refuseTestPictures('photographs');
 */
export async function refuseTestPictures(folder: string): Promise<void> {
  const names = namesByPixels();
  const sizes = new Set([...kodakSizes, ...tecnickSizes].map(([width, height]) => `${width}x${height}`));
  const files = await readdir(folder, { withFileTypes: true });
  for (const { name } of files.filter((entry) => !entry.isDirectory() && isPictureName(entry.name))) {
    const path = join(folder, name);
    const size = await sizeOf(path);
    if (size === undefined || !sizes.has(size)) continue;
    const test = names.get((await pixelsOf({ name, path })) ?? '');
    if (test === undefined) continue;
    throw new UsageError(
      `expected pictures that nothing is measured on, ${name} is the test picture ${test}`,
    );
  }
}
