/**
 * What `fit-tables`, `fit-prior` and `sweep` share: pictures to count and to judge on, kept apart from those that results are
 * reported on, and a model with other tables written out.
 */
import { InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../src/errors.js';
import { createImage, type Image } from '../../src/io/index.js';
import { centreCrops } from '../../src/training/photographs.js';
import type { QuantizerName } from '../format/index.js';
import { loadModel } from '../model/load.js';
import {
  type EntropyTables,
  type ParsedModel,
  type QuantizerParts,
  serializeModel,
} from '../model/model-file.js';
import { coderSpecs } from '../networks/coder-graphs.js';
import { quantizerNames } from '../quantizers/registry.js';
import { type Context, FileError } from './context.js';
import { exists, wholeFrom } from './options.js';
import { openPhotographs } from './photographs.js';

/** Qualities that tables are counted over: the whole scale, because all rates share them. */
export const tuningQualities: readonly number[] = [5, 20, 35, 50, 65, 80, 95];

/** Padding is coded too, so pictures are whole hyper-latents. */
const cropMultiple = 64;

function quantizersFrom(text: string): QuantizerName[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !quantizerNames.some((known) => known === name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      `Expected names of ${quantizerNames.join(', ')} with commas between them.`,
    );
  }
  return names as QuantizerName[];
}

export const quantizersOption = (): Option =>
  new Option('--quantizers <names>', `of ${quantizerNames.join(', ')}`)
    .argParser(quantizersFrom)
    .default([...quantizerNames], 'all');

export const cropOption = (side = 384): Option =>
  new Option('--crop <pixels>', 'side of the central crops').argParser(wholeFrom(64, 4096)).default(side);

/** Central crops of pictures spread over a folder, made one at a time, and how many there are at most. */
export async function tuningCrops(
  context: Context,
  folder: string,
  limit: number,
  crop: number,
): Promise<{ readonly count: number; readonly crops: AsyncIterable<Image> }> {
  const photographs = await openPhotographs(folder, {
    leastSide: cropMultiple,
    onSkip: (file, reason) => context.say(`skipped ${file}: ${reason}`),
  });
  const crops = async function* (): AsyncGenerator<Image> {
    let found = false;
    for await (const { width, height, data } of centreCrops(photographs, limit, crop)) {
      found = true;
      yield createImage(width, height, 3, data);
    }
    if (!found) throw new FileError(folder, new UsageError('expected readable pictures'));
  };
  return { count: Math.min(limit, photographs.count), crops: crops() };
}

/** The same, all at once. @throws FileError naming the folder */
export async function tuningImages(
  context: Context,
  folder: string,
  limit: number,
  crop: number,
): Promise<Image[]> {
  const { crops } = await tuningCrops(context, folder, limit, crop);
  const images: Image[] = [];
  for await (const image of crops) images.push(image);
  return images;
}

/** Refuses at once what writing would refuse when the work is done. */
export async function checkOutput(
  context: Context,
  path: string,
  options: { readonly overwrite: boolean },
): Promise<void> {
  context.refuseTerminal(path);
  if (!options.overwrite && (await exists(path))) throw new FileError(path, new UsageError('exists already'));
}

/** A model's quantizers with other parts for some of them. */
export function withQuantizers(
  { tables }: ParsedModel,
  parts: ReadonlyMap<QuantizerName, QuantizerParts>,
): Pick<EntropyTables, 'quantizers'> {
  return { quantizers: new Map([...tables.quantizers, ...parts]) };
}

/** Writes a model with some other tables. @returns its id */
export async function writeTuned(
  context: Context,
  path: string,
  model: ParsedModel,
  tables: Partial<EntropyTables>,
  options: { readonly overwrite: boolean },
): Promise<string> {
  const tuned = { ...model, tables: { ...model.tables, ...tables } };
  const bytes = serializeModel(tuned, coderSpecs(model.config));
  await context.write(path, bytes, options);
  return (await loadModel(bytes)).id;
}
