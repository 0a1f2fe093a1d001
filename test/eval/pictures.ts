import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedImage } from '../../datasets/index.js';
import { createImage, splitAlpha } from '../../src/io/image.js';
import { packageRoot } from '../../src/io/index.js';
import { decodePng } from '../../src/io/png.js';
import { cropPicture } from '../../src/training/photographs.js';

const root = packageRoot();

/** The small model of the golden files. */
export const tinyModelPath = join(root, 'test', 'golden', 'tiny.safetensors');

/** The middle of the sample picture that the project ships. */
export function samplePicture(side: number, name = 'sample.png'): LoadedImage {
  const { image } = decodePng(readFileSync(join(root, 'assets', 'sample.png')));
  const { width, height } = image;
  const { data } = cropPicture(
    splitAlpha(image).color,
    (width - side) >> 1,
    (height - side) >> 1,
    side,
    side,
  );
  return { name, image: createImage(side, side, 3, data), sha256: `${name}-${side}` };
}
