/** Pictures named on the command line: a known data set, or a folder. */
import { type Dataset, datasetNames, findDataset, folderDataset } from '../../datasets/index.js';
import { about } from './context.js';

/** The set of that name, or the pictures of a folder. */
export async function datasetNamed(source: string, data?: string): Promise<Dataset> {
  if (!(datasetNames as readonly string[]).includes(source)) {
    const dataset = await about(source, () => folderDataset(source, { allowAbsent: true }));
    // A folder may be called kodak: published curves are for the known pictures only.
    return { ...dataset, complete: false };
  }
  return about(source, () =>
    findDataset(source, { allowAbsent: true, ...(data === undefined ? {} : { dataDir: data }) }),
  );
}
