import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoadedImage, pixelHash } from '../../datasets/index.js';
import { centreCrop } from '../../eval/quantizer-sweep.js';
import { splitAlpha } from '../../src/io/image.js';
import { packageRoot } from '../../src/io/index.js';
import { decodePng } from '../../src/io/png.js';

const root = packageRoot();

/** The small model of the golden files. */
export const tinyModelPath = join(root, 'test', 'golden', 'tiny.safetensors');

/** The middle of the sample picture that the project ships. */
export function samplePicture(side: number, name = 'sample.png'): LoadedImage {
  const { image } = decodePng(readFileSync(join(root, 'assets', 'sample.png')));
  const cropped = centreCrop(splitAlpha(image).color, side);
  return { name, image: cropped, sha256: `${name}-${side}`, pixels: pixelHash(cropped) };
}
