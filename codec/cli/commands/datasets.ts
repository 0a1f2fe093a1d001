/** `codec datasets`: the test sets by name, where they lie, how to get them, and whether they are sound. */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import {
  dataFolders,
  datasetNames,
  type FetchProgress,
  fetchDataset,
  findDataset,
  knownDatasets,
  type Verified,
  verifyDataset,
} from '../../../datasets/index.js';
import { CodecError, IntegrityError } from '../../../src/errors.js';
import { about, type Context, FileError } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption } from '../options.js';
import { Progress } from '../progress.js';
import { count, table } from '../text.js';

interface Options {
  readonly data?: string;
  readonly json?: boolean;
}

/** Where the data sets lie. */
export const dataOption = (): Option =>
  new Option('--data <folder>', 'where the data sets lie, a folder for each (default: CODEC_DATA)');

const findOptions = ({ data }: Options) => ({
  allowAbsent: true,
  ...(data === undefined ? {} : { dataDir: data }),
});

async function list(context: Context, options: Options): Promise<void> {
  const sets = [];
  for (const name of datasetNames) {
    const { manifest, licence, origin } = knownDatasets[name];
    const found = await findDataset(name, findOptions(options)).catch((error: unknown) => {
      if (error instanceof CodecError) return undefined;
      throw error;
    });
    const images = manifest ? Object.keys(manifest).length : found?.images.length;
    sets.push({ name, images: images ?? null, folder: found?.folder ?? null, licence, origin });
  }
  if (options.json) return context.printJson(sets);
  const rows = sets.map(({ name, images, folder, licence, origin }) => [
    name,
    images === null ? '-' : count(images),
    licence,
    folder ?? `absent; from ${origin}`,
  ]);
  for (const line of table([['set', 'images', 'licence', 'where'], ...rows], 'lrll')) context.print(line);
}

const states: Readonly<Record<Verified['state'], string>> = {
  file: 'as published',
  pixels: 'repacked without loss',
  unlisted: 'not in the manifest',
  bad: 'bad',
};

async function verify(context: Context, names: readonly string[], options: Options): Promise<void> {
  const sets = [];
  let bad = 0;
  for (const name of names) {
    const dataset = await about(name, () => findDataset(name, findOptions(options)));
    const bar = context.streams.stderr.isTTY
      ? new Progress(context.streams.stderr, dataset.images.length)
      : undefined;
    const images = await verifyDataset(dataset, (done, image) => bar?.update(done, image.name));
    bar?.end();
    bad += images.filter(({ state }) => state === 'bad').length;
    sets.push({ name, folder: dataset.folder, images });
  }
  if (options.json) context.printJson(sets);
  else {
    for (const { name, folder, images } of sets) {
      const kinds = Object.entries(states).flatMap(([state, title]) => {
        const own = images.filter((image) => image.state === state);
        return own.length > 0 ? [`${own.length} ${title}`] : [];
      });
      context.print(`${name} in ${folder}: ${kinds.join(', ')}`);
      for (const { reason } of images) if (reason !== undefined) context.print(`  ${reason}`);
    }
  }
  if (bad > 0) {
    const pictures = bad === 1 ? 'picture is' : 'pictures are';
    throw new FileError(names.join(', '), new IntegrityError(`${bad} ${pictures} absent or damaged`));
  }
}

/** The bytes of a file under way, for the bar's note. */
function fetchNote({ name, bytes, total }: FetchProgress): string {
  return total === undefined ? name : `${name} ${count(bytes / 1000)}/${count(total / 1000)} kB`;
}

async function fetchNamed(
  context: Context,
  name: string,
  options: Options & { readonly from?: string },
): Promise<void> {
  const [dataDir] = dataFolders(options.data === undefined ? {} : { dataDir: options.data });
  const stop = new AbortController();
  const release = context.streams.onInterrupt?.(() => stop.abort());
  let bar: Progress | undefined;
  let last = '';
  const progress = (state: FetchProgress): void => {
    if (!context.streams.stderr.isTTY) {
      if (state.name !== last) context.say(`${state.done + 1}/${state.files} ${state.name}`);
      last = state.name;
      return;
    }
    bar ??= new Progress(context.streams.stderr, state.files);
    bar.update(state.done + (state.total ? state.bytes / state.total : 0), fetchNote(state));
  };
  const url = options.from === undefined ? {} : { url: options.from.replace(/\/?$/, '/') };
  try {
    const result = await about(name, () =>
      fetchDataset(name, dataDir, { ...url, progress, signal: stop.signal }),
    );
    if (options.json) return context.printJson(result);
    const { fetched, present } = result;
    context.say(`${join(dataDir, name)}: ${fetched.length} fetched, ${present.length} there already`);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    context.say(`${name}: stopped; the same command goes on where it was`);
    context.status = 1;
  } finally {
    bar?.end();
    release?.();
  }
}

/** Adds the commands. */
export function addDatasets(program: Command, context: Context): void {
  const command = program
    .command('datasets')
    .summary('list, fetch and verify the test sets')
    .description(
      'The sets that `codec eval` knows. They are never part of the package: they lie in one folder per set below ' +
        'the data folder, which --data or the environment variable CODEC_DATA names, and are used where they lie.',
    );
  const listing = command
    .command('list')
    .summary('list the sets and where they lie')
    .description('List the sets with their sizes, licences, and where they lie or come from.')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action((options: Options) => list(context, options));
  const fetching = command
    .command('fetch')
    .summary('download a set')
    .description(
      'Download what a set lacks. A connection that breaks is asked for the rest; a run that is stopped is continued by ' +
        'the same command. Files count when their SHA-256, or the hash of their pixels, is right.',
    )
    .argument('<set>', datasetNames.join(', '))
    .addOption(dataOption())
    .option('--from <url>', 'a mirror: what the file names are put behind')
    .addOption(jsonOption())
    .action((name: string, options: Options) => fetchNamed(context, name, options));
  const verifying = command
    .command('verify')
    .summary('check every picture of sets')
    .description(
      'Check every picture of the sets: file by SHA-256, or, of a copy that was repacked without loss, its pixels. ' +
        'Exit code 1 where one is absent or damaged; all of them are named.',
    )
    .argument('<set...>', datasetNames.join(', '))
    .addOption(dataOption())
    .addOption(jsonOption())
    .action((names: string[], options: Options) => verify(context, names, options));
  examples(listing, ['codec datasets list']);
  examples(fetching, ['codec datasets fetch kodak --data data']);
  examples(verifying, ['codec datasets verify kodak tecnick --data data']);
}
