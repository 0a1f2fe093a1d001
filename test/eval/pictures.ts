import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoadedImage, pixelHash } from '../../datasets/index.js';
import { cropOf } from '../../eval/report/crops.js';
import { splitAlpha } from '../../src/io/image.js';
import { packageRoot } from '../../src/io/index.js';
import { decodePng } from '../../src/io/png.js';

const root = packageRoot();

/** The small model of the golden files. */
export const tinyModelPath = join(root, 'test', 'golden', 'tiny.safetensors');

/** The middle of the sample picture that the project ships. */
export function samplePicture(side: number, name = 'sample.png'): LoadedImage {
  const { image } = decodePng(readFileSync(join(root, 'assets', 'sample.png')));
  const area = {
    left: (image.width - side) >> 1,
    top: (image.height - side) >> 1,
    width: side,
    height: side,
  };
  const cropped = cropOf(splitAlpha(image).color, area);
  return { name, image: cropped, sha256: `${name}-${side}`, pixels: pixelHash(cropped) };
}
