/** `codec encode`: a picture of any common format to a .tlc file. */
import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import { UsageError } from '../../../src/errors.js';
import { readImage } from '../../../src/io/index.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { decode } from '../../decode.js';
import { defaultEncodeOptions, efforts, encodeWithReport, tileThreshold } from '../../encode.js';
import { fileExtension } from '../../format/index.js';
import { encodeToTarget, type Target } from '../../rate-control.js';
import { mostRefinements } from '../../refinement.js';
import { about, type Context, FileError, inputName, outputName } from '../context.js';
import { examples } from '../manual.js';
import {
  type CoderOptions,
  coderOptions,
  modelNamed,
  multipleOf64,
  numberFrom,
  quantizerOption,
  refuseJsonBeside,
  refuseSameFile,
  sayNotices,
  wholeFrom,
  withExtension,
} from '../options.js';
import { type TargetOptions, targetOf, targetOptions } from '../targets.js';
import { bytes, count, decibels, finite, seconds, stages } from '../text.js';

/** Largest tile side that a header can say. */
const maxTileSide = 65535 * 64;

interface Options extends CoderOptions, TargetOptions {
  readonly quality: number;
  readonly effort: number;
  readonly quantizer?: string;
  readonly refinements?: number;
  readonly tile?: number;
  readonly icc: 'convert' | 'keep';
  readonly psnr?: boolean;
}

/** `encode a.png b.png` is likelier a misread shell pattern than the wish to lose b.png. */
function refusePictureName(output: string): void {
  if (/^\.(png|jpe?g|webp|avif|tiff?|gif)$/i.test(extname(output))) {
    throw new FileError(
      output,
      new UsageError(`expected a name like ${withExtension(output, fileExtension)} for the encoded file`),
    );
  }
}

async function run(
  context: Context,
  input: string,
  output: string,
  target: Target | undefined,
  options: Options,
): Promise<void> {
  const started = performance.now();
  const name = inputName(input);
  refuseSameFile(input, output);
  refusePictureName(output);
  context.refuseTerminal(output);
  const { maxPixels, icc, engine, threads, quality, effort, quantizer, refinements, tile, metadata } =
    options;
  const { image, notices } = await readImage(await context.read(input), { maxPixels, icc, name }).catch(
    (error: unknown) => {
      throw new FileError(name, error);
    },
  );
  sayNotices(context, name, notices);
  const model = await modelNamed(options.model ?? defaultEncodeOptions.model);
  const coding = { engine, threads, maxPixels, model };
  const encoding = { ...coding, quality, effort, quantizer, refinements, tileSide: tile, metadata };
  const report = await about(name, () =>
    target ? encodeToTarget(image, target, encoding) : encodeWithReport(image, encoding),
  );
  await context.write(output, report.bytes, options);
  const elapsed = (performance.now() - started) / 1000;
  const decibel =
    options.psnr || options.targetPsnr !== undefined
      ? psnr(image, await about(outputName(output), () => decode(report.bytes, coding)))
      : undefined;
  const { width, height } = image;
  const size = report.bytes.length;
  const bitsPerPixel = (8 * size) / (width * height);
  const parts = [bytes(size), `${bitsPerPixel.toFixed(3)} bpp`];
  if (decibel !== undefined) parts.push(decibels(decibel));
  if (target) parts.push(`quality ${report.quality}`);
  context.say(`${outputName(output)}: ${[...parts, seconds(elapsed)].join(', ')}`);
  if (options.verbose) {
    context.say(
      `  picture  ${width} x ${height}, ${image.channels} channels, ${count(report.tiles)} tile(s)`,
    );
    context.say(
      `  coding   quality ${report.quality}, ${report.quantizer}, ${count(report.refinements)} refinement(s), model ${model.id}`,
    );
    context.say(`  engine   ${report.engine}`);
    context.say(`  time     ${stages(report.seconds)}`);
  }
  if (options.json) {
    context.printJson({
      file: output,
      bytes: size,
      width,
      height,
      bitsPerPixel,
      ...(decibel === undefined ? {} : { psnr: finite(decibel) }),
      quality: report.quality,
      quantizer: report.quantizer,
      refinements: report.refinements,
      model: model.id,
      engine: report.engine,
      tiles: report.tiles,
      seconds: elapsed,
      stages: report.seconds,
    });
  }
}

/** Adds the command. */
export function addEncode(program: Command, context: Context): void {
  const command = program
    .command('encode')
    .summary('encode a picture into a .tlc file')
    .description(
      'Encode a picture (PNG, JPEG, WebP, AVIF, TIFF, GIF) into a .tlc file. Prints size, bits per pixel and time.',
    )
    .argument('<input>', 'the picture; - for standard input')
    .argument('[output]', `the .tlc file; - for standard output (default: the input's name with .tlc)`)
    .addOption(
      new Option('-q, --quality <0-100>', 'higher is better and larger; fractions are allowed')
        .argParser(numberFrom(0, 100))
        .default(defaultEncodeOptions.quality),
    )
    .addOption(
      new Option('-e, --effort <n>', `1 (fast) to ${efforts.length} (small)`)
        .argParser(wholeFrom(1, efforts.length))
        .default(defaultEncodeOptions.effort),
    )
    .addOption(quantizerOption('default: by effort'))
    .addOption(
      new Option(
        '--refinements <n>',
        "how often latents are searched again by the decoder's gradient (default: by effort; 0 with --quantizer)",
      ).argParser(wholeFrom(0, mostRefinements)),
    )
    .addOption(
      new Option(
        '--tile <side>',
        `side of independent tiles, a multiple of 64; 0 for one tile (default: 1024 for pictures over ${tileThreshold} pixels)`,
      ).argParser(multipleOf64(0, maxTileSide)),
    )
    .addOption(
      new Option('--icc <how>', 'colours of an embedded profile: convert to sRGB, or keep the profile')
        .choices(['convert', 'keep'])
        .default('convert'),
    )
    .option('--psnr', 'also decode, and print the PSNR');
  targetOptions(command);
  coderOptions(command, `bundled model or model file (default: "${defaultEncodeOptions.model}")`);
  command.action(async (input: string, wished: string | undefined, options: Options) => {
    const output = wished ?? withExtension(input, fileExtension);
    refuseJsonBeside(command, output, options.json);
    const quality = command.getOptionValueSource('quality') === 'cli' ? ['--quality'] : [];
    await run(context, input, output, targetOf(command, options, quality), options);
  });
  examples(command, [
    'codec encode photo.png',
    'codec encode photo.jpg small.tlc -q 25 --psnr',
    'codec encode photo.png --target-size 30000',
    'codec encode - - < photo.png > photo.tlc',
  ]);
}
