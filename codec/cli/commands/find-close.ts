/** `codec find-close`: for every picture of a set the quality whose file or decoded picture is closest to a target. */
import type { Command } from 'commander';
import { loadImage } from '../../../datasets/index.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { decode } from '../../decode.js';
import { defaultEncodeOptions, efforts } from '../../encode.js';
import { encodeToTarget, isNear, type Target } from '../../rate-control.js';
import type { EngineName } from '../../transform-engine.js';
import { type Context, describeError } from '../context.js';
import { datasetNamed } from '../dataset-argument.js';
import { examples } from '../manual.js';
import {
  engineOption,
  jsonOption,
  modelNamed,
  modelOption,
  quantizerOption,
  threadsOption,
} from '../options.js';
import { Progress } from '../progress.js';
import { type TargetOptions, targetOf, targetOptions } from '../targets.js';
import { count, table } from '../text.js';
import { dataOption } from './datasets.js';

interface Options extends TargetOptions {
  readonly data?: string;
  readonly model: string;
  readonly quantizer?: string;
  readonly engine: EngineName;
  readonly threads: number;
  readonly json?: boolean;
}

interface Found {
  readonly image: string;
  readonly quality: number;
  readonly bytes: number;
  readonly bitsPerPixel: number;
  readonly psnr: number;
  readonly encodings: number;
}

const mean = (found: readonly Found[], value: (one: Found) => number): number =>
  found.reduce((sum, one) => sum + value(one), 0) / found.length;

function foundTable(found: readonly Found[]): string[] {
  const row = (name: string, of: (value: (one: Found) => number) => number): string[] => [
    name,
    of(({ quality }) => quality).toFixed(2),
    count(of(({ bytes }) => bytes)),
    of(({ bitsPerPixel }) => bitsPerPixel).toFixed(4),
    of((one) => one.psnr).toFixed(3),
    of(({ encodings }) => encodings).toFixed(0),
  ];
  return table(
    [
      ['picture', 'quality', 'bytes', 'bpp', 'PSNR dB', 'encodings'],
      ...found.map((one) => row(one.image, (value) => value(one))),
      row('mean', (value) => mean(found, value)),
    ],
    'lrrrrr',
  );
}

const missed = ({ quality, bytes, bitsPerPixel, psnr: decibels }: Found): string =>
  `not reached: quality ${quality} is the nearest, with ${count(bytes)} bytes, ${bitsPerPixel.toFixed(4)} bpp, ${decibels.toFixed(3)} dB`;

async function run(context: Context, source: string, target: Target, options: Options): Promise<void> {
  const dataset = await datasetNamed(source, options.data);
  const model = await modelNamed(options.model);
  const { quantizer, engine, threads } = options;
  const coding = { model, engine, threads };
  const { stderr } = context.streams;
  const progress = stderr.isTTY ? new Progress(stderr, dataset.images.length) : undefined;
  const found: Found[] = [];
  const failures: string[] = [];
  for (const [done, entry] of dataset.images.entries()) {
    progress?.update(done, entry.name);
    try {
      const { image } = await loadImage(entry);
      const { bytes, quality, encodings } = await encodeToTarget(image, target, { ...coding, quantizer });
      const pixels = image.width * image.height;
      const one: Found = {
        image: entry.name,
        quality,
        bytes: bytes.length,
        bitsPerPixel: (8 * bytes.length) / pixels,
        psnr: psnr(image, await decode(bytes, coding)),
        encodings,
      };
      found.push(one);
      if (!isNear(target, { ...one, pixels })) failures.push(`${entry.name}: ${missed(one)}`);
    } catch (error) {
      failures.push(`${entry.name}: ${describeError(error)}`);
    }
  }
  progress?.update(dataset.images.length, '');
  progress?.end();
  for (const failure of failures) context.say(failure);
  if (failures.length > 0) context.status = 3;
  if (options.json) context.printJson({ dataset: dataset.name, model: model.id, target, found, failures });
  else if (found.length > 0) for (const line of foundTable(found)) context.print(line);
}

/** Adds the command. */
export function addFindClose(program: Command, context: Context): void {
  const command = program
    .command('find-close')
    .summary('find the qualities at which pictures have a size, a rate or a PSNR')
    .description(
      'Find for every picture of a set or folder the quality that comes closest to a target: 97 to 100 % of that size or ' +
        'rate, or that PSNR within 0.05 dB. Exit code 3: done, but the pictures that are named cannot be read, or have ' +
        'no such quality.',
    )
    .argument('<pictures>', 'kodak, tecnick, validation, or a folder')
    .addOption(dataOption())
    .addOption(modelOption('bundled model or model file').default(defaultEncodeOptions.model))
    .addOption(quantizerOption(`default: ${efforts[defaultEncodeOptions.effort - 1].quantizer}`))
    .addOption(engineOption())
    .addOption(threadsOption())
    .addOption(jsonOption());
  targetOptions(command);
  command.action(async (source: string, options: Options) => {
    const target = targetOf(command, options);
    if (!target) {
      return command.error('error: expected one of --target-size, --target-bpp, --target-psnr', {
        exitCode: 2,
      });
    }
    await run(context, source, target, options);
  });
  examples(command, [
    'codec find-close kodak --target-bpp 0.5',
    'codec find-close photos --target-psnr 34 --json',
  ]);
}
