/**
 * `codec eval --weights`: quantizes the model's weights by every scheme that is asked for, once, into files beside the
 * results, and makes codecs of them.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import {
  type CodecSpec,
  calibrate,
  dequantizedWeights,
  type Hessians,
  parseWeights,
  type QuantizerSetting,
  quantizeWeights,
  serializeWeights,
  settingName,
  weightsFacts,
  weightsHash,
} from '../../eval/index.js';
import { CodecError, UsageError } from '../../src/errors.js';
import { writeFileAtomic } from '../../src/io/index.js';
import { parseScheme, schemeNames } from '../../src/weights/index.js';
import type { ParsedModel } from '../model/model-file.js';
import { calibrationCrops } from './calibration-crops.js';
import { about, type Context } from './context.js';
import { modelNamed } from './options.js';
import { bytes } from './text.js';

/** Values of the options that `weightsOptions` adds. */
export interface WeightsOptions {
  readonly weights: readonly string[];
  readonly calibration?: string;
}

/** Pictures to calibrate with, and the side of their crops: some thousand inputs for every layer. */
const calibrationSize = { pictures: 16, side: 256 } as const;

function schemeList(text: string): string[] {
  const schemes = text.split(',').flatMap((word) => word.trim() || []);
  try {
    schemes.forEach(parseScheme);
  } catch (error) {
    if (error instanceof CodecError) throw new InvalidArgumentError(error.message);
    throw error;
  }
  const twice = schemes.find((scheme, n) => schemes.indexOf(scheme) !== n);
  if (twice !== undefined) throw new InvalidArgumentError(`Expected every scheme once, got ${twice} twice.`);
  return schemes;
}

/** What to quantize, and what to calibrate with. */
export const weightsOptions = (): Option[] => [
  new Option(
    '--weights <list>',
    "schemes to quantize the model's own weights by, each measured as a codec: name, name:bits or " +
      `name:bits:granularity of ${schemeNames.join(', ')}`,
  )
    .argParser(schemeList)
    .default([], 'none'),
  new Option(
    '--calibration <folder>',
    'photographs for the schemes of --weights that look at inputs of layers',
  ),
];

/** What all files of a run are made from. */
interface Source {
  readonly model: ParsedModel;
  readonly hash: string;
  /** Where results are kept. */
  readonly out: string;
  readonly fresh: boolean;
  readonly calibration?: string;
  /** Second moments; made when they are first wanted. */
  hessians(): Hessians;
}

/** Whether a file has those weights already. */
async function isThere(path: string, { model, hash }: Source): Promise<boolean> {
  try {
    parseWeights(await readFile(path), model, hash);
    return true;
  } catch {
    // Absent, or of a run that was cut short: it is made again.
    return false;
  }
}

/** The path of the weights that a scheme makes; they are made where they are not there. */
async function quantizedFile(context: Context, scheme: string, source: Source): Promise<string> {
  const { model, hash, out, fresh } = source;
  const calibration = parseScheme(scheme).scheme.calibrated ? source.calibration : undefined;
  const parts = [hash, scheme.replaceAll(':', '-'), ...(calibration ? [calibration] : [])];
  const path = join(out, 'weights', `${parts.join('-')}.safetensors`);
  if (!fresh && (await isThere(path, source))) return path;
  const hessians = calibration ? source.hessians() : undefined;
  const quantized = quantizeWeights(model, scheme, hessians);
  const { decoder, sqnr } = weightsFacts(model, quantized, dequantizedWeights(quantized), '');
  context.say(
    `weights ${scheme}: ${decoder.bitsPerWeight.toFixed(3)} bits per weight, SQNR ${sqnr.toFixed(2)} dB, decoder of ${bytes(decoder.bytes)}`,
  );
  const made = serializeWeights(quantized, { model: hash, ...(calibration && { calibration }) });
  await about(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, made);
  });
  return path;
}

/**
 * Codecs with quantized weights: every scheme under every quantizer of latents.
 *
 * @param options of our codec, without its quantizer
 * @throws UsageError where there is no quantizer, or no folder for a scheme that is calibrated; FileError naming the folder
 */
export async function weightsSpecs(
  context: Context,
  {
    weights,
    calibration,
    quantizers,
    out,
    fresh = false,
  }: WeightsOptions & {
    readonly quantizers: readonly QuantizerSetting[];
    readonly out: string;
    readonly fresh?: boolean;
  },
  options: Extract<CodecSpec, { kind: 'ours' }>['options'] & { readonly model: string },
): Promise<CodecSpec[]> {
  if (weights.length === 0) return [];
  if (quantizers.length === 0) {
    throw new UsageError('weights: expected a quantizer of latents to measure them with, got none');
  }
  const calibrated = weights.find((scheme) => parseScheme(scheme).scheme.calibrated);
  if (calibrated !== undefined && calibration === undefined) {
    throw new UsageError(
      `weights: expected a folder of photographs (--calibration) for ${calibrated}, which looks at inputs of layers`,
    );
  }
  const model = await modelNamed(options.model);
  const crops =
    calibrated === undefined
      ? undefined
      : await calibrationCrops(context, calibration as string, calibrationSize);
  let hessians: Hessians | undefined;
  const source: Source = {
    model,
    hash: weightsHash(model),
    out,
    fresh,
    ...(crops && { calibration: crops.hash }),
    hessians: () => {
      hessians ??= calibrate(model, crops?.images ?? []);
      return hessians;
    },
  };
  const specs: CodecSpec[] = [];
  for (const scheme of weights) {
    const path = await quantizedFile(context, scheme, source);
    for (const setting of quantizers) {
      const name = `${model.config.name} ${settingName(setting)} ${scheme}`;
      specs.push({ kind: 'ours', options: { ...options, ...setting, name, weights: path } });
    }
  }
  return specs;
}
