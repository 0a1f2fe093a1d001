/** Targets of rate control as options: a size, a rate or a PSNR instead of a quality. */
import { type Command, Option } from 'commander';
import type { Target } from '../rate-control.js';
import { numberFrom, wholeFrom } from './options.js';

export interface TargetOptions {
  readonly targetSize?: number;
  readonly targetBpp?: number;
  readonly targetPsnr?: number;
}

const flags = ['--target-size', '--target-bpp', '--target-psnr'] as const;

/** Adds the options. */
export function targetOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        `${flags[0]} <bytes>`,
        'find the quality whose file has at most so many bytes, and nearly as many',
      ).argParser(wholeFrom(1)),
    )
    .addOption(new Option(`${flags[1]} <x>`, 'the same in bits per pixel').argParser(numberFrom(1e-6, 1e6)))
    .addOption(
      new Option(`${flags[2]} <dB>`, 'find the quality whose decoded picture has this PSNR').argParser(
        numberFrom(0, 100),
      ),
    );
}

/**
 * The one target that is wished, if any; usage error for more than one.
 *
 * @param others flags that exclude a target and were given
 */
export function targetOf(
  command: Command,
  options: TargetOptions,
  others: readonly string[] = [],
): Target | undefined {
  const { targetSize: bytes, targetBpp: bitsPerPixel, targetPsnr } = options;
  const targets: readonly (Target | false)[] = [
    bytes !== undefined && { bytes },
    bitsPerPixel !== undefined && { bitsPerPixel },
    targetPsnr !== undefined && { psnr: targetPsnr },
  ];
  const wished = targets.filter((target) => target !== false);
  if (wished.length + others.length > 1) {
    const names = [...others, ...flags].join(', ');
    command.error(`error: expected one of ${names}, got ${wished.length + others.length}`, { exitCode: 2 });
  }
  return wished[0];
}
