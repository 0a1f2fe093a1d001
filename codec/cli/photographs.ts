/** Photographs to train or tune on, from a folder named on the command line; test pictures are refused. */
import { refuseTestPictures } from '../../datasets/index.js';
import { type PhotographOptions, Photographs } from '../../src/training/photographs.js';
import { about } from './context.js';

/**
 * Opens a folder of photographs.
 *
 * @throws FileError naming the folder where it has no pictures, or a test picture: what has seen one would make results a lie
 */
export function openPhotographs(folder: string, options: PhotographOptions): Promise<Photographs> {
  return about(folder, async () => {
    const photographs = await Photographs.open(folder, options);
    await refuseTestPictures(folder);
    return photographs;
  });
}
