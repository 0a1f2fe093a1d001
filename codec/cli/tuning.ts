/**
 * What `fit-tables` and `sweep` share: pictures to count and to judge on, kept apart from those that results are
 * reported on, and a model with other quantizer parts written out.
 */
import { InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../src/errors.js';
import { createImage, type Image } from '../../src/io/index.js';
import { centreCrops } from '../../src/training/photographs.js';
import type { QuantizerName } from '../format/index.js';
import { loadModel } from '../model/load.js';
import { type ParsedModel, type QuantizerParts, serializeModel } from '../model/model-file.js';
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

export const cropOption = (): Option =>
  new Option('--crop <pixels>', 'side of the central crops').argParser(wholeFrom(64, 4096)).default(384);

/** Central crops of pictures spread over a folder. @throws FileError naming the folder */
export async function tuningImages(
  context: Context,
  folder: string,
  limit: number,
  crop: number,
): Promise<Image[]> {
  const photographs = await openPhotographs(folder, {
    leastSide: cropMultiple,
    onSkip: (file, reason) => context.say(`skipped ${file}: ${reason}`),
  });
  const images: Image[] = [];
  for await (const { width, height, data } of centreCrops(photographs, limit, crop)) {
    images.push(createImage(width, height, 3, data));
  }
  if (images.length === 0) throw new FileError(folder, new UsageError('expected readable pictures'));
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

/** Writes a model with other parts for some quantizers. @returns its id */
export async function writeTuned(
  context: Context,
  path: string,
  model: ParsedModel,
  parts: ReadonlyMap<QuantizerName, QuantizerParts>,
  options: { readonly overwrite: boolean },
): Promise<string> {
  const quantizers = new Map([...model.tables.quantizers, ...parts]);
  const tuned = { ...model, tables: { ...model.tables, quantizers } };
  const bytes = serializeModel(tuned, coderSpecs(model.config));
  await context.write(path, bytes, options);
  return (await loadModel(bytes)).id;
}
