/** `codec decode`: a .tlc file to a picture, in the format of the output's extension. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../../src/errors.js';
import { encodeImage, formatOfPath, type Image, readImage, withMetadata } from '../../../src/io/index.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { decodeWithReport } from '../../decode.js';
import { about, type Context, FileError, inputName, outputName } from '../context.js';
import { examples } from '../manual.js';
import {
  type CoderOptions,
  coderOptions,
  exists,
  modelNamed,
  refuseJsonBeside,
  refuseSameFile,
  sayNotices,
  wholeFrom,
  withExtension,
} from '../options.js';
import { bytes, decibels, finite, seconds, stages } from '../text.js';

interface Options extends CoderOptions {
  readonly quality?: number;
  readonly reference?: string;
}

/** The reference in the decoded picture's colours: a file that has a profile keeps its samples as they were. */
async function readReference(path: string, image: Image, maxPixels: number | undefined): Promise<Image> {
  return about(path, async () => {
    const icc = image.metadata?.icc ? 'keep' : 'convert';
    const reference = (await readImage(path, { maxPixels, icc })).image;
    if (reference.width !== image.width || reference.height !== image.height) {
      throw new UsageError(
        `expected a reference of ${image.width}x${image.height}, got ${reference.width}x${reference.height}`,
      );
    }
    return reference;
  });
}

async function run(context: Context, input: string, output: string, options: Options): Promise<void> {
  const started = performance.now();
  const name = inputName(input);
  const { engine, threads, maxPixels } = options;
  // Everything that can be wrong with the output's name is found before the work.
  const format = output === '-' ? 'png' : await about(output, () => formatOfPath(output));
  refuseSameFile(input, output);
  context.refuseTerminal(output);
  if (options.reference !== undefined && !(await exists(options.reference))) {
    throw new FileError(options.reference, new UsageError('expected a reference, there is no such file'));
  }
  const encoded = await context.read(input);
  const model = options.model === undefined ? undefined : await modelNamed(options.model);
  const {
    image,
    header,
    latentsChecksum,
    seconds: times,
    engine: used,
  } = await about(name, () => decodeWithReport(encoded, { model, engine, threads, maxPixels }));
  const kept = options.metadata ? image : withMetadata(image, undefined);
  const { quality } = options;
  const picture = await about(outputName(output), () => encodeImage(kept, format, { quality }));
  await context.write(output, picture.bytes, options);
  sayNotices(context, outputName(output), picture.notices);
  const elapsed = (performance.now() - started) / 1000;
  const { width, height } = image;
  // After the picture is written: a reference that does not fit costs nothing but its number.
  const reference = options.reference && (await readReference(options.reference, image, maxPixels));
  const decibel = reference ? psnr(reference, image) : undefined;
  const parts = [`${width} x ${height}`, bytes(picture.bytes.length)];
  if (decibel !== undefined) parts.push(decibels(decibel));
  context.say(`${outputName(output)}: ${[...parts, seconds(elapsed)].join(', ')}`);
  if (options.verbose) {
    context.say(`  coding   quality ${header.quality}, model ${header.modelId}`);
    context.say(`  engine   ${used}`);
    context.say(`  time     ${stages(times)}`);
  }
  if (options.json) {
    context.printJson({
      file: output,
      bytes: picture.bytes.length,
      width,
      height,
      channels: image.channels,
      ...(decibel === undefined ? {} : { psnr: finite(decibel) }),
      encodedBytes: encoded.length,
      bitsPerPixel: (8 * encoded.length) / (width * height),
      engine: used,
      // The decoder has compared it with the integers that it decoded.
      latentsChecksum,
      seconds: elapsed,
      stages: times,
    });
  }
}

/** Adds the command. */
export function addDecode(program: Command, context: Context): void {
  const command = program
    .command('decode')
    .summary('decode a .tlc file into a picture')
    .description(
      'Decode a .tlc file into a picture. The extension of the output (.png, .jpg, .webp, .avif, .tif) is its format.',
    )
    .argument('<input>', 'the .tlc file; - for standard input')
    .argument(
      '[output]',
      "the picture; - for a PNG on standard output (default: the input's name with .png, which must not exist)",
    )
    .addOption(
      new Option('-q, --quality <1-100>', 'quality of a lossy output format (default: 92)').argParser(
        wholeFrom(1, 100),
      ),
    )
    .option('--reference <picture>', 'also print the PSNR against this picture');
  coderOptions(command, 'bundled model or model file (default: the bundled one that the file names)');
  command.action(async (input: string, wished: string | undefined, options: Options) => {
    const output = wished ?? withExtension(input, '.png');
    refuseJsonBeside(command, output, options.json);
    // photo.png -> photo.tlc -> photo.png would replace the original by its decoded form.
    if (wished === undefined && (await exists(output))) {
      throw new FileError(output, new UsageError('exists already; name the output to replace it'));
    }
    await run(context, input, output, options);
  });
  examples(command, [
    'codec decode photo.tlc decoded.png --reference photo.png',
    'codec decode photo.tlc decoded.jpg -q 90',
    'codec decode - - < photo.tlc > decoded.png',
  ]);
}
