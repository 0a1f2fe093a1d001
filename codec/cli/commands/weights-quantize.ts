/** `codec weights quantize`: a checkpoint in, a smaller one out, tensor by tensor, with a report. */
import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../../src/errors.js';
import { Calibration } from '../../../src/weights/files/calibration.js';
import type { Checkpoint } from '../../../src/weights/files/checkpoint.js';
import type { GgufCheckpoint } from '../../../src/weights/files/gguf-checkpoint.js';
import { entriesFromConfig, ggufOutput } from '../../../src/weights/files/gguf-output.js';
import { openCheckpoint } from '../../../src/weights/files/open.js';
import {
  labelOf,
  type OutputFormat,
  type SafetensorsOptions,
  safetensorsOutput,
  tlwOutput,
} from '../../../src/weights/files/output.js';
import { measureSample, type PlannedTensor, planTensors, sampleOf } from '../../../src/weights/files/plan.js';
import {
  journalFolder,
  quantizeCheckpoint,
  readConfig,
  totalOf,
} from '../../../src/weights/files/quantize.js';
import { quantizationKey } from '../../../src/weights/files/safetensors-checkpoint.js';
import { meetTarget } from '../../../src/weights/files/target-rate.js';
import { type FilterRule, parseRule } from '../../../src/weights/filter.js';
import { elementCount } from '../../../src/weights/layout.js';
import { parseScheme, type SchemeChoice } from '../../../src/weights/registry.js';
import type { QuantizationReport } from '../../../src/weights/report.js';
import { about, type Context, FileError } from '../context.js';
import { examples } from '../manual.js';
import { exists, jsonOption, numberFrom, verboseOption, wholeFrom } from '../options.js';
import { Progress } from '../progress.js';
import { bytes, count, decibels, table } from '../text.js';
import { reportJson, reportTable, worst } from '../weights-text.js';

interface Options {
  readonly scheme: SchemeChoice;
  readonly bits?: string;
  readonly group?: string;
  readonly targetBpw?: number;
  readonly filter: readonly FilterRule[];
  readonly keep: readonly FilterRule[];
  readonly seed?: number;
  readonly calibration?: string;
  readonly packed?: boolean;
  readonly dtype?: SafetensorsOptions['dtype'];
  readonly dryRun?: boolean;
  readonly resume?: boolean;
  readonly overwrite: boolean;
  readonly worst?: number;
  readonly json?: boolean;
}

/** Parser of an option by a function of the library whose UsageErrors are wrong usage. */
function parsed<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof UsageError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}

/** The same for options that may come several times. */
const gathered =
  (parse: (text: string) => FilterRule) =>
  (text: string, before: readonly FilterRule[]): FilterRule[] => [...before, parsed(parse)(text)];

/** --scheme with --bits and --group, which are other ways to write its fields. */
function fallbackOf(command: Command, { scheme: choice, bits, group }: Options): SchemeChoice {
  const { scheme, options } = choice;
  const granularity =
    typeof options.granularity === 'object' ? options.granularity.group : options.granularity;
  const text = [scheme.name, bits ?? options.bits ?? '', group ?? granularity ?? ''].join(':');
  try {
    return parseScheme(text);
  } catch (error) {
    if (error instanceof UsageError) command.error(`error: ${error.message}`, { exitCode: 2 });
    throw error;
  }
}

async function formatOf(source: Checkpoint, output: string, options: Options): Promise<OutputFormat> {
  const { packed = false, dtype } = options;
  // Lists of GGUF metadata are not texts; what was done to other files does not hold for this one.
  const { [quantizationKey]: _, ...others } = source.metadata;
  const metadata = source.format === 'gguf' ? {} : others;
  const extension = extname(output);
  if (packed && (extension === '.gguf' || extension === '.tlw')) {
    throw new UsageError(`expected .safetensors or a folder for --packed, got ${extension}`);
  }
  if (extension === '.gguf') {
    if (source.format === 'gguf') return ggufOutput((source as GgufCheckpoint).entries);
    const name = basename(source.path, extname(source.path));
    return ggufOutput(entriesFromConfig(await readConfig(source), name));
  }
  if (extension === '.tlw') return tlwOutput(metadata);
  if (/^\.(bin|pth?|onnx|json|zip|npz|ckpt)$/.test(extension)) {
    throw new UsageError(`expected .safetensors, .gguf, .tlw or a folder, got ${extension}`);
  }
  return safetensorsOutput({ isFolder: extension !== '.safetensors', packed, dtype, metadata });
}

async function checkOutput(input: string, output: string, options: Options): Promise<void> {
  if (resolve(input) === resolve(output)) {
    throw new FileError(output, new UsageError('expected another place for the output than the input'));
  }
  const found = await stat(output).catch(() => undefined);
  // A folder that a run has begun is there already when it is resumed.
  const isOwn = options.resume && (await exists(journalFolder(output)));
  if (found && !options.overwrite && !isOwn) {
    throw new FileError(output, new UsageError('exists already, and overwriting is off'));
  }
}

