/** `codec demo`, which `npm start` runs: codes the sample picture, or another one, and shows it beside JPEG, WebP and AVIF. */
import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { encodeImage, readImage } from '../../../src/io/index.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { decodeWithReport } from '../../decode.js';
import { defaultEncodeOptions, encodeWithReport } from '../../encode.js';
import type { EngineName } from '../../transform-engine.js';
import { about, type Context, describeError } from '../context.js';
import { examples } from '../manual.js';
import { engineOption, jsonOption, modelNamed, modelOption, numberFrom, threadsOption } from '../options.js';
import { type RivalResult, rivalsAt } from '../rivals.js';
import { bestBundledModel, samplePath, sumOf } from '../sample.js';
import { count, decibels, finite, seconds, table } from '../text.js';

interface Options {
  readonly quality: number;
  readonly model?: string;
  readonly engine: EngineName;
  readonly threads: number;
  readonly out: string;
  readonly json?: boolean;
}

function resultTable(results: readonly RivalResult[]): string[] {
  const rows = results.map((result) => [
    result.name,
    String(result.quality),
    count(result.bytes),
    result.bitsPerPixel.toFixed(3),
    decibels(result.psnr),
    seconds(result.encodeSeconds),
    seconds(result.decodeSeconds),
  ]);
  return table([['', 'quality', 'bytes', 'bpp', 'PSNR', 'encode', 'decode'], ...rows], 'lrrrrrr');
}

async function run(context: Context, input: string | undefined, options: Options): Promise<void> {
  const { quality, engine, threads, out } = options;
  const path = input ?? samplePath();
  const { image } = await readImage(path);
  const stem = basename(path, extname(path));
  const name = options.model ?? (await bestBundledModel());
  const model = await modelNamed(name);
  const coding = { model, engine, threads };
  // Once for nothing: loading the model and compiling the networks is not what the times are to tell.
  const warm = await about(path, () => encodeWithReport(image, { ...coding, quality }));
  await about(path, () => decodeWithReport(warm.bytes, coding));
  const encoded = await about(path, () => encodeWithReport(image, { ...coding, quality }));
  const decoded = await about(path, () => decodeWithReport(encoded.bytes, coding));
  const files = { encoded: join(out, `${stem}.tlc`), decoded: join(out, `${stem}-decoded.png`) };
  await about(out, () => mkdir(out, { recursive: true }));
  await context.write(files.encoded, encoded.bytes, {});
  await context.write(files.decoded, (await encodeImage(decoded.image, 'png')).bytes, {});
  const size = encoded.bytes.length;
  const ours: RivalResult = {
    name: `this codec (${basename(name, '.safetensors')})`,
    quality: encoded.quality,
    bytes: size,
    bitsPerPixel: (8 * size) / (image.width * image.height),
    psnr: psnr(image, decoded.image),
    encodeSeconds: sumOf(encoded.seconds),
    decodeSeconds: sumOf(decoded.seconds),
  };
  const { width, height } = image;
  if (!options.json) {
    context.print(
      `${basename(path)}, ${width} x ${height}, on ${encoded.engine}; the others at the nearest size:`,
    );
    context.print('');
  }
  const rivals = await rivalsAt(image, size).catch((error: unknown) => {
    context.say(`codec: note: no comparison: ${describeError(error)}`);
    return [];
  });
  const results = [ours, ...rivals];
  if (options.json) {
    const numbers = results.map((result) => ({ ...result, psnr: finite(result.psnr) }));
    return context.printJson({ picture: path, engine: encoded.engine, results: numbers, files });
  }
  for (const line of resultTable(results)) context.print(`  ${line}`);
  context.print('');
  context.print(`Wrote ${files.encoded} and ${files.decoded}.`);
}

/** Adds the command. */
export function addDemo(program: Command, context: Context): void {
  const command = program
    .command('demo')
    .summary('code a picture and compare with JPEG, WebP and AVIF')
    .description(
      'Encode and decode a picture, print size, PSNR and times beside JPEG, WebP and AVIF files of the ' +
        'nearest size (at most 2 % larger), and write the encoded and the decoded picture.',
    )
    .argument('[input]', 'a picture (default: the sample picture that comes with the package)')
    .addOption(
      new Option('-q, --quality <0-100>', 'quality to encode with')
        .argParser(numberFrom(0, 100))
        .default(defaultEncodeOptions.quality),
    )
    .addOption(modelOption('bundled model or model file (default: "base" or the first bundled one)'))
    .addOption(engineOption())
    .addOption(threadsOption())
    .option('--out <folder>', 'where to write the two files', 'out')
    .addOption(jsonOption())
    .action((input: string | undefined, options: Options) => run(context, input, options));
  examples(command, ['codec demo', 'codec demo photo.jpg -q 30']);
}
