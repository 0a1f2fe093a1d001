/** Photographs that a model's weights are quantized by: central crops of a folder, and a hash of their pixels. */
import { createHash } from 'node:crypto';
import { createImage, type Image } from '../../src/io/index.js';
import { centreCrops } from '../../src/training/photographs.js';
import type { Context } from './context.js';
import { openPhotographs } from './photographs.js';

/**
 * The first pictures of a folder as crops of RGB.
 *
 * @param size how many pictures, and the side of their crops in pixels
 * @throws FileError naming the folder where it has no pictures, or a test picture
 */
export async function calibrationCrops(
  context: Context,
  folder: string,
  { pictures, side }: { readonly pictures: number; readonly side: number },
): Promise<{ images: Image[]; hash: string }> {
  const photographs = await openPhotographs(folder, {
    leastSide: 64,
    onSkip: (file, reason) => context.say(`skipped ${file}: ${reason}`),
  });
  const images: Image[] = [];
  const hash = createHash('sha256');
  for await (const { width, height, data } of centreCrops(photographs, pictures, side)) {
    images.push(createImage(width, height, 3, data));
    hash.update(`${width}x${height}`).update(data);
  }
  return { images, hash: hash.digest('hex').slice(0, 8) };
}