/** --dry-run: what would be done, by samples. */
async function describePlan(
  context: Context,
  source: Checkpoint,
  format: OutputFormat,
  planned: readonly PlannedTensor[],
  calibration: Calibration | undefined,
  options: Options,
): Promise<void> {
  const rows = [];
  let bits = 0;
  let weights = 0;
  for (const { tensor, choice, instead } of planned) {
    const { name, shape, type } = tensor;
    const size = elementCount(shape);
    const complete = choice && (calibration ? await calibration.completed(choice, tensor) : choice);
    const sampled =
      complete && size > 0 ? measureSample(await sampleOf(source, tensor), complete, format) : undefined;
    if (sampled) {
      bits += sampled.bitsPerWeight * size;
      weights += size;
    }
    rows.push({
      name,
      shape,
      type,
      scheme: choice ? labelOf(choice) : 'kept',
      ...(instead === undefined ? {} : { instead }),
      bitsPerWeight: sampled?.bitsPerWeight ?? null,
      sqnr: sampled?.sqnr ?? null,
    });
  }
  const bitsPerWeight = weights === 0 ? null : bits / weights;
  if (options.json) return context.printJson({ tensors: rows.map(withFiniteSqnr), bitsPerWeight });
  const lines = rows.map(({ name, shape, type, scheme, instead, bitsPerWeight: one, sqnr }) => [
    name,
    shape.join(' x '),
    type,
    instead === undefined ? scheme : `${scheme} (not ${instead})`,
    one === null ? '' : one.toFixed(3),
    sqnr === null ? '' : decibels(sqnr),
  ]);
  const heading = ['tensor', 'shape', 'type', 'scheme', 'bits/weight', 'SQNR'];
  for (const line of table([heading, ...lines], 'llllrr')) context.print(line);
  const average = bitsPerWeight === null ? 'nothing' : `${bitsPerWeight.toFixed(3)} bits per weight`;
  context.print(`quantized: ${count(weights)} weights, ${average}, by samples; nothing was written`);
}

const withFiniteSqnr = <T extends { readonly sqnr: number | null }>(row: T) => ({
  ...row,
  sqnr: row.sqnr !== null && Number.isFinite(row.sqnr) ? row.sqnr : null,
});

function report(
  context: Context,
  source: Checkpoint,
  output: string,
  result: { readonly reports: readonly QuantizationReport[]; readonly bytes: number },
  planned: readonly PlannedTensor[],
  options: Options,
): void {
  const { reports } = result;
  const total = totalOf(reports);
  const weights = planned.reduce((sum, { tensor }) => sum + elementCount(tensor.shape), 0);
  const fileBitsPerWeight = weights === 0 ? 0 : (8 * result.bytes) / weights;
  const fallbacks = planned.flatMap(({ tensor, choice, instead }) =>
    instead === undefined || !choice ? [] : [{ name: tensor.name, scheme: choice.scheme.name, instead }],
  );
  if (options.json) {
    context.printJson({
      input: source.path,
      output,
      tensors: worst(reports, options.worst).map(reportJson),
      fallbacks,
      quantized: reportJson(total),
      file: {
        weights,
        bytesBefore: source.fileBytes,
        bytes: result.bytes,
        bitsPerWeight: fileBitsPerWeight,
      },
    });
    return;
  }
  for (const line of reportTable(worst(reports, options.worst))) context.print(line);
  for (const { name, scheme, instead } of fallbacks) {
    context.print(`${name}: ${scheme} in place of ${instead}, as its rows are no multiple of a block`);
  }
  context.print(
    `quantized: ${count(total.weights)} weights, ${total.bitsPerWeight.toFixed(3)} bits per weight, SQNR ${decibels(total.sqnr)}`,
  );
  context.print(
    `${output}: ${bytes(result.bytes)} of ${bytes(source.fileBytes)}, ${fileBitsPerWeight.toFixed(3)} bits per weight with all that was kept`,
  );
}

