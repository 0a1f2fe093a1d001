/** Checks every file of a data set and says of each what it is: the listed file, a repacked copy, unlisted, or bad. */
import { CodecError } from '../src/errors.js';
import { type Dataset, type DatasetImage, loadImage } from './dataset.js';

/** What became of one picture. */
export interface Verified {
  readonly name: string;
  /** 'file': the listed bytes. 'pixels': other bytes, the listed pixels. 'unlisted': sound, but no manifest knows it. */
  readonly state: 'file' | 'pixels' | 'unlisted' | 'bad';
  /** Of a bad one, in one line that names the file. */
  readonly reason?: string;
}

async function verifyImage(entry: DatasetImage): Promise<Verified> {
  const { name } = entry;
  try {
    const { sha256 } = await loadImage(entry);
    if (entry.sha256 === undefined) return { name, state: 'unlisted' };
    return { name, state: sha256 === entry.sha256 ? 'file' : 'pixels' };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return { name, state: 'bad', reason: error.message };
  }
}

/**
 * Verifies a data set, picture by picture; nothing bad keeps the rest from being looked at.
 *
 * @param progress hears of every picture
 * @example
 * const states = await verifyDataset(await findDataset('kodak', { allowAbsent: true }));
 * states.filter(({ state }) => state === 'bad');
 */
export async function verifyDataset(
  { images }: Dataset,
  progress: (done: number, result: Verified) => void = () => {},
): Promise<Verified[]> {
  const results: Verified[] = [];
  for (const image of images) {
    const result = await verifyImage(image);
    results.push(result);
    progress(results.length, result);
  }
  return results;
}
