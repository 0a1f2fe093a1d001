/**
 * Codecs that are programs: a command that makes a file of a picture, and one that makes a picture of the file.
 *
 * Pictures travel through temporary files. Seconds are those of the whole process, as a user of the program waits for:
 * they include starting it and reading and writing the files, which codecs inside this process do not have.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError, UnsupportedError, UsageError } from '../src/errors.js';
import { encodePng, type Image, readImage, splitAlpha } from '../src/io/index.js';
import type { ImageCodec } from './codecs.js';
import {
  type CommandResult,
  fillCommand,
  programVersion,
  runCommand,
  splitCommand,
  withTemporaryFolder,
} from './command.js';
import { decodePnm, encodePnm } from './pnm.js';

/** How to use a program as a codec. In commands stand `{in}`, `{out}`, `{threads}` and, to encode, `{q}` (the setting). */
export interface ExternalCodec {
  readonly name: string;
  /** Picture to file, e.g. 'cjxl {in} {out} -q {q}'. */
  readonly encode: string;
  /** File to picture, e.g. 'djxl {in} {out}'. */
  readonly decode: string;
  /** Values of `{q}`, from small files to large ones. */
  readonly settings: readonly number[];
  /** Format of the pictures on both sides (default 'png'). */
  readonly picture?: 'png' | 'ppm';
  /** Extension of the files (default '.bin'). */
  readonly extension?: string;
  /** Prints the version (default: none is recorded). */
  readonly version?: string;
}

const pictureFormats = ['png', 'ppm'];

/**
 * A codec out of the fields of a JSON file.
 *
 * @param source what to call the file in messages
 * @throws FormatError naming the field that is absent or odd
 * @example
 * parseExternalCodec({ name: 'bpg', encode: 'bpgenc -q {q} -o {out} {in}', decode: 'bpgdec -o {out} {in}', settings: [40, 30] }, 'bpg.json');
 */
export function parseExternalCodec(value: unknown, source: string): ExternalCodec {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const refuse = (field: string, expected: string): never => {
    throw new FormatError(
      `${source}: expected ${expected} for ${field}, got ${JSON.stringify(fields[field])}`,
    );
  };
  for (const field of ['name', 'encode', 'decode']) {
    if (typeof fields[field] !== 'string' || fields[field] === '') refuse(field, 'a text');
  }
  for (const field of ['extension', 'version']) {
    if (fields[field] !== undefined && typeof fields[field] !== 'string') refuse(field, 'a text');
  }
  const { settings, picture } = fields;
  if (!Array.isArray(settings) || settings.length === 0 || !settings.every(Number.isFinite)) {
    refuse('settings', 'a list of numbers');
  }
  if (picture !== undefined && !pictureFormats.includes(picture as string)) {
    refuse('picture', pictureFormats.join(' or '));
  }
  for (const field of ['encode', 'decode']) {
    if (!/\{in\}.*\{out\}|\{out\}.*\{in\}/.test(fields[field] as string)) {
      refuse(field, 'a command with {in} and {out}');
    }
  }
  if ((fields.decode as string).includes('{q}')) {
    refuse('decode', 'a command without {q}, as a decoder has nothing but the file');
  }
  return fields as unknown as ExternalCodec;
}

/**
 * A codec out of one word of the command line: NAME=ENCODE;DECODE;SETTINGS.
 *
 * @throws UsageError for other texts
 * @example
 * parseExternalText('jxl-e3=cjxl {in} {out} -e 3 -q {q};djxl {in} {out};30,60,90').settings; // => [30, 60, 90]
 */
export function parseExternalText(text: string): ExternalCodec {
  const [, name, encode, decode, settings] = /^([^=;]+)=([^;]+);([^;]+);([^;]+)$/.exec(text) ?? [];
  if (settings === undefined) {
    throw new UsageError(`external codec: expected NAME=ENCODE;DECODE;SETTINGS, got ${text}`);
  }
  const values = settings.split(',').map(Number);
  return parseExternalCodec({ name, encode, decode, settings: values }, `external codec ${name}`);
}

async function readPicture(path: string, command: string): Promise<Image> {
  const size = await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
  if (size === 0) throw new UnsupportedError(`Expected a picture from ${command} but it wrote none`);
  if (path.endsWith('.ppm')) return decodePnm(await readFile(path), path);
  return splitAlpha((await readImage(path)).image).color;
}

/**
 * A program as a codec like all others.
 *
 * @param threads what `{threads}` becomes; not part of the version, as it must not change the files
 * @throws UnsupportedError where its version cannot be asked for, because it is not installed
 * @example
 * const codec = await externalCodec(parseExternalText('gzip=./enc.sh {in} {out} {q};./dec.sh {in} {out};1,9'));
 */
export async function externalCodec(template: ExternalCodec, threads = 1): Promise<ImageCodec> {
  const { name, settings, picture = 'png', extension = '.bin' } = template;
  const [encode, decode] = [splitCommand(template.encode), splitCommand(template.decode)];
  // Placeholders that nobody fills are found before anything runs.
  for (const command of [encode, decode]) fillCommand(command, { in: '', out: '', q: '', threads: '' });
  const run = (command: readonly string[], from: string, to: string, q?: number): Promise<CommandResult> =>
    runCommand(fillCommand(command, { in: from, out: to, q: String(q), threads: String(threads) }));
  const said = template.version === undefined ? [] : [await programVersion(splitCommand(template.version))];
  return {
    name,
    version: [
      ...said,
      template.encode,
      template.decode,
      `files of ${extension}`,
      `through ${picture} files`,
      'seconds include starting the process',
    ].join(', '),
    settings,
    encode: (image, setting) =>
      withTemporaryFolder(async (folder) => {
        const [from, to] = [join(folder, `picture.${picture}`), join(folder, `coded${extension}`)];
        await writeFile(from, picture === 'png' ? encodePng(image) : encodePnm(image));
        const { seconds } = await run(encode, from, to, setting);
        const bytes = await readFile(to).catch(() => new Uint8Array());
        if (bytes.length === 0)
          throw new UnsupportedError(`Expected a file from ${encode[0]} but it wrote none`);
        return { bytes: new Uint8Array(bytes), seconds };
      }),
    decode: (bytes) =>
      withTemporaryFolder(async (folder) => {
        const [from, to] = [join(folder, `coded${extension}`), join(folder, `picture.${picture}`)];
        await writeFile(from, bytes);
        const { seconds } = await run(decode, from, to);
        return { image: await readPicture(to, decode[0]), seconds };
      }),
  };
}