async function run(
  context: Context,
  command: Command,
  input: string,
  output: string,
  options: Options,
): Promise<void> {
  const fallback = fallbackOf(command, options);
  await checkOutput(input, output, options);
  const source = await about(input, () => openCheckpoint(input));
  const stop = new AbortController();
  let release: (() => void) | undefined;
  let bar: Progress | undefined;
  let inputs: Checkpoint | undefined;
  try {
    const { calibration: path } = options;
    inputs = path === undefined ? undefined : await about(path, () => openCheckpoint(path));
    const calibration = inputs && new Calibration(inputs);
    const format = await about(output, () => formatOf(source, output, options));
    const rules = [...options.keep, ...options.filter];
    let planned = planTensors(source, format, { rules, fallback, seed: options.seed, calibration });
    if (options.targetBpw !== undefined) {
      planned = await meetTarget(source, format, planned, options.targetBpw, calibration);
    }
    if (options.dryRun) return await describePlan(context, source, format, planned, calibration, options);
    const { stderr } = context.streams;
    const total = planned.reduce((sum, { tensor }) => sum + tensor.bytes, 0);
    bar = stderr.isTTY ? new Progress(stderr, Math.max(1, Math.round(total / 1000))) : undefined;
    release = context.streams.onInterrupt?.(() => {
      const line = 'stopping after this tensor; once more to stop at once';
      if (bar) bar.say(line);
      else context.say(line);
      stop.abort();
    });
    let done = 0;
    const result = await about(output, () =>
      quantizeCheckpoint(source, planned, {
        output,
        format,
        resume: options.resume,
        calibration,
        signal: stop.signal,
        onTensor: ({ tensor, choice }) => {
          done += tensor.bytes;
          bar?.update(Math.round(done / 1000), `kB  ${tensor.name}`);
          if (context.verbose && !bar) context.say(`${tensor.name}: ${choice ? labelOf(choice) : 'kept'}`);
        },
      }),
    );
    bar?.end();
    bar = undefined;
    if (!result.finished) {
      context.say(`${output}: stopped; the same command with --resume goes on where it was`);
      context.status = 1;
      return;
    }
    report(context, source, output, result, planned, options);
  } finally {
    bar?.end();
    release?.();
    await source.close();
    await inputs?.close();
  }
}

/** Adds the command. */
export function addWeightsQuantize(parent: Command, context: Context): void {
  const command = parent
    .command('quantize')
    .summary('quantize a checkpoint')
    .description(
      'Quantize a checkpoint, tensor by tensor, in the memory of the largest one. The output is .safetensors, .gguf or ' +
        '.tlw by its extension, else a folder with the shards of the input. Normalisations, embeddings, output heads, biases and ' +
        'whatever has one axis stay as they are unless --filter says otherwise. Ctrl-C finishes the tensor; --resume goes on.',
    )
    .argument('<input>', 'a .safetensors, .gguf or .tlw file, or a folder of .safetensors files')
    .argument('<output>', 'the file or folder to write')
    .addOption(
      new Option(
        '--scheme <name>',
        'name:bits:group of the scheme for all that is not kept; fields may be empty',
      )
        .argParser(parsed(parseScheme))
        .makeOptionMandatory(),
    )
    .option('--bits <n>', 'bits of a code, where the scheme has a choice')
    .option('--group <n>', 'columns that share a scale; or tensor, or row')
    .addOption(
      new Option(
        '--target-bpw <x>',
        'bits per quantized weight: finds the step of tcq8 and urq, or a mix of widths of other schemes',
      ).argParser(numberFrom(0.05, 16)),
    )
    .addOption(
      new Option(
        '--filter <regex=scheme>',
        'another scheme, or none, for tensors whose whole name fits; may be repeated, the first that fits decides',
      )
        .argParser(gathered(parseRule))
        .default([], 'none'),
    )
    .addOption(
      new Option('--keep <regex>', 'tensors to leave as they are; may be repeated, goes before --filter')
        .argParser(gathered((text) => parseRule(`${text}=none`)))
        .default([], 'none'),
    )
    .addOption(
      new Option('--seed <n>', 'decides random choices, where the scheme makes any').argParser(
        wholeFrom(0, 2 ** 32 - 1),
      ),
    )
    .option(
      '--calibration <file>',
      'inputs of layers for gptq and gptq-sym: tensors NAME.inputs [samples, columns], or NAME.hessian [columns, columns]',
    )
    .option('--packed', 'safetensors: store the codes as they are packed, not the values that they stand for')
    .addOption(
      new Option(
        '--dtype <type>',
        'safetensors: element type of the values (default: that of the input)',
      ).choices(['F32', 'F16', 'BF16']),
    )
    .option('--dry-run', 'show what would be done, with bits and errors of samples, and write nothing')
    .option('--resume', 'go on with a run that was interrupted')
    .option('--no-overwrite', 'fail if the output exists')
    .addOption(new Option('--worst <n>', 'report the n tensors of lowest SQNR only').argParser(wholeFrom(0)))
    .addOption(jsonOption())
    .addOption(verboseOption());
  command.action((input: string, output: string, options: Options) =>
    run(context, command, input, output, options),
  );
  examples(command, [
    'codec weights quantize model.safetensors small.tlw --scheme tcq8 --bits 3',
    'codec weights quantize Llama-3.2-1B llama.gguf --scheme q4_k --filter ".*(v|down)_proj.*=q6_k"',
    'codec weights quantize Llama-3.2-1B Llama-3.2-1B-int4 --scheme int4 --group 128 --packed',
    'codec weights quantize model.safetensors mixed.safetensors --scheme int4 --target-bpw 4.5 --dry-run',
    'codec weights quantize Llama-3.2-1B gptq --scheme gptq:4:128 --calibration activations.safetensors',
  ]);
}
